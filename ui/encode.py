"""From wire events to what each reader gets: an SSE frame, or one message of the chat page. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from types import MappingProxyType
from typing import Any

from assistant.conversation.routes import ROUTES
from assistant.conversation.told import TOLD, Language, offer
from ui.answered import answered, fell_back
from ui.links import Links
from ui.rendering import answer, in_line, literal, sources
from ui.ways import Said, ways

Wire = Mapping[str, Any]
QUOTED_REASONS = 2
NOTHING = "not_in_documents"


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

    def markdown(self) -> str:
        """The answer as the chat page takes it: route line, text, what the reader must know, sources.

        Each part is one line of HTML with a blank line before the next: Markdown hands such blocks through as they
        are, and the page replaces only those that changed, so that an opened one stays open.
        """
        text = self.text or "".join(self._pieces)
        numbers = {each["number"] for each in self.passages}
        turn = self.routed["turn"][:8] if self.routed else "turn"
        parts = [self._route_card(), self._evidence(), self._answer(text, turn, numbers), self._notice()]
        parts.append(sources(self.passages, turn, self._cited(numbers)))
        return "\n\n".join(literal(part) for part in parts if part)

    @property
    def passages(self) -> Sequence[Wire]:
        """The passages that were found, none on a route that does not look up."""
        return self.retrieved["passages"] if self.retrieved else ()

    def _answer(self, text: str, turn: str, numbers: set[int]) -> str:
        marks = self.checked.get("marks", ()) if self.checked else ()
        return answer(text, turn, numbers, Links(self.passages, self.hosts).allow, marks)

    def _route_card(self) -> str:
        if not self.routed:
            return ""
        over = self.stopped or self.ended is not None
        done = self.correction.done if self.correction else ""
        more = ways(self.routed, self.correction) if over else ""
        return route_card(self.routed, self.retrieved, self.ended, self.collections, done, more)

    def _cited(self, numbers: set[int]) -> set[int] | None:
        """The numbers that the answer cites; None while it is still being written."""
        return set(self.checked["cited"]) & numbers if self.checked else None

    def _evidence(self) -> str:
        if not self.retrieved:
            return ""
        state = self.retrieved["evidence"]
        said = TOLD[self.language].states.get(state, "")
        why = "; ".join(self.retrieved.get("why", ()))
        reason = f"<small>{in_line(why[:1].upper() + why[1:])}.</small>" if why else ""
        elsewhere = bool(self.collections.keys() - set(self.retrieved["searched"]))
        ways_on = offer(self.language, contact=self.contact, elsewhere=elsewhere) if state == NOTHING else ""
        more = f"<small>{in_line(ways_on)}</small>" if ways_on else ""
        return f'<p class="notice evidence">{escape(said)}{reason}{more}</p>' if said else ""

    def _checks(self) -> Iterator[str]:
        """What the check of the answer found, in words."""
        if not self.checked:
            return
        told = TOLD[self.language]
        if any(mark["state"] != "supported" for mark in self.checked.get("marks", ())):
            yield told.marked
        for line, facts in ((told.added, self.checked.get("added")), (told.lost, self.checked.get("lost"))):
            if facts:
                yield line.format(", ".join(facts))

    def _notice(self) -> str:
        lines: list[tuple[str, str]] = []
        lines += [("check", line) for line in self._checks()]
        if self.ended and self.ended["type"] == "failed":
            lines.append(("failed", self.ended["message"]))
        elif self.ended and self.ended.get("cut"):
            lines.append(("note", "The answer was cut at the model's length limit."))
        if self.ended and self.ended.get("faults"):
            lines.append(("note", fell_back(self.ended)))
        if self.ended and self.ended.get("note"):
            lines.append(("note", self.ended["note"]))
        if self.stopped:
            lines.append(("note", "Stopped."))
        elif self.unfinished:
            lines.append(("note", "This answer is not finished."))
        return "".join(f'<p class="notice {kind}">{in_line(line)}</p>' for kind, line in lines)


def route_card(
    routed: Wire,
    retrieved: Wire | None,
    ended: Wire | None,
    collections: Mapping[str, str] = MappingProxyType({}),
    corrected: str = "",
    more: str = "",
) -> str:
    """One line that says which way the turn went and why, and opens to the particulars; ``corrected`` is what was
    done because a person asked for it, ``more`` is HTML for its end."""
    title = ROUTES[routed["route"]].title
    why = f"Corrected: {corrected}" if corrected else "; ".join(routed["reasons"][:QUOTED_REASONS])
    rows = [("Why", "; ".join(routed["reasons"]))]
    if corrected:
        rows.insert(0, ("Corrected", corrected))
    scores = routed["scores"]
    rows.append(("Needs information", f"{scores['information']:.2f} (looks up from {routed['threshold']:.2f})"))
    rows.append(("Needs our voice", f"{scores['voice']:.2f}"))
    if routed["query"]:
        rows.append(("Searched for", routed["query"]))
    if retrieved:
        rows.append(("Searched in", ", ".join(collections.get(name, name) for name in retrieved["searched"])))
    if ended and ended["type"] == "finished":
        rows += answered(ended)
    table = "".join(f"<dt>{escape(name)}</dt><dd>{in_line(value)}</dd>" for name, value in rows)
    kind = f"route route-{routed['route']}{' corrected' if corrected else ''}"
    return (
        f'<details class="{kind}"><summary><b>{escape(title)}</b>'
        f"<span>{in_line(why)}</span></summary><dl>{table}</dl>{more}</details>"
    )
