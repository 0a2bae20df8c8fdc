"""From wire events to what each reader gets: an SSE frame, or one message of the chat page. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from assistant.knowledge.supporting import Highlight, supporting
from connectors.builtin_text import NEAREST, NOT_HELD
from ui.answer_blocks import Reading
from ui.answered import fell_back
from ui.cards import sources
from ui.kept import Kept
from ui.links import Links
from ui.rendering import answer, in_line, literal
from ui.route_card import route_card
from ui.ways import Said, ways
from ui.words import Language, Words, words

Wire = Mapping[str, Any]
LOST = "not_in_documents"
REFUSALS = [f"{NOT_HELD[language]} {NEAREST[language]}" for language in NOT_HELD]
"""How the builtin model begins an answer that the documents do not hold: the page has said so above it."""


def sse(event: Wire) -> str:
    """The event as a frame of ``text/event-stream``: its type as the event's name, all of it as JSON data.

    The JSON is ASCII: readers that split lines as Unicode does would break a frame at a raw U+2028 or U+0085.
    """
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


@dataclass(slots=True)
class Shown:
    """What the page shows of one answer; it takes wire events as they come, and records read back later.
    ``collections`` maps names to the titles that readers know them by; ``hosts`` are those that links may lead to
    though no passage names the address; ``contact`` is whom to ask instead; ``correction`` is what was said of its
    route."""

    text: str = ""
    routed: Wire | None = None
    retrieved: Wire | None = None
    checked: Wire | None = None
    ended: Wire | None = None
    stopped: bool = False
    unfinished: bool = False
    collections: Mapping[str, str] = field(default_factory=dict)
    contact: str | None = None
    language: Language = "en"
    hosts: Sequence[str] = ()
    correction: Said | None = None
    _pieces: list[str] = field(default_factory=list)
    _kept: Kept = field(default_factory=Kept, compare=False, repr=False)

    def take(self, event: Wire) -> None:
        """Take one event in."""
        kind = event["type"]
        if kind == "text_delta":
            self._pieces.append(event["text"])
            return
        if kind in ("finished", "failed"):
            self.ended = event
        elif kind in ("routed", "retrieved", "checked"):
            setattr(self, kind, event)

    def now(self) -> Shown:
        """As it stands, whatever is taken in later: to be rendered elsewhere."""
        return replace(self, text=self.text or "".join(self._pieces))

    def markdown(self) -> str:
        """The answer as the chat page takes it: route line, text, what the reader must know, sources.

        Each part is one line of HTML with a blank line before the next: Markdown hands such blocks through as they
        are, and the page replaces only those that changed, so that an opened one stays open.
        """
        text = self.text or "".join(self._pieces)
        numbers = {each["number"] for each in self.passages}
        turn = self.routed["turn"][:8] if self.routed else "turn"
        parts = [self._route_card(), self.evidence(), self._answer(text, turn, numbers), self.notice()]
        parts.append(self._sources(text, turn, numbers))
        return "\n\n".join(literal(part) for part in parts if part)

    @property
    def passages(self) -> Sequence[Wire]:
        """The passages that were found, none on a route that does not look up."""
        return self.retrieved["passages"] if self.retrieved else ()

    @property
    def _words(self) -> Words:
        return words(self.language)

    @property
    def lost(self) -> bool:
        """Whether the documents were found not to answer."""
        return self.retrieved is not None and self.retrieved["evidence"] == LOST

    def _answer(self, text: str, turn: str, numbers: set[int]) -> str:
        allowed, say = Links(self.passages, self.hosts).allow, self._words.say
        if self._grows and not self.lost:
            return self._kept.answer(text, Reading(turn, frozenset(numbers), allowed, say, str))
        marks = self.checked.get("marks", ()) if self.checked else ()
        if self.lost:
            text, marks = unrefused(text, marks)
        return answer(text, turn, numbers, allowed, marks, say)

    @property
    def _grows(self) -> bool:
        """Whether more of the text may come, and nothing that is said of what is there."""
        return not (self.checked or self.ended or self.stopped or self.unfinished)

    def _route_card(self) -> str:
        of = self.routed, self.retrieved, self.ended, self.stopped, self.correction
        return self._kept.part("route", of, self._made_route_card)

    def _made_route_card(self) -> str:
        if not self.routed:
            return ""
        over = self.stopped or self.ended is not None
        done = self.correction.done(self._words) if self.correction else ""
        more = ways(self.routed, self.correction, self._words) if over else ""
        return route_card(self.routed, self.retrieved, self.ended, self._words, self.collections, done, more)

    def _sources(self, text: str, turn: str, numbers: set[int]) -> str:
        """The cards; those that the answer cites, as soon as that is known, with the words that support it."""
        of = self.retrieved, self.checked, text if self.checked else ""
        return self._kept.part("sources", of, lambda: self._made_sources(text, turn, numbers))

    def _made_sources(self, text: str, turn: str, numbers: set[int]) -> str:
        said = {"text": "", "answer": text, "retrieved": self.retrieved, "checked": self.checked}

        def support(found: Wire) -> tuple[Highlight, ...]:
            return supporting(said, found["number"])

        cited = set(self.checked["cited"]) & numbers if self.checked else None
        return sources(self.passages, turn, cited, self._words, support, self.lost)

    def evidence(self) -> str:
        """What stands above an answer that its evidence does not bear, as HTML; else empty."""
        if not self.retrieved or self.retrieved["evidence"] not in (LOST, "partly"):
            return ""
        said = self._words[f"evidence.{self.retrieved['evidence']}"]
        why = self._words.joined(self.retrieved.get("why", ()))
        reason = f"<small>{in_line(why[:1].upper() + why[1:])}.</small>" if why else ""
        more = f"<small>{in_line(self._ways_on())}</small>" if self.lost else ""
        return f'<p class="notice evidence">{escape(said)}{reason}{more}</p>'

    def _ways_on(self) -> str:
        """What somebody can do whose question the documents do not answer: say it differently, search another
        collection where there is one, ask whoever is named."""
        ways_on = [self._words["evidence.try_again"]]
        if self.retrieved and self.collections.keys() - set(self.retrieved["searched"]):
            ways_on.append(self._words["evidence.elsewhere"])
        if self.contact:
            ways_on.append(self._words("evidence.ask_contact", contact=self.contact))
        return self._words["evidence.or"].join(ways_on) + "."

    def _checks(self) -> Iterator[str]:
        """What the check of the answer found, in words."""
        if not self.checked:
            return
        if any(mark["state"] != "supported" for mark in self.checked.get("marks", ())):
            yield self._words["check.marked"]
        for name in ("added", "lost"):
            if facts := self.checked.get(name):
                yield self._words(f"check.{name}", facts=", ".join(facts))

    def notice(self) -> str:
        """What the reader must know of the answer, below it, as HTML."""
        lines = [("check", line) for line in self._checks()]
        if self.ended and self.ended["type"] == "failed":
            lines.append(("failed", self._words.failure(self.ended)))
        elif self.ended and self.ended.get("cut"):
            lines.append(("note", self._words["answer.cut"]))
        if self.ended and self.ended.get("faults"):
            lines.append(("note", fell_back(self.ended, self._words)))
        if self.ended and self.ended.get("note"):
            lines.append(("note", self._words.say(self.ended["note"])))
        if self.stopped:
            lines.append(("note", self._words["answer.stopped"]))
        elif self.unfinished:
            lines.append(("note", self._words["answer.unfinished"]))
        return "".join(f'<p class="notice {kind}">{in_line(line)}</p>' for kind, line in lines)


def unrefused(text: str, marks: Sequence[Wire]) -> tuple[str, Sequence[Wire]]:
    """An answer without the builtin model's refusal at its beginning, also while that is still being written, and its
    marks where they then stand."""
    for refusal in REFUSALS:
        if text.startswith(refusal):
            cut = len(refusal)
            moved = [{**mark, "start": mark["start"] - cut, "end": mark["end"] - cut} for mark in marks]
            return text[cut:], [mark for mark in moved if mark["start"] >= 0]
        if refusal.startswith(text.strip()):
            return "", ()
    return text, marks
