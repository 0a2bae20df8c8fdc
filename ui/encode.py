"""From wire events to what each reader gets: an SSE frame, or one message of the chat page. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from types import MappingProxyType
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from assistant.conversation.grounding import EVIDENCE
from assistant.conversation.routes import ROUTES
from ui.answered import answered, fell_back
from ui.ways import Said, ways

Wire = Mapping[str, Any]
QUOTED_REASONS = 2
RENDERED = 32_000
"""Characters of an answer that are read as Markdown; the rest is shown as it is. Rendering is linear, but it runs on
the event loop, and the worst input takes some 20 µs a character, common text 1.5."""
NESTING = 20
"""Levels of lists and quotes (a list is two), below which markdown-it would drop what is written."""
_CITATION = re.compile(r"\[(\d{1,2})\](?!\()")
_LINKED = re.compile(r"(?:https?://|mailto:)(?!.*#cite-)", re.IGNORECASE | re.DOTALL)
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}")
_PRE = re.compile(r"(<pre[ >].*?</pre>)", re.DOTALL)
_LINE = re.compile(r"\r\n|\r|\n")
_UNPRINTABLE = re.compile("[\ud800-\udfff]")


def sse(event: Wire) -> str:
    """The event as a frame of ``text/event-stream``: its type as the event's name, all of it as JSON data.

    The JSON is ASCII: readers that split lines as Unicode does would break a frame at a raw U+2028 or U+0085.
    """
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


@dataclass(slots=True)
class Shown:
    """What the page shows of one answer; it takes wire events as they come, and records read back later.
    ``collections`` maps names to the titles that readers know them by; ``correction`` is what was said of its route."""

    text: str = ""
    routed: Wire | None = None
    retrieved: Wire | None = None
    checked: Wire | None = None
    ended: Wire | None = None
    stopped: bool = False
    unfinished: bool = False
    collections: Mapping[str, str] = field(default_factory=dict)
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
        parts = [self._route_card(), self._evidence(), answer(text, turn, numbers), self._notice()]
        parts.append(sources(self.passages, turn, self._cited(numbers)))
        return "\n\n".join(_literal(part) for part in parts if part)

    @property
    def passages(self) -> Sequence[Wire]:
        """The passages that were found, none on a route that does not look up."""
        return self.retrieved["passages"] if self.retrieved else ()

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
        said = EVIDENCE[self.retrieved["evidence"]] if self.retrieved else ""
        why = "; ".join(self.retrieved.get("why", ())) if self.retrieved else ""
        reason = f"<small>{_inline(why[:1].upper() + why[1:])}.</small>" if why else ""
        return f'<p class="notice evidence">{escape(said)}{reason}</p>' if said else ""

    def _notice(self) -> str:
        lines = []
        if self.checked and self.checked["invented"]:
            numbers = ", ".join(f"[{number}]" for number in self.checked["invented"])
            lines.append(("evidence", f"{numbers} in this answer is not one of its sources."))
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
        return "".join(f'<p class="notice {kind}">{_inline(line)}</p>' for kind, line in lines)


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
    table = "".join(f"<dt>{escape(name)}</dt><dd>{_inline(value)}</dd>" for name, value in rows)
    kind = f"route route-{routed['route']}{' corrected' if corrected else ''}"
    return (
        f'<details class="{kind}"><summary><b>{escape(title)}</b>'
        f"<span>{_inline(why)}</span></summary><dl>{table}</dl>{more}</details>"
    )


def answer(text: str, turn: str, numbers: set[int]) -> str:
    """The model's Markdown as one line of HTML: raw HTML is shown as text, an image as its description, and citations
    that a passage answers to lead to it."""
    text = text.strip()
    if not text:
        return ""
    cut = len(text)
    if cut > RENDERED:
        cut = text.rfind("\n", RENDERED // 2, RENDERED) + 1 or RENDERED
    html = _html(_answers(), text[:cut], {"turn": turn, "numbers": numbers})
    rest = _plain(text[cut:]) if cut < len(text) else ""
    return _literal(f'<div class="answer" dir="auto">{html}{rest}</div>')


def said(text: str) -> str:
    """What a person wrote, as they wrote it, as one line of HTML."""
    lines = "<br>".join(escape(line) for line in _LINE.split(text.strip()))
    return _literal(f'<div class="said" dir="auto">{lines}</div>')


def sources(passages: Sequence[Wire], turn: str, cited: set[int] | None) -> str:
    """The passages as cards that open to the quoted text: those the answer cites, and the rest behind a fold; all of
    them until it is known what it cites."""
    if not passages:
        return ""
    first = [each for each in passages if cited and each["number"] in cited]
    rest = [each for each in passages if each not in first]
    cards = "".join(source(each, turn) for each in first)
    more = "".join(source(each, turn) for each in rest)
    if more:
        label = f"{len(rest)} more found" if first else f"{len(rest)} passages found"
        cards += f'<details class="more"><summary>{label}</summary>{more}</details>'
    return f'<div class="sources"><p class="sources-title">Sources</p>{cards}</div>'


def source(found: Wire, turn: str) -> str:
    """One passage as a card: number, title, section, page or line, as-of date; opened, its text, code as it stands."""
    number = found["number"]
    row = found.get("line")
    place = f"p. {found['page']}" if found["page"] else f"line {row}" if row else ""
    facts = [" › ".join(found["section"]), place, found["date"] or ""]
    text = quoted(found["text"], code=bool(row))
    line = "".join(f"<span>{_inline(fact)}</span>" for fact in facts if fact)
    newer, same = found.get("newer"), found.get("duplicates") or ()
    older = f'<span class="older">older than [{newer}], which differs</span>' if newer else ""
    also = f'<p class="also">The same stands in {_inline(", ".join(same))}.</p>' if same else ""
    return (
        f'<details class="src src-{turn}-{number}"><summary><b>{number}</b><em>{_inline(found["title"])}</em>{line}'
        f'{older}</summary><div class="quote">{text}</div>{also}</details>'
    )


def quoted(text: str, code: bool = False) -> str:
    """A passage as one line of HTML, without links and images; ``code`` is not read as Markdown."""
    if code:
        return _one_line(f"<pre><code>{escape(text)}</code></pre>")
    return _html(_passages(), text, {})


@cache
def _passages() -> MarkdownIt:
    plain = MarkdownIt("commonmark", {"html": False, "maxNesting": NESTING}).enable("table")
    return plain.disable(["image", "link", "autolink", "reference", "entity"])


@cache
def _answers() -> MarkdownIt:
    """Line breaks are kept, as in an address or below a greeting. Reference definitions are not read: ``[1]: …``
    would take the citations over, and many uses of a long one would swell the page."""
    rich = MarkdownIt("commonmark", {"html": False, "maxNesting": NESTING, "breaks": True})
    rich.enable(["table", "strikethrough"]).disable("reference")
    rich.validateLink = lambda url: True  # type: ignore[method-assign]  # _harmless decides, and keeps the label
    rich.core.ruler.after("inline", "harmless", _harmless)
    return rich


def _html(markdown: MarkdownIt, text: str, env: dict[str, Any]) -> str:
    """Rendered on one line; as plain text where it is nested so deep that something would be lost."""
    tokens = markdown.parse(text, env)
    if any(token.level >= NESTING - 1 and token.nesting == 1 for token in tokens):
        return _plain(text)
    return _one_line(markdown.renderer.render(tokens, markdown.options, env))


def _harmless(state: StateCore) -> None:
    """A core rule of markdown-it, before escaped characters are joined to the text around them, so that an escaped
    citation is none."""
    for token in state.tokens:
        if token.type == "fence":
            language = _LANGUAGE.match(token.info.strip())
            token.info = language[0] if language else ""
        elif token.children:
            token.children = list(_inlines(token.children, state.env))


def _inlines(tokens: Sequence[Token], env: Mapping[str, Any]) -> Iterator[Token]:
    """Images as their description, links of other schemes as their label in brackets, citations as links."""
    links: list[bool] = []
    for token in tokens:
        if token.type == "image":
            yield _text(_description(token.children or ()))
        elif token.type == "link_open":
            href = str(token.attrs.get("href", ""))
            links.append(not any(links) and _LINKED.match(href) is not None)
            token.attrs = {"href": href, "rel": "noopener noreferrer nofollow", "target": "_blank"}
            yield token if links[-1] else _text("" if token.markup == "autolink" else "[")
        elif token.type == "link_close":
            yield token if links.pop() else _text("" if token.markup == "autolink" else "]")
        elif token.type == "text" and not any(links):
            yield from _cited(token.content, env["turn"], env["numbers"])
        else:
            yield token


def _cited(text: str, turn: str, numbers: set[int]) -> Iterator[Token]:
    pieces = _CITATION.split(text)
    for index, piece in enumerate(pieces):
        if index % 2 and int(piece) in numbers:
            yield Token("link_open", "a", 1, attrs={"href": f"#cite-{turn}-{int(piece)}"})
            yield _text(f"[{int(piece)}]")
            yield Token("link_close", "a", -1)
        else:
            yield _text(f"[{piece}]" if index % 2 else piece)


def _description(tokens: Sequence[Token]) -> str:
    return "".join(
        _description(token.children) if token.children else " " if token.type.endswith("break") else token.content
        for token in tokens
    )


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _plain(text: str) -> str:
    return _one_line(f'<pre class="plain">{escape(text)}</pre>')


def _one_line(html: str) -> str:
    pieces = _PRE.split(html)
    for index, piece in enumerate(pieces):
        pieces[index] = _LINE.sub("&#10;" if index % 2 else " ", piece)
    return "".join(pieces).strip()


def _literal(html: str) -> str:
    """Without what Gradio treats before it looks for HTML: tabs, the marks of its formulas; and without halves of
    characters, which it cannot send."""
    return _UNPRINTABLE.sub("\ufffd", html).replace("\t", "&#9;").replace("%LATEX_", "%LATEX&#95;")


def _inline(text: str) -> str:
    return escape(" ".join(text.split()))
