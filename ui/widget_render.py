"""Turns as the widget shows them: HTML that was made and made safe here, as a turn runs and as it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from assistant.app import Assistant
from assistant.conversation.service import DEFAULT_SURFACE
from assistant.conversation.turn import Turn
from assistant.knowledge.supporting import supporting
from ui.answer_blocks import GrowingBlocks, Reading, answer_blocks
from ui.cards import CLOSE, NEAR
from ui.documents import link_of
from ui.encode import Shown, unrefused
from ui.highlighting import highlighted_html
from ui.links import Links
from ui.look import Look, look
from ui.rendering import said
from ui.route_card import route_card
from ui.ways import Said, offered
from ui.widget_html import safe
from ui.words import Language, Words, language_of, words

Wire = Mapping[str, Any]
Event = dict[str, Any]
STEP = 0.1
"""Seconds between two steps of an answer, at the least."""
SHARE = 20
"""A step is followed by as many times the seconds that it took, in which others get their turn."""
PACE = 20_000
"""Characters a second that are read and sent again, of a block that goes on and on."""


def renderer(
    assistant: Assistant, turn: Turn, language: Language | None = None, correction: Said | None = None
) -> Renderer:
    """What makes the HTML of a turn that is about to run; ``correction`` is what was said of the answer in whose place
    this one comes."""
    return Renderer(_look(assistant, turn.surface, language), turn.text, correction)


def rendered(assistant: Assistant, surface: str, row: Wire, language: Language | None = None) -> Event:
    """A recorded turn, given as ``turn_row`` has it, as in the event ``rendered``. Takes up to some 0.1 s of CPU
    for a long answer with many sources."""
    shown = _shown(
        _look(assistant, surface, language),
        text=row["answer"],
        routed=row["routed"],
        retrieved=row["retrieved"],
        checked=row["checked"],
        ended=row["ended"],
        stopped=row["status"] == "stopped",
        unfinished=row["status"] == "running",
        correction=_said(row),
    )
    return _whole(shown, row["id"], row["text"], row["status"])


@dataclass(slots=True)
class Renderer:
    """The extra events of one turn, to be sent after each of its own: ``part``, ``html`` and at last ``rendered``. A
    step takes milliseconds of CPU, the end what ``rendered`` takes."""

    look: Look
    text: str
    correction: Said | None = None
    clock: Callable[[], float] = monotonic
    _shown: Shown = field(init=False)
    _growing: GrowingBlocks | None = None
    _held: str = ""
    _due: float = 0.0

    def __post_init__(self) -> None:
        self._shown = _shown(self.look, correction=self.correction)

    def __call__(self, event: Wire) -> list[Event]:
        """What follows an event of the turn."""
        self._shown.take(event)
        kind = event["type"]
        if kind == "text_delta":
            return self._grown(event["text"])
        if kind in ("routed", "retrieved"):
            return self._parts()
        return self._ended(event) if kind in ("finished", "failed") else []

    def _parts(self) -> list[Event]:
        parts = {"route": _route(self._shown), "evidence": safe(self._shown.evidence())}
        return [{"type": "part", "part": name, "html": html} for name, html in parts.items() if html]

    def _grown(self, text: str) -> list[Event]:
        growing = self._begun(text)
        if growing is None or (began := self.clock()) < self._due:
            return []
        size = growing.size
        step = growing.step()
        took = self.clock() - began
        self._due = began + max(STEP, SHARE * took, size / PACE)
        return [_html(*step)] if step else []

    def _begun(self, text: str) -> GrowingBlocks | None:
        """What the text goes to. Where the documents do not answer, the builtin model's own refusal is waited for,
        since the page says it above the answer."""
        if self._growing is None:
            self._held += text
            kept, _ = unrefused(self._held, ()) if self._shown.lost else (self._held, ())
            if not kept.strip():
                return None
            self._growing, text = GrowingBlocks(_reading(self._shown)), kept
        self._growing.add(text)
        return self._growing

    def _ended(self, event: Wire) -> list[Event]:
        text = event["answer"] if event["type"] == "finished" else event["partial"]
        self._shown.text = text
        blocks = _answer(self._shown, text)
        change = (self._growing or GrowingBlocks(_reading(self._shown))).last(blocks)
        turn = self._shown.routed["turn"] if self._shown.routed else ""
        whole = {"type": "rendered", **_whole(self._shown, turn, self.text, event["type"], blocks)}
        return [_html(*change), whole] if change else [whole]


def _html(keep: int, html: str) -> Event:
    return {"type": "html", "keep": keep, "html": html}


def _shown(look: Look, **known: Any) -> Shown:
    return Shown(collections=look.collections, contact=look.contact, language=look.language, hosts=look.hosts, **known)


def _look(assistant: Assistant, surface: str, language: Language | None) -> Look:
    """As the settings say now; of the usual surface where this one has gone from them."""
    settings = assistant.settings
    surface = surface if surface in settings.surfaces else DEFAULT_SURFACE
    chosen = language_of(language, settings.surfaces[surface].language)
    return look(settings, surface, chosen)


def _said(row: Wire) -> Said | None:
    """What a person said of the route, and whether this answer was made for it."""
    if not (noted := row.get("correction")):
        return None
    again = bool(row["routed"] and row["routed"]["requested"]) and noted["turn"] != row["id"]
    return Said(noted["verdict"], again)


def _whole(shown: Shown, turn: str, text: str, status: str, blocks: Sequence[str] | None = None) -> Event:
    """All slots of a turn."""
    tell = words(shown.language)
    blocks = _answer(shown, shown.text) if blocks is None else blocks
    open_to = shown.correction is None or shown.correction.again
    ways = offered(shown.routed) if shown.routed and open_to else ()
    return {
        "turn": turn,
        "status": status,
        "said": safe(said(text)),
        "route": _route(shown),
        "evidence": safe(shown.evidence()),
        "answer": "".join(blocks),
        "notice": safe(shown.notice()),
        "sources_title": tell["sources.nearest" if shown.lost else "sources.sources"],
        "sources": [_source(found, shown, tell) for found in shown.passages],
        "ways": [{"verdict": each, "label": tell[f"ways.do_{each}"]} for each in ways],
        "text": shown.text,
    }


def _route(shown: Shown) -> str:
    if not shown.routed:
        return ""
    tell = words(shown.language)
    done = shown.correction.done(tell) if shown.correction else ""
    return safe(route_card(shown.routed, shown.retrieved, shown.ended, tell, shown.collections, done))


def _reading(shown: Shown) -> Reading:
    turn = shown.routed["turn"][:8] if shown.routed else "turn"
    numbers = frozenset(each["number"] for each in shown.passages)
    allowed = Links(shown.passages, shown.hosts).allow
    return Reading(turn, numbers, allowed, words(shown.language).say)


def _answer(shown: Shown, text: str) -> list[str]:
    marks = shown.checked.get("marks", ()) if shown.checked else ()
    if shown.lost:
        text, marks = unrefused(text, marks)
    return answer_blocks(text, _reading(shown), marks)


def _source(found: Wire, shown: Shown, tell: Words) -> Event:
    """A passage: what it is as plain text, and its own text as HTML with the words that support the answer marked."""
    number, line, newer = found["number"], found.get("line"), found.get("newer")
    cited = bool(shown.checked) and number in (shown.checked or {})["cited"]
    turn = {"text": "", "answer": shown.text, "retrieved": shown.retrieved, "checked": shown.checked}
    marked = supporting(turn, number) if cited else ()
    place = tell("sources.page", page=found["page"]) if found["page"] else ""
    return {
        "number": number,
        "title": found["title"],
        "section": " › ".join(found["section"]),
        "place": place or (tell("sources.line", line=line) if line else ""),
        "date": tell.date(found["date"]) if found["date"] else "",
        "relevance": _relevance(found.get("similarity") or 0.0, tell),
        "cited": cited,
        "older": tell("sources.older", newer=newer) if newer else "",
        "same": tell("sources.same", documents=", ".join(same)) if (same := found.get("duplicates")) else "",
        "href": link_of(found["document"]),
        "html": safe(highlighted_html(found["text"], marked, code=bool(line), line=line)),
    }


def _relevance(similarity: float, tell: Words) -> str:
    if not similarity:
        return ""
    return tell[f"sources.{'close' if similarity >= CLOSE else 'near' if similarity >= NEAR else 'far'}"]
