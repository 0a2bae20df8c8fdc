"""A passage or a document as HTML with some of its words marked, whatever Markdown they stand in.

Nothing is planted into the text: it is read as Markdown as it is, the words of the result are found again in the text,
and those in a span are wrapped, each within its own element. So a mark can neither break the Markdown nor be broken.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from html import escape
from itertools import accumulate, islice, pairwise, takewhile
from operator import attrgetter
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from assistant.knowledge.supporting import Highlight

NESTING = 20
"""Levels of lists and quotes (a list is two), below which markdown-it would drop what is written."""
WIDE = 4
"""Columns from which a table may be wider than the page, and has to be scrolled."""
LOOK_AHEAD = 2000
"""Characters of markup that may stand before a word; beyond it marks are lost up to the next block."""
_MARKUP = re.compile(r"(?:[\W_]*\d{1,9}[.)](?=\s))*[\W_]*")
"""What Markdown takes out before a word: no letters, and digits only where they number an item."""
_OWN_DIRECTION = ("bullet_list_open", "ordered_list_open", "blockquote_open", "table_open")
"""What stands on the side from which its own words are read."""
KEPT = 8_000
"""Characters of a passage whose HTML is kept; longer is only what was made so by hand."""
_LONG = re.compile(r"\S{22}")
_PRE = re.compile(r"(<pre[ >].*?</pre>)", re.DOTALL)
_LEFT = str.maketrans({"\r": "\n", "\0": "\ufffd"})


class Span(NamedTuple):
    """Characters ``[start, end)`` of a text, wrapped in ``<mark class="kind">``."""

    start: int
    end: int
    kind: str


_start = attrgetter("start")
Head = Callable[[int], str]
"""HTML to stand before the block that begins at this place of the text; mostly nothing."""


def highlighted_html(
    text: str, highlights: Iterable[Highlight] = (), *, code: bool = False, line: int | None = None, deeper: int = 0
) -> str:
    """A passage as one line of HTML, without links, images and raw HTML. ``code`` is not read as Markdown, and ``line``
    is the number of its first line, where lines are numbered; the highest heading stands below ``deeper`` levels, if
    that is not 0."""
    make = _made if len(text) <= KEPT else _made.__wrapped__
    return make(text, tuple(highlights), code, line, deeper)


@lru_cache(maxsize=1024)
def _made(text: str, highlights: tuple[Highlight, ...], code: bool, line: int | None, deeper: int) -> str:
    """Kept, because the passages of an answer are shown anew with every step of its stream."""
    spans = [Span(each.start, each.end, "strong" if each.strong else "soft") for each in highlights]
    return code_html(text, spans, line) if code else markdown_html(text, spans, deeper=deeper)


def markdown_html(text: str, spans: Sequence[Span] = (), *, deeper: int = 0, head: Head = lambda _: "") -> str:
    """Markdown as one line of HTML; as plain text where it is nested so deep that something would be lost. ``spans``
    are disjoint and in order."""
    text = _normal(text)
    markdown = _passages()
    tokens = markdown.parse(text)
    if any(token.level >= NESTING - 1 and token.nesting == 1 for token in tokens):
        return one_line(f'<pre class="plain" dir="auto">{_wrapped(text, 0, spans)}</pre>')
    made = list(_Marking(text, spans, head).tokens(_fitting(tokens, deeper)))
    return one_line(markdown.renderer.render(made, markdown.options, {}))


def code_html(text: str, spans: Sequence[Span] = (), line: int | None = None) -> str:
    """Code as one line of HTML, each line of it numbered where the number of the first is given."""
    text = _normal(text)
    if line is None:
        return one_line(f'<pre dir="ltr" tabindex="0"><code>{_wrapped(text, 0, spans)}</code></pre>')
    lines, at = [], 0
    for number, each in enumerate(text.split("\n"), line):
        lines.append(f'<span class="line" data-line="{number}">{_wrapped(each, at, spans)}</span>')
        at += len(each) + 1
    return one_line(f'<pre class="numbered" dir="ltr" tabindex="0"><code>{chr(10).join(lines)}</code></pre>')


def one_line(html: str) -> str:
    """The same HTML without line breaks, those of preformatted text as entities."""
    pieces = _PRE.split(html)
    for index, piece in enumerate(pieces):
        pieces[index] = piece.replace("\n", "&#10;" if index % 2 else " ")
    return "".join(pieces).strip()


def sendable(html: str) -> str:
    """Without halves of characters, which no browser can be sent."""
    return html.encode("utf-8", "replace").decode()


def in_line(text: str) -> str:
    """A text on one line, escaped."""
    return escape(" ".join(text.split()))


@cache
def _passages() -> MarkdownIt:
    plain = MarkdownIt("commonmark", {"html": False, "maxNesting": NESTING}).enable("table")
    return compiled(plain.disable(["image", "link", "autolink", "reference", "entity"]))


def compiled(markdown: MarkdownIt) -> MarkdownIt:
    """The same, with its rules put together: else its first use does that, and a second thread finds half of them."""
    for ruler in (markdown.core.ruler, markdown.block.ruler, markdown.inline.ruler, markdown.inline.ruler2):
        ruler.getRules("")
    return markdown


def _normal(text: str) -> str:
    """Line breaks as Markdown has them, and every character at its place."""
    return text.replace("\r\n", " \n").translate(_LEFT)


def _wrapped(text: str, start: int, spans: Sequence[Span]) -> str:
    """Escaped, with what is in a span wrapped; ``text`` begins at ``start``."""
    return "".join(
        f'<mark class="{escape(kind)}">{escape(piece)}</mark>' if kind else escape(piece)
        for piece, kind in _pieces(text, range(start, start + len(text)), spans)
    )


def _pieces(text: str, places: Sequence[int], spans: Sequence[Span]) -> Iterator[tuple[str, str]]:
    """The text cut where spans begin and end, each piece with its span's kind. ``places`` are where each character
    stands, in order, -1 for those that go with the one before."""
    cuts = [0]
    if isinstance(places, range):
        first, after = places.start, places.stop
        near = spans[max(0, bisect_right(spans, first, key=_start) - 1) : bisect_right(spans, after, key=_start)]
        cuts += [place - first for span in near for place in (span.start, span.end) if first < place < after]
        cuts = list(dict.fromkeys(cuts))
    else:
        places = list(accumulate(places, max))
        kinds = [_kind_at(place, spans) for place in places]
        cuts += [at for at in range(1, len(kinds)) if kinds[at] != kinds[at - 1]]
    for cut, following in pairwise([*cuts, len(text)]):
        if cut < following:
            yield text[cut:following], _kind_at(places[cut], spans)


def _kind_at(place: int, spans: Sequence[Span]) -> str:
    found = bisect_right(spans, place, key=_start) - 1
    return spans[found].kind if found >= 0 and place < spans[found].end else ""


def _fitting(tokens: Sequence[Token], deeper: int) -> Iterator[Token]:
    """The tokens as they fit into a page: headings below those of the page, none empty, what scrolls sideways within
    reach of the keyboard, and everything on the side from which it is read."""
    said = [token for token, after in pairwise(tokens) if token.type == "heading_open" and after.content.strip()]
    levels = [int(token.tag[1]) for token in said]
    shift = deeper + 1 - min(levels, default=1) if deeper else 0
    for index, token in enumerate(tokens):
        if token.type.startswith("heading"):
            inline = tokens[index + (1 if token.nesting == 1 else -1)]
            if not inline.content.strip():
                continue
            token.tag = f"h{min(6, int(token.tag[1]) + shift)}"
        if token.type in _OWN_DIRECTION:
            token.attrSet("dir", "auto")
        if token.type == "table_open" and _wide(takewhile(_in_table, islice(tokens, index, None))):
            token.attrSet("tabindex", "0")
        yield token


def _in_table(token: Token) -> bool:
    return token.type != "table_close"


def _wide(table: Iterable[Token]) -> bool:
    """Whether a table may have to be scrolled sideways."""
    cells = list(table)
    return sum(each.type == "th_open" for each in cells) >= WIDE or any(_LONG.search(each.content) for each in cells)


class _Marking:
    """Follows the tokens of a text through the text."""

    def __init__(self, text: str, spans: Sequence[Span], head: Head) -> None:
        self._text, self._spans, self._head = text, spans, head
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._at, self._end = 0, len(text)

    def tokens(self, tokens: Iterable[Token]) -> Iterator[Token]:
        """The tokens with their marks."""
        for token in tokens:
            if token.map:
                self._enter(*token.map)
                if token.level == 0 and (before := self._head(self._line(token.map[0]))):
                    yield _html(before)
            if token.type in ("fence", "code_block"):
                yield self._code(token)
                continue
            if token.children:
                token.children = [made for child in token.children for made in self._inline(child)]
            yield token

    def _line(self, number: int) -> int:
        return self._lines[number] if number < len(self._lines) else len(self._text)

    def _enter(self, first: int, after: int) -> None:
        self._at, self._end = max(self._at, self._line(first)), self._line(after)

    def _code(self, token: Token) -> Token:
        if token.type == "fence" and token.map:
            self._at = max(self._at, self._line(token.map[0] + 1))
        return _html(f'<pre dir="ltr" tabindex="0"><code>{self._marked(token.content)}</code></pre>\n')

    def _inline(self, token: Token) -> Iterator[Token]:
        if token.type == "text" and self._spans:
            yield _html(self._marked(token.content), "html_inline")
        elif token.type == "code_inline":
            yield _html(f"<code>{self._marked(token.content)}</code>", "html_inline")
        else:
            yield token

    def _marked(self, content: str) -> str:
        places = self._places(content)
        return "".join(
            f'<mark class="{escape(kind)}">{escape(piece)}</mark>' if kind else escape(piece)
            for piece, kind in _pieces(content, places, self._spans)
        )

    def _places(self, content: str) -> Sequence[int]:
        """Where the characters stand in the text; -1 for one that is not found, and for spaces."""
        near = min(self._end, self._at + len(content) + LOOK_AHEAD)
        found = self._text.find(content, self._at, near)
        if found >= 0 and _MARKUP.fullmatch(self._text, self._at, found):
            self._at = found + len(content)
            return range(found, self._at)
        places = []
        for letter in content:
            place = -1 if letter.isspace() else self._text.find(letter, self._at, near)
            places.append(place)
            self._at = max(self._at, place + 1)
        return places


def _html(content: str, kind: str = "html_block") -> Token:
    return Token(kind, "", 0, content=content)
