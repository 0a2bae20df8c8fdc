"""The document that a passage is from, as the pane shows it: its text with the passage marked. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import urlsplit

from assistant.knowledge.reading_room import OpenDocument
from assistant.knowledge.supporting import supporting
from ui.highlighting import Span, code_html, in_line, markdown_html, sendable
from ui.pane import DEEPER, button, first_link, head, passage_of, quote
from ui.words import Words

Wire = Mapping[str, Any]
FEWEST_HEADINGS = 3
"""Headings from which on they are listed."""
LISTED = 100
PLACE = "the-passage"
"""The id of the passage in the document."""


def document_view(document: OpenDocument, turn: Wire, number: int, words: Words) -> str:
    """A window of a document with a passage of a recorded turn marked; where it is not in it any more, the passage as
    it was recorded comes first. Takes up to some 0.2 s of CPU for a large window."""
    found = passage_of(turn, number)
    told = {"gone": "pane.gone", "changed": "pane.changed", "moved": "pane.moved"}.get(document.state)
    return sendable(
        '<section class="pane pane-document" aria-labelledby="pane-title">'
        f"{head(turn, found, words, _facts(document, words), document.title)}"
        f'<div class="pane-main">{_told(words[told]) if told else ""}{_quoted(document, turn, found, words)}'
        f"{_headings(document, turn, number, words)}{_text(document, turn, found, words)}</div>"
        f'<div class="pane-foot">{button("passage", turn, number, words["pane.to_passage"])}'
        f"{button('back', turn, number, words['pane.back'], nth=first_link(turn, number))}</div></section>"
    )


def link_of(uri: str) -> str | None:
    """The address of a document that is a page of the web, None for any other."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    plain = uri.isprintable() and not any(letter.isspace() for letter in uri) and "\\" not in uri
    return uri if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and plain else None


def _facts(document: OpenDocument, words: Words) -> str:
    rows = [f'<span dir="auto">{in_line(document.uri)}</span>'] if not link_of(document.uri) else []
    if link := link_of(document.uri):
        label = f'{escape(words["pane.source"])} <span class="unseen">{escape(words["pane.source_tab"])}</span>'
        rows.append(f'<a href="{escape(link)}" target="_blank" rel="noopener noreferrer nofollow">{label}</a>')
    if document.modified:
        rows.append(f"<span>{escape(words.date(document.modified.isoformat()))}</span>")
    return f'<p class="pane-facts">{"".join(rows)}</p>'


def _told(text: str) -> str:
    return f'<p class="pane-told" role="status">{escape(text)}</p>'


def _quoted(document: OpenDocument, turn: Wire, found: Wire, words: Words) -> str:
    """The passage as it was recorded, where the document does not hold it."""
    if document.state not in ("gone", "changed"):
        return ""
    below = f'<h3 class="pane-sub">{escape(words["pane.document"])}</h3>' if document.text else ""
    return (
        f'<h3 class="pane-sub">{escape(words["pane.as_quoted"])}</h3>'
        f'<div class="pane-text pane-exact" id="{PLACE}" tabindex="-1" dir="auto">{quote(turn, found)}</div>{below}'
    )


def _headings(document: OpenDocument, turn: Wire, number: int, words: Words) -> str:
    """The headings of a long document: those in the window lead there, others open their part."""
    if len(document.headings) < FEWEST_HEADINGS:
        return ""
    least = min(each.level for each in document.headings)
    items = []
    for each in document.headings[:LISTED]:
        name = each.text or "…"
        if document.start <= each.start < document.start + len(document.text):
            way = f'<a href="#{_heading_id(each.start)}" dir="auto">{in_line(name)}</a>'
        else:
            way = button("document", turn, number, name, at=each.start)
        items.append(f'<li class="pane-level-{min(each.level - least, 3)}">{way}</li>')
    label = escape(words["pane.headings"])
    return f'<details class="pane-headings"><summary>{label}</summary><ul>{"".join(items)}</ul></details>'


def _heading_id(start: int) -> str:
    return f"pane-h-{start}"


def _text(document: OpenDocument, turn: Wire, found: Wire, words: Words) -> str:
    if not document.text:
        return ""
    number = found["number"]
    above = button("document", turn, number, words["pane.more_above"], at=document.above)
    below = button("document", turn, number, words["pane.more_below"], at=document.below)
    away = document.passage is None and document.state in ("same", "moved")
    return "".join(
        (
            f'<p class="pane-end">{escape(words["pane.elsewhere"])}</p>' if away else "",
            f'<p class="pane-way">{above}</p>' if document.above is not None else "",
            f'<div class="pane-text pane-whole" dir="auto">{_marked(document, turn, found, words)}</div>',
            f'<p class="pane-way">{below}</p>' if document.below is not None else "",
        )
    )


def _marked(document: OpenDocument, turn: Wire, found: Wire, words: Words) -> str:
    spans = list(_spans(document, turn, found))
    if document.line is not None:
        html = code_html(document.text, spans, document.line)
    else:
        html = markdown_html(document.text, spans, deeper=DEEPER, head=_Heads(document, words))
    return html.replace('<mark class="', f'<mark id="{PLACE}" tabindex="-1" class="', 1)


def _spans(document: OpenDocument, turn: Wire, found: Wire) -> Iterator[Span]:
    """The passage, and within it what supports the answer."""
    if document.passage is None:
        return
    start, end = document.passage
    cut = document.text[start:end] != found["text"]
    at = start
    for each in () if cut else supporting(turn, found["number"]):
        if at < start + each.start:
            yield Span(at, start + each.start, "here")
        yield Span(start + each.start, start + each.end, "strong" if each.strong else "soft")
        at = start + each.end
    if at < end:
        yield Span(at, end, "here")


class _Heads:
    """What stands before a block: the page that begins there, the place of a heading."""

    def __init__(self, document: OpenDocument, words: Words) -> None:
        self._pages = list(document.pages)
        self._starts = {each.start - document.start for each in document.headings}
        self._offset, self._words = document.start, words

    def __call__(self, place: int) -> str:
        made = []
        while self._pages and self._pages[0].offset <= place:
            page = self._pages.pop(0)
            if not self._pages or self._pages[0].offset > place:
                made.append(f'<p class="pane-page">{in_line(self._words("pane.page", page=page.label))}</p>')
        if place in self._starts:
            made.append(f'<span id="{_heading_id(place + self._offset)}" class="pane-place"></span>')
        return "".join(made)
