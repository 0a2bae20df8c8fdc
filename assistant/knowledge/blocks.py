"""Markdown seen as sections of blocks: what may be cut apart, and what belongs together.

Only offsets leave this module; the text itself is never changed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

Kind = Literal["text", "item", "quote", "table", "fence", "code"]

LONGEST_HEADING = 200
"""Characters; a longer line that looks like a heading is read as a paragraph."""

_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})([^\n]*)$")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|[*`]|(?<!\w)_|_(?!\w))(?=\S)(.+?)(?<=\S)\1")


@dataclass(slots=True)
class Block:
    """``text[start:end]``, whole lines without the blank lines around them; ``depth`` is its indentation."""

    kind: Kind
    start: int
    end: int
    depth: int = 0


@dataclass(slots=True)
class Section:
    """A heading and the blocks up to the next heading of any level.

    ``start`` is where its heading line begins and ``body`` where that heading ends; both are the same for the
    text before the first heading, whose ``path`` is empty.
    """

    path: tuple[str, ...]
    levels: tuple[int, ...]
    start: int
    body: int
    blocks: list[Block] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Where its last block ends, or its heading when it has none."""
        return self.blocks[-1].end if self.blocks else self.body


@dataclass(slots=True, frozen=True)
class _Line:
    start: int
    end: int
    text: str


def _lines(text: str) -> list[_Line]:
    lines, start = [], 0
    for raw in text.split("\n"):
        lines.append(_Line(start, start + len(raw), raw))
        start += len(raw) + 1
    return lines


def fences(text: str) -> list[tuple[int, int]]:
    """The spans of fenced code, fence lines included; a fence that is never closed is none."""
    found: list[tuple[int, int]] = []
    lines = _lines(text) if "```" in text or "~~~" in text else []
    marks = [(line, match[1], match[2]) for line in lines if (match := _FENCE.match(line.text))]
    closers = [(line, mark) for line, mark, rest in marks if not rest.strip()]
    starts = [line.start for line, _ in closers]
    after = -1
    for line, mark, rest in marks:
        if line.start <= after or (mark[0] == "`" and "`" in rest):
            continue
        for close, closing in islice(closers, bisect_right(starts, line.start), None):
            if closing.startswith(mark):
                found.append((line.start, close.end))
                after = close.end
                break
    return found


def plain(heading: str) -> str:
    """A heading without its Markdown marks, on one line."""
    return " ".join(_EMPHASIS.sub(r"\2", _LINK.sub(r"\1", heading)).split())


def sections(text: str) -> list[Section]:
    """The sections of a Markdown text in order; one without heading or body is left out."""
    found = [Section((), (), 0, 0)]
    fenced = dict(fences(text))
    lines = _lines(text)
    index = 0
    while index < len(lines):
        line = lines[index]
        blocks = found[-1].blocks
        if line.start in fenced:
            end = fenced[line.start]
            blocks.append(Block("fence", line.start, end, _indent(line.text)))
            while index < len(lines) and lines[index].end <= end:
                index += 1
            continue
        heading = _heading(line, lines[index + 1] if index + 1 < len(lines) else None, blocks)
        if heading is not None:
            level, name, end = heading
            found.append(_section(found[-1], level, name, line.start, end))
            index += 1 if end == line.end else 2
            continue
        _take(line, blocks, lines[index - 1].text if index else "")
        index += 1
    return [section for section in found if section.path or section.blocks]


def _heading(line: _Line, following: _Line | None, blocks: list[Block]) -> tuple[int, str, int] | None:
    """Level, name and end offset when a heading, ATX or underlined, starts on this line."""
    if len(line.text) > LONGEST_HEADING or not line.text.strip():
        return None
    if (atx := _ATX.match(line.text)) and (name := plain(atx[2])):
        return len(atx[1]), name, line.end
    goes_on = bool(blocks) and blocks[-1].end == line.start - 1
    if following is None or goes_on or _ITEM.match(line.text) or line.text.lstrip()[0] in ">|":
        return None
    if (under := _UNDERLINE.match(following.text)) and (name := plain(line.text)):
        return (1 if under[1][0] == "=" else 2), name, following.end
    return None


def _section(previous: Section, level: int, name: str, start: int, end: int) -> Section:
    kept = [pair for pair in zip(previous.levels, previous.path, strict=True) if pair[0] < level]
    return Section((*(p for _, p in kept), name), (*(n for n, _ in kept), level), start, end)


def _take(line: _Line, blocks: list[Block], before: str) -> None:
    """Adds a line to the block it continues, or starts one with it."""
    content = line.text.strip()
    if not content:
        return
    kind: Kind = "text"
    if content[0] == "|":
        kind = "table"
    elif content[0] == ">":
        kind = "quote"
    elif _ITEM.match(line.text):
        kind = "item"
    last = blocks[-1] if blocks and before.strip() and blocks[-1].kind != "fence" else None
    if last and kind != "item" and (kind == last.kind or (kind == "text" and last.kind != "table")):
        last.end = line.end
    else:
        blocks.append(Block(kind, line.start, line.end, _indent(line.text)))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def title_of(text: str) -> str | None:
    """The first level-1 heading."""
    return next((s.path[-1] for s in sections(text) if s.levels and s.levels[-1] == 1), None)


def masked(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is fenced code."""
    at = 0
    for start, end in fences(text):
        yield text[at:start], False
        yield text[start:end], True
        at = end
    yield text[at:], False
