"""From wire events to what each reader gets: an SSE frame, or one message of the chat page. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from assistant.conversation.grounding import EVIDENCE
from assistant.conversation.routes import ROUTES

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

Wire = Mapping[str, Any]
QUOTED_REASONS = 2
_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)
_IMAGE = re.compile(r"!\[([^\]]*)\](?:\([^)]*\)?|\[[^\]]*\]?)?")
_CITATION = re.compile(r"\[(\d{1,2})\](?![(\[:])")
_SCHEME = re.compile(r"\]\(\s*<?\s*(?!https?://|mailto:|#|/)[a-z][a-z0-9+.-]*:[^)]*\)", re.IGNORECASE)


def sse(event: Wire) -> str:
    """The event as a frame of ``text/event-stream``: its type as the event's name, all of it as JSON data."""
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"


@dataclass(slots=True)
class Shown:
    """What the page shows of one answer; it takes wire events as they come, and records read back later."""

    text: str = ""
    routed: Wire | None = None
    retrieved: Wire | None = None
    checked: Wire | None = None
    ended: Wire | None = None
    stopped: bool = False
    unfinished: bool = False
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
        """The answer as the chat page renders it: route line, text, what the reader must know, sources."""
        text = self.text or "".join(self._pieces)
        numbers = {each["number"] for each in self.passages}
        turn = self.routed["turn"][:8] if self.routed else "turn"
        parts = [route_card(self.routed, self.retrieved, self.ended) if self.routed else ""]
        parts += [self._evidence(), answer(text, turn, numbers), self._notice()]
        parts.append(sources(self.passages, turn, self._cited(numbers)))
        return "\n\n".join(part for part in parts if part)

    @property
    def passages(self) -> Sequence[Wire]:
        """The passages that were found, none on a route that does not look up."""
        return self.retrieved["passages"] if self.retrieved else ()

    def _cited(self, numbers: set[int]) -> set[int] | None:
        """The numbers that the answer cites; None while it is still being written."""
        return set(self.checked["cited"]) & numbers if self.checked else None

    def _evidence(self) -> str:
        said = EVIDENCE[self.retrieved["evidence"]] if self.retrieved else ""
        return f'<p class="notice evidence">{escape(said)}</p>' if said else ""

    def _notice(self) -> str:
        lines = []
        if self.ended and self.ended["type"] == "failed":
            lines.append(("failed", self.ended["message"]))
        elif self.ended and self.ended.get("cut"):
            lines.append(("note", "The answer was cut at the model's length limit."))
        if self.ended and self.ended.get("note"):
            lines.append(("note", self.ended["note"]))
        if self.stopped:
            lines.append(("note", "Stopped."))
        elif self.unfinished:
            lines.append(("note", "This answer is not finished."))
        return "".join(f'<p class="notice {kind}">{escape(line)}</p>' for kind, line in lines)


def route_card(routed: Wire, retrieved: Wire | None, ended: Wire | None) -> str:
    """One line that says which way the turn went and why, and opens to the particulars."""
    title = ROUTES[routed["route"]].title
    why = "; ".join(routed["reasons"][:QUOTED_REASONS])
    rows = [("Why", "; ".join(routed["reasons"]))]
    scores = routed["scores"]
    rows.append(("Needs information", f"{scores['information']:.2f} (looks up from {routed['threshold']:.2f})"))
    rows.append(("Needs our voice", f"{scores['voice']:.2f}"))
    if routed["query"]:
        rows.append(("Searched for", routed["query"]))
    if retrieved:
        rows.append(("Searched in", ", ".join(retrieved["searched"])))
    if ended and ended["type"] == "finished":
        timings = ended["timings"]
        rows.append(("Answered by", f"{ended['model']}, prompt {ended['prompt_version']}"))
        first = timings.get("first_token", timings["finished"])
        rows.append(("Time", f"first word after {first:.2f} s, done after {timings['finished']:.2f} s"))
    table = "".join(f"<dt>{escape(name)}</dt><dd>{_inline(value)}</dd>" for name, value in rows)
    return (
        f'<details class="route route-{routed["route"]}"><summary><b>{escape(title)}</b>'
        f"<span>{_inline(why)}</span></summary><dl>{table}</dl></details>"
    )


def answer(text: str, turn: str, numbers: set[int]) -> str:
    """The model's Markdown with raw HTML shown as text, images reduced to their description, links of odd schemes
    unlinked, and citations that a passage answers to as links to it."""
    pieces = _CODE.split(text)
    for index in range(0, len(pieces), 2):
        piece = pieces[index].replace("<", "&lt;")
        piece = _SCHEME.sub("]", _IMAGE.sub(r"\1", piece))
        pieces[index] = _CITATION.sub(lambda found: _citation(int(found[1]), turn, numbers), piece)
    return "".join(pieces).strip()


def _citation(number: int, turn: str, numbers: set[int]) -> str:
    return f"[\\[{number}\\]](#cite-{turn}-{number})" if number in numbers else f"\\[{number}\\]"


def sources(passages: Sequence[Wire], turn: str, cited: set[int] | None) -> str:
    """The passages as cards that open to the quoted text; those the answer cites come first, the rest behind one
    more fold."""
    if not passages:
        return ""
    first = [each for each in passages if cited is None or each["number"] in cited]
    rest = [each for each in passages if each not in first]
    cards = "".join(source(each, turn) for each in first)
    more = "".join(source(each, turn) for each in rest)
    if more:
        label = f"{len(rest)} more found" if first else f"{len(rest)} passages found"
        cards += f'<details class="more"><summary>{label}</summary>{more}</details>'
    return f'<div class="sources"><p class="sources-title">Sources</p>{cards}</div>'


def source(found: Wire, turn: str) -> str:
    """One passage as a card: number, title, section, page, as-of date; opened, its text."""
    number = found["number"]
    page = f"p. {found['page']}" if found["page"] else ""
    facts = [" › ".join(found["section"]), page, found["date"] or ""]
    line = "".join(f"<span>{_inline(fact)}</span>" for fact in facts if fact)
    return (
        f'<details class="src src-{turn}-{number}"><summary><b>{number}</b><em>{_inline(found["title"])}</em>{line}'
        f'</summary><div class="quote">{quoted(found["text"])}</div></details>'
    )


@cache
def _renderer() -> MarkdownIt:
    from markdown_it import MarkdownIt

    plain = MarkdownIt("commonmark", {"html": False}).enable("table")
    return plain.disable(["image", "link", "autolink", "reference", "entity"])


def quoted(text: str) -> str:
    """A passage as HTML without raw HTML, links or images, on one line, so that it stays one Markdown block."""
    html = _renderer().render(text)
    blocks = re.split(r"(<pre>.*?</pre>)", html, flags=re.DOTALL)
    for index, block in enumerate(blocks):
        blocks[index] = block.replace("\n", "&#10;" if index % 2 else " ")
    return "".join(blocks)


def _inline(text: str) -> str:
    return escape(" ".join(text.split()))
