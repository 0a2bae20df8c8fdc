"""An answer as blocks of HTML that stand next to one another, also while it is being written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from connectors.builtin_text import FOR_OPERATORS
from ui.links import nowhere
from ui.rendering import RENDERED, block, blocks_of, plain
from ui.widget_html import safe

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer is read with, as ``ui.rendering.answer`` takes it; the HTML of each block goes through ``last``,
    the widget's second net where nothing else is named."""

    turn: str
    numbers: frozenset[int] = frozenset()
    allowed: Callable[[str], bool] = nowhere
    say: Callable[[str], str] = str
    last: Callable[[str], str] = safe


def answer_blocks(text: str, how: Reading, marks: Sequence[Any] = ()) -> list[str]:
    """A whole answer, each block one element; what is beyond the part that is read as Markdown comes as one more."""
    text = for_readers(text)
    start = len(text) - len(text.lstrip())
    end = _cut(text, start)
    found = [_one(text[a:b], how, _within(marks, a, b)) for a, b in _spans(text, start, end)]
    return [*found, _plain(text[end:], how)] if text[end:].strip() else found


def for_readers(text: str) -> str:
    """An answer without what the builtin model says to whoever runs the assistant."""
    for each in FOR_OPERATORS.values():
        text = text.removesuffix(each)
    return text.rstrip()


class GrowingBlocks:
    """An answer that is being written. What is over stays as it is, so that all steps together cost what the text is
    long: only the block that is still open, and a line that is not whole, are read again."""

    def __init__(self, how: Reading) -> None:
        self._how = how
        self._pieces: list[str] = []
        self._open = ""
        self._read = 0
        self._full = False
        self._over: list[str] = []
        self._rest: list[str] = []

    @property
    def size(self) -> int:
        """Characters that the next step reads."""
        return len(self._open) + sum(map(len, self._pieces))

    @property
    def blocks(self) -> list[str]:
        """Those of the last step."""
        return self._over + self._rest

    def add(self, text: str) -> None:
        """More of it."""
        self._pieces.append(text)

    def step(self) -> tuple[int, str] | None:
        """How many elements stay, and the HTML after them; None where nothing is new."""
        self._open += "".join(self._pieces)
        self._pieces.clear()
        if not self._over:
            self._open = self._open.lstrip()
        stay, before = len(self._over), self._rest
        self._close()
        self._rest = self._still_open()
        return _change(before, self._over[stay:] + self._rest, stay)

    def last(self, blocks: Sequence[str]) -> tuple[int, str] | None:
        """The same once the whole answer is known, in which any block may have changed."""
        return _change(self._over + self._rest, blocks)

    def _close(self) -> None:
        """Read what nothing can change any more: all before a block whose first line is whole."""
        room = RENDERED - self._read
        if self._full:
            return
        if len(self._open) > room:
            self._full = True
            end = self._open.rfind("\n", max(0, RENDERED // 2 - self._read), room) + 1 or room
            spans = _spans(self._open, 0, end)
        else:
            *spans, (end, _) = _spans(self._open, 0, self._open.rfind("\n") + 1) or [(0, 0)]
        self._over += [_one(self._open[a:b], self._how) for a, b in spans]
        self._open, self._read = self._open[end:], self._read + end

    def _still_open(self) -> list[str]:
        if self._full:
            return [_plain(self._open, self._how)] if self._open.strip() else []
        return [_one(self._open[a:b], self._how) for a, b in _spans(self._open, 0, len(self._open))]


def _one(text: str, how: Reading, marks: Sequence[Any] = ()) -> str:
    return how.last(block(text, how.turn, set(how.numbers), how.allowed, marks, how.say))


def _plain(text: str, how: Reading) -> str:
    return how.last(plain(text))


def _spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Where the blocks of ``text[start:end]`` stand, each up to the next."""
    return list(pairwise([*(start + at for at in blocks_of(text[start:end])), end]))


def _cut(text: str, start: int) -> int:
    """Where reading as Markdown ends."""
    if len(text) - start <= RENDERED:
        return len(text)
    return text.rfind("\n", start + RENDERED // 2, start + RENDERED) + 1 or start + RENDERED


def _within(marks: Sequence[Any], start: int, end: int) -> list[Wire]:
    """The marks in ``[start, end)``, from there."""
    return [
        {**mark, "start": max(mark["start"], start) - start, "end": min(mark["end"], end) - start}
        for mark in marks
        if mark["start"] < end and mark["end"] > start
    ]


def _change(before: Sequence[str], after: Sequence[str], stay: int = 0) -> tuple[int, str] | None:
    """What leads from blocks to others, after ``stay`` further ones; None where they are the same."""
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    return None if same == len(before) == len(after) else (stay + same, "".join(after[same:]))
