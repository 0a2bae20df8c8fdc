"""Code seen as sections, one a symbol, and gathered into what is one chunk each.

A symbol that fits a chunk stays whole. A class that does not falls into its methods, with the class as their section;
small neighbours are one chunk. Cuts are between lines, and every line is in exactly one section.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise

from assistant.knowledge.blocks import Block, Section
from assistant.knowledge.grammars import Symbol, symbols
from assistant.knowledge.packing import Part, Piece

Path = tuple[str, ...]

DEEPEST = 6
"""Levels of symbols within symbols; what is deeper belongs to the one around it."""
NAMED = 3
"""Symbols that the section of a chunk names, beside the last."""

_FENCED = re.compile(r"(`{3,})[^\n`]*\n")
_CLOSES = re.compile(r"(?:[^\w]|\b(?:end|endif|done|fi|esac)\b){1,200}")


def body(text: str) -> tuple[int, int]:
    """The span of the code in a document that is one fence, without the lines of the fence."""
    opening = _FENCED.match(text)
    if opening and text.endswith(f"\n{opening[1]}") and len(text) > opening.end() + len(opening[1]):
        return opening.end(), len(text) - len(opening[1]) - 1
    return 0, len(text)


def sections(text: str, grammar: str) -> list[Section]:
    """The code's sections in order, each with the path of the symbols that it is in; they join without a gap.

    ``text`` is a document of code, one fence around it. Without a grammar for it all is one section.
    """
    start, end = body(text)
    code = text[start:end]
    starts = [start]
    for line in code.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    cuts = [(min(starts[line], end), path) for line, path in _outline(symbols(code, grammar))]
    kept: list[tuple[int, Path]] = []
    for (cut, path), (following, _) in pairwise([*cuts, (end, ())]):
        if not kept or not _CLOSES.fullmatch(text, cut, max(cut, following)):
            kept.append((cut, path))
    return [
        Section(path, (), cut, cut, [Block("code", cut, following)])
        for (cut, path), (following, _) in pairwise([*kept, (end, ())])
        if cut < following
    ]


def _outline(found: Sequence[Symbol]) -> list[tuple[int, Path]]:
    """The lines at which another symbol is on, and the path that is then open; the first is line 0."""
    cuts: list[tuple[int, Path]] = [(0, ())]
    around: list[Symbol] = []

    def goes_on(line: int) -> None:
        path = tuple(symbol.name for symbol in around)
        if cuts[-1][0] == line:
            cuts.pop()
        cuts.append((line, path))

    for symbol in found:
        while around and around[-1].end_byte <= symbol.start_byte:
            closed = around.pop()
            goes_on(max(closed.last + 1, cuts[-1][0]))
        free = max(cuts[-1][0], around[-1].first + 1 if around else 0)
        if symbol.first >= free and len(around) < DEEPEST:
            around.append(symbol)
            goes_on(max(symbol.top, free))
    while around:
        closed = around.pop()
        goes_on(max(closed.last + 1, cuts[-1][0]))
    return cuts


class Gathering:
    """Parts of code as chunks hold them. ``room`` says what a path leaves of a chunk, ``cost`` the tokens of its last
    name; neighbours of fewer than ``least`` tokens are joined."""

    def __init__(self, room: Callable[[Path], int], cost: Callable[[Path], int], least: int) -> None:
        self._room, self._cost, self._least = room, cost, least

    def parts(self, leaves: Sequence[Part], depth: int = 0) -> list[Part]:
        """The parts for chunks, in order; ``leaves`` are those of one symbol ``depth`` levels deep."""
        made: list[Part] = []
        level: list[Part] = []
        for path, group in groupby(leaves, key=lambda part: part.path[: depth + 1]):
            inner = list(group)
            whole = _joined(inner, path)
            if len(inner) > 1 and whole.tokens <= self._room(path):
                level.append(whole)
            elif all(part.path == inner[0].path for part in inner):
                level += inner
            else:
                made += self._neighbours(level, depth)
                level = []
                made += self.parts(inner, depth + 1)
        return made + self._neighbours(level, depth)

    def _neighbours(self, level: Sequence[Part], depth: int) -> list[Part]:
        """Those of one level, small ones joined, and a class's own lines with its first method."""
        made: list[list[Part]] = []
        for part in level:
            group = [*made[-1], part] if made else [part]
            before = sum(each.tokens for each in group[:-1])
            leads = depth > 0 and len(group) == 2 and len(group[0].path) == depth
            small = before < self._least and (leads or part.tokens < self._least)
            if made and small and self._fits(group, depth):
                made[-1] = group
            else:
                made.append([part])
        return [group[0] if len(group) == 1 else _joined(group, _common(group, depth)) for group in made]

    def _fits(self, group: Sequence[Part], depth: int) -> bool:
        names = {part.path for part in group if len(part.path) > depth}
        used = sum(part.tokens for part in group) + sum(self._cost(path) for path in names)
        return used <= self._room(group[0].path[:depth])


def _common(group: Sequence[Part], depth: int) -> Path:
    """The section of neighbours: all their names below what they are in."""
    above = group[0].path[:depth]
    names = list(dict.fromkeys(part.path[depth] for part in group if len(part.path) > depth))
    if not names:
        return above
    shown = names if len(names) <= NAMED + 1 else [*names[:NAMED], "…", names[-1]]
    return (*above, ", ".join(shown))


def _joined(group: Sequence[Part], path: Path) -> Part:
    start, end = group[0].start, group[-1].end
    tokens = sum(part.tokens for part in group)
    return Part(path, start, start, end, 0, [Piece(start, end, "code", tokens=tokens)])
