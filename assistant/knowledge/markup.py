"""HTML as Markdown: pages through BeautifulSoup and markdownify, the bits in Markdown files by pattern."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from assistant.knowledge import tables
from assistant.knowledge.characters import readable
from assistant.knowledge.hidden import OPENING, remove_hidden
from assistant.knowledge.spans import replace_spans

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_GONE = [
    "script",
    "style",
    "iframe",
    "svg",
    "noscript",
    "template",
    "head",
    "object",
    "embed",
    "canvas",
    "math",
    "select",
]
_FURNITURE = ["nav", "header", "footer", "dialog"]
_BLOCKS = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "colgroup",
    "col",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "html",
    "iframe",
    "legend",
    "main",
    "meta",
    "link",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "source",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
    "video",
    "audio",
]
_INLINE = [
    "a",
    "abbr",
    "acronym",
    "b",
    "big",
    "button",
    "cite",
    "code",
    "del",
    "dfn",
    "em",
    "font",
    "i",
    "img",
    "input",
    "ins",
    "kbd",
    "label",
    "mark",
    "option",
    "q",
    "s",
    "samp",
    "select",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "textarea",
    "time",
    "title",
    "tt",
    "u",
    "var",
    "wbr",
]
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,30});")


def _opening(names: str) -> re.Pattern[str]:
    return re.compile(rf"<({names})\b[^<>]*>", re.IGNORECASE)


def _tag(names: list[str]) -> re.Pattern[str]:
    return re.compile(rf"</?(?:{'|'.join(names)})(?:\s[^<>]*)?/?>", re.IGNORECASE)


_CLOSING = r"</{name}\s*>"
_COMMENT = re.compile("<!--")
_REMOVED = _opening("|".join(_GONE))
_ANCHOR = re.compile(r"""<(a)\b[^<>]*?\bhref\s*=\s*["']([^"'<>]*)["'][^<>]*>""", re.IGNORECASE)
_IMAGE = re.compile(r"""<img\b[^<>]*?\balt\s*=\s*(?:"([^"]*)"|'([^']*)')[^<>]*>""", re.IGNORECASE)
_DATED = re.compile(r"modified|updated_time|last.?update|^date$|dcterms\.date|revised|reviewed", re.I)
_BREAK = re.compile(r"<br\b[^<>]*>[ \t]*", re.IGNORECASE)
_BLANKS = re.compile(r"(?<![ \t])[ \t]{50,}")
_DEPTH = re.compile(r"[ \t]*(?:>[ \t]?)*")
_LIST_ITEM = re.compile(r"<li\b[^<>]*>\s*", re.IGNORECASE)
_LIST_ITEM_END = re.compile(r"</li\s*>", re.IGNORECASE)
_BLOCK_TAG = _tag([*_BLOCKS, *_GONE])
_INLINE_TAG = _tag(_INLINE)
_ANY_TAG = re.compile(r"<[a-zA-Z/!]")


@dataclass(frozen=True, slots=True)
class Page:
    """What an HTML page says: ``text`` is Markdown, ``title`` and ``modified`` are as written in its head."""

    text: str
    title: str
    modified: str


def without_html(text: str) -> str:
    """Markdown whose HTML is turned into Markdown; names in angle brackets that are not HTML's stay."""
    if _ANY_TAG.search(text):
        text = replace_spans(text, _COMMENT, "-->", lambda _, inside: "")
        text = replace_spans(text, _REMOVED, _CLOSING, lambda _, inside: "")
        text = replace_spans(text, OPENING, _CLOSING, lambda _, inside: "")
        text = replace_spans(text, _opening("table"), _CLOSING, _inner_table)
        text = "\n".join(map(_broken, text.split("\n")))
        text = replace_spans(text, _ANCHOR, _CLOSING, lambda opening, inside: f"[{inside}]({opening[2]})")
        text = _IMAGE.sub(lambda m: m[1] or m[2] or "", text)
        for names, form in _FORMS:
            text = replace_spans(text, _opening(names), _CLOSING, form)
        text = _LIST_ITEM_END.sub("", _LIST_ITEM.sub("\n- ", text))
        text = _INLINE_TAG.sub("", _BLOCK_TAG.sub("\n\n", text))
    return readable(_ENTITY.sub(lambda m: html.unescape(m[0]), text))


def _inner_table(opening: re.Match[str], inside: str) -> str:
    return f"\n\n{_html_table(_soup(f'{opening[0]}{inside}</table>').table)}\n\n"


def _marked(mark: str) -> Callable[[re.Match[str], str], str]:
    return lambda _, inside: f"{mark}{_one_line(inside)}{mark}" if inside.strip() else " "


_FORMS: tuple[tuple[str, Callable[[re.Match[str], str], str]], ...] = (
    ("h[1-6]", lambda opening, inside: f"\n\n{'#' * int(opening[1][1])} {_one_line(inside)}\n\n"),
    ("summary", lambda _, inside: f"\n\n**{_one_line(inside)}**\n\n"),
    ("code|kbd|samp|tt", _marked("`")),
    ("strong|b", _marked("**")),
    ("em|i", _marked("*")),
)


def page(source: str) -> Page:
    """An HTML page as Markdown: its main part where it marks one, without navigation, headers and footers."""
    soup = _soup(source)
    title, modified = readable(_title(soup)), _modified(soup)
    for tag in soup(_GONE):
        tag.decompose()
    remove_hidden(soup)
    main = soup.select_one("main, [role=main]") or soup.find("article") or soup.body or soup
    for tag in main(_FURNITURE):
        if not tag.decomposed and not tag.find(["h1", "main", "article"]):
            tag.decompose()
    return Page(_markdown(main), title, modified)


def _soup(source: str) -> BeautifulSoup:
    from bs4 import BeautifulSoup

    return BeautifulSoup(_BLANKS.sub(" ", source), "lxml")


def _broken(line: str) -> str:
    """A line cut at its ``<br>``, the parts as deep in quotes and lists as it; rows of a table stay whole."""
    depth = _DEPTH.match(line)
    return _BREAK.sub(" " if line.lstrip()[:1] == "|" else f"\n{depth[0] if depth else ''}", line)


def _one_line(text: str) -> str:
    return " ".join(_BLOCK_TAG.sub(" ", _INLINE_TAG.sub("", text)).split())


def _title(soup: BeautifulSoup) -> str:
    """The page's title; its first heading where the title only adds the site's name to it."""
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    heading = " ".join(soup.h1.get_text().split()) if soup.h1 else ""
    parts = [part.strip().casefold() for part in re.split(r" [|·•–—-] |: ", title)]
    return heading if heading and (not title or heading.casefold() in parts) else title


def _modified(soup: BeautifulSoup) -> str:
    for attribute in ("name", "property", "http-equiv", "itemprop"):
        tag = soup.find("meta", attrs={attribute: _DATED, "content": True})
        if tag:
            return str(tag["content"])
    times = soup.find_all("time", attrs={"datetime": True})
    marked = [time for time in times if "modified" in str(time.get("itemprop", "")).lower()] or times[:1]
    return str(marked[0]["datetime"]) if marked else ""


@cache
def _converter() -> Any:
    from markdownify import MarkdownConverter

    class Converter(MarkdownConverter):
        def convert_table(self, el: Any, text: str, parent_tags: Any) -> str:
            return f"\n\n{_html_table(el)}\n\n"

        def convert_img(self, el: Any, text: str, parent_tags: Any) -> str:
            return str(el.get("alt") or "")

    return Converter(
        heading_style="atx", bullets="-", escape_asterisks=False, escape_underscores=False, escape_misc=False
    )


def _markdown(element: Tag) -> str:
    try:
        return str(_converter().convert_soup(element))
    except RecursionError:
        return element.get_text("\n")


def _html_table(element: Tag | None) -> str:
    """A Markdown table in which a cell that spans columns or rows is repeated in each."""
    if element is None:
        return ""
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    for row in (row for row in element.find_all("tr") if row.find_parent("table") is element):
        cells: list[str] = []
        for cell in row.find_all(["td", "th"], recursive=False):
            _fill(cells, hanging)
            value = _cell(cell)
            for _ in range(_span(cell, "colspan")):
                if _span(cell, "rowspan") > 1:
                    hanging[len(cells)] = (_span(cell, "rowspan") - 1, value)
                cells.append(value)
        _fill(cells, hanging)
        grid.append(cells)
    caption = element.find("caption")
    head = f"{_one_line(caption.get_text())}\n\n" if caption else ""
    return head + tables.table(grid)


def _fill(cells: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    while len(cells) in hanging:
        left, value = hanging.pop(len(cells))
        if left > 1:
            hanging[len(cells)] = (left - 1, value)
        cells.append(value)


def _cell(cell: Tag) -> str:
    cell.name = "span"
    return " ".join(_markdown(cell).split())


def _span(cell: Tag, name: str) -> int:
    value = str(cell.get(name, "1"))
    return min(max(int(value), 1), 100) if value.isdigit() else 1
