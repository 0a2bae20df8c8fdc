"""A Word document as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from assistant.knowledge import tables
from assistant.knowledge.characters import without_payload

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HEADING = re.compile(r"(?:heading|überschrift|titre|título|titolo) ?(\d)", re.IGNORECASE)
_BLOCKS = (f"{_W}p", f"{_W}tbl")
_WRAPPERS = frozenset(_W + name for name in ("sdt", "sdtContent", "ins", "smartTag", "customXml", "moveTo"))


def markdown(document: Any) -> str:
    """A python-docx document's body in order: headings, lists, links and tables; deleted text is left out.

    The XML is walked, for python-docx's own iterators skip content controls, insertions and text boxes.
    """
    level = {style.style_id: _level(style) for style in document.styles if style.type == 1}
    titles = (p for p in document.element.body.iter(f"{_W}p") if level.get(_style(p)) == 0)
    offset = int(any(_text(title, document) for title in titles))
    parts: list[str] = []
    in_list = False
    for element in _children(document.element.body, *_BLOCKS):
        if element.tag == f"{_W}tbl":
            text, item = _table(element, document), False
        else:
            text, item = _paragraph(element, document, level.get(_style(element)), offset)
        if text:
            parts.append(text if item and in_list else f"\n{text}")
            in_list = item
    return "\n".join(parts).strip()


def _children(parent: Any, *tags: str) -> Iterator[Any]:
    """The children with one of the tags, also where a content control or a tracked change wraps them."""
    for child in parent:
        if child.tag in tags:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _children(child, *tags)


def _level(style: Any) -> int | None:
    """0 for the title, 1 to 9 for headings, also where a style of one's own is based on one; else none."""
    for _ in range(10):
        if style is None:
            return None
        if style.name in ("Title", "Titel", "Titre", "Título"):
            return 0
        if match := _HEADING.match(style.name or ""):
            return int(match[1])
        style = style.base_style
    return None


def _style(paragraph: Any) -> str | None:
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    return None if style is None else style.get(f"{_W}val")


def _paragraph(paragraph: Any, document: Any, level: int | None, offset: int) -> tuple[str, bool]:
    text = _text(paragraph, document)
    outline = paragraph.find(f"{_W}pPr/{_W}outlineLvl")
    if level is None and outline is not None and int(outline.get(f"{_W}val", "9")) < 9:
        level = int(outline.get(f"{_W}val")) + 1
    if level is not None and text:
        return f"{'#' * min(max(level + offset, 1), 6)} {' '.join(text.split())}", False
    number = paragraph.find(f"{_W}pPr/{_W}numPr")
    listed = number is not None or (_style(paragraph) or "").lower().startswith("list")
    if not (listed and text):
        return text, False
    depth = number.find(f"{_W}ilvl") if number is not None else None
    indent = "  " * int(depth.get(f"{_W}val", "0")) if depth is not None else ""
    return f"{indent}- {' '.join(text.split())}", True


def _text(element: Any, document: Any) -> str:
    """The visible text of a paragraph, links with their address, text boxes in it on lines of their own."""
    parts: list[str] = []
    for child in element:
        if child.tag == f"{_W}t":
            parts.append(child.text or "")
        elif child.tag in (f"{_W}tab", f"{_W}cr", f"{_W}br"):
            parts.append("\t" if child.tag == f"{_W}tab" else "\n")
        elif child.tag == f"{_W}noBreakHyphen":
            parts.append("-")
        elif child.tag == f"{_W}hyperlink":
            parts.append(_link(child, document))
        elif child.tag == f"{_W}p":
            parts.append(f"\n{_text(child, document)}\n")
        elif child.tag not in (_FALLBACK, f"{_W}pPr", f"{_W}rPr", f"{_W}del", f"{_W}moveFrom"):
            parts.append(_text(child, document))
    text = "".join(parts)
    return text.strip() if element.tag == f"{_W}p" else text


def _link(element: Any, document: Any) -> str:
    text = _text(element, document)
    relation = document.part.rels.get(element.get(_RELATION))
    address = relation.target_ref if relation is not None and relation.is_external else ""
    if not text.strip() or text.strip() in (address, address.removeprefix("mailto:")):
        return text
    return f"[{text}]({without_payload(address)})" if re.match(r"(?:https?|mailto):", address) else text


def _table(table: Any, document: Any) -> str:
    """A Markdown table; one of a single row or column only places text on the page and becomes paragraphs."""
    rows: list[list[str]] = []
    for row in _children(table, f"{_W}tr"):
        rows.append(_row(row, rows[-1] if rows else [], document))
    if len(rows) == 1 or max(map(len, rows), default=0) == 1:
        return "\n\n".join(filter(None, (cell for row in rows for cell in row)))
    return tables.table(rows)


def _row(row: Any, above: list[str], document: Any) -> list[str]:
    """The cells of a row; what a merged cell says is repeated in every column and row that it covers."""
    cells: list[str] = []
    for cell in _children(row, f"{_W}tc"):
        span, merge = cell.find(f"{_W}tcPr/{_W}gridSpan"), cell.find(f"{_W}tcPr/{_W}vMerge")
        text = "\n".join(filter(None, (_inner(block, document) for block in _children(cell, *_BLOCKS))))
        if merge is not None and merge.get(f"{_W}val") != "restart" and len(cells) < len(above):
            text = above[len(cells)]
        cells += [text] * (min(int(span.get(f"{_W}val", "1")), 64) if span is not None else 1)
    return cells


def _inner(block: Any, document: Any) -> str:
    """The text of a paragraph or of a table within a table's cell."""
    if block.tag == f"{_W}p":
        return _text(block, document)
    return "\n".join(filter(None, (_text(paragraph, document) for paragraph in block.iter(f"{_W}p"))))
