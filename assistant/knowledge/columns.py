"""The text of a PDF page in reading order, also where a page of two columns was drawn line by line across both."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Any

_LINES = 4
"""Lines that must stand side by side before they are taken for columns."""
_SHARE = 0.6
_PROSE = 25
"""Characters in the middle line of a column; the cells of tables are shorter."""
_NEAR = 2.0
_WIDTH = 0.4
"""Width of a character for its font's size: a low guess, so that no line is taken to run into the next column."""


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    x: float
    y: float
    size: float

    @property
    def end(self) -> float:
        return self.x + len(self.text.strip()) * self.size * _WIDTH


def text_of(page: Any) -> str:
    """The text of a pypdf page: in the order in which it is drawn, or column by column."""
    pieces: list[_Piece] = []
    turned = False

    def visit(text: str, cm: list[float], tm: list[float], font: Any, size: float) -> None:
        nonlocal turned
        if text.strip():
            turned = turned or any(abs(part) > 0.01 for part in (cm[1], cm[2], tm[1], tm[2]))
            x, y = tm[4] * cm[0] + cm[4], tm[5] * cm[3] + cm[5]
            pieces.append(_Piece(text.strip("\n"), x, y, abs(size * tm[3] * cm[3]) or 1))

    drawn = str(page.extract_text(visitor_text=visit))
    return (
        drawn if turned else _by_column([list(row) for _, row in groupby(pieces, lambda each: round(each.y))]) or drawn
    )


def _by_column(rows: list[list[_Piece]]) -> str | None:
    """The rows with the left column before the right one; None if they are not two columns of prose."""
    starts = Counter(round(piece.x) for row in rows for piece in row[1:] if piece.x > row[0].x)
    if not starts:
        return None
    edge, count = starts.most_common(1)[0]
    again = [x for x, times in starts.items() if times >= _SHARE * count and abs(x - edge) > _NEAR]
    split = [_split(row, edge) for row in rows]
    both = [sides for sides in split if sides and all(sides)]
    if len(both) < _LINES or len(both) < _SHARE * len(rows) or again:
        return None
    if any(median(len(sides[side]) for sides in both) < _PROSE for side in (0, 1)):
        return None
    lines: list[str] = []
    left: list[str] = []
    right: list[str] = []
    for row, sides in [*zip(rows, split, strict=True), ([], None)]:
        if sides:
            left += filter(None, sides[:1])
            right += filter(None, sides[1:])
        else:
            lines += [*left, *right, "".join(piece.text for piece in row).strip()]
            left, right = [], []
    return "\n".join(lines).rstrip()


def _split(row: list[_Piece], edge: float) -> tuple[str, str] | None:
    """What a row says on either side of the gap that ends at ``edge``; None if it runs across."""
    left = [piece for piece in row if piece.x < edge - _NEAR]
    right = [piece for piece in row if piece.x >= edge - _NEAR]
    if any(piece.end > edge for piece in left) or (right and abs(right[0].x - edge) > _NEAR):
        return None
    texts = ("".join(piece.text for piece in side).strip() for side in (left, right))
    return next(texts), next(texts)
