"""Blocks cut into pieces and pieces packed into chunks, at the places where a cut does the least harm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from assistant.knowledge.blocks import Block, Kind

_SENTENCE = re.compile(
    r"(?<!\b[A-Za-z])(?<!\b(?:Dr|Mr|Ms|St|No|Nr|vs|ca|cf))(?<!\b(?:Mrs|Inc|etc|bzw|vgl|Abs))"
    r"[.!?…]+[\"'”’)\]*_]*\s+(?=[\"'“‘(\[*_]*[^\W_a-z])|(?<=[。！？])|(?<=[:;])\n"
)
_LINE = re.compile(r"\n+")
_PARAGRAPH = re.compile(r"\n[ \t]*\n+")
_TOP_LEVEL = re.compile(r"\n[ \t]*\n+(?=[^\s)}\]])")
_TABLE_HEAD = re.compile(r"[^\n]*\n[ \t]*\|[-:| \t]+(?:\n[^\n]*\n?)?")
_FENCE_ENDS = re.compile(r"\A[^\n]*\n|\n[^\n]*\n*\Z")
_WAYS: dict[Kind, tuple[re.Pattern[str], ...]] = {
    "text": (_SENTENCE, _LINE),
    "item": (_SENTENCE, _LINE),
    "quote": (_SENTENCE, _LINE),
    "table": (_LINE,),
    "fence": (_TOP_LEVEL, _PARAGRAPH, _LINE),
    "code": (_TOP_LEVEL, _PARAGRAPH, _LINE),
}
_INTRODUCES = re.compile(r"(?::|\*\*)[\s*_]*\Z")
_MOST_PIECES = 300
"""In one chunk; it bounds the work where a tokenizer counts nothing."""


@dataclass(slots=True)
class Piece:
    """``text[start:end]``, blanks after it included, that is not cut; a cut before it costs ``cost`` chunks.

    ``level`` is how many of the ways to cut its kind of block have been used up.
    """

    start: int
    end: int
    kind: Kind
    cost: float = 0.0
    level: int = 0
    tokens: int = 0


@dataclass(slots=True)
class Part:
    """A section, or neighbours that stay together, from the heading at ``top`` to ``end``.

    Its chunks hold what is from ``start`` on; ``heading`` is the number of tokens of the heading line.
    """

    path: tuple[str, ...]
    top: int
    start: int
    end: int
    heading: int
    pieces: list[Piece]
    merged: bool = False

    @property
    def tokens(self) -> int:
        return sum(piece.tokens for piece in self.pieces)


def pieces(text: str, blocks: Sequence[Block], longest: int) -> list[Piece]:
    """A piece for every block, several for one of more than ``longest`` characters.

    A cut after a line that introduces something, or before a nested block, is dear.
    """
    found: list[Piece] = []
    for block in blocks:
        cost = 0.25 if block.depth else 0.0
        if found:
            found[-1].end = block.start
            cost += 0.5 if _INTRODUCES.search(text[found[-1].start : block.start]) else 0.0
        found.append(Piece(block.start, block.end, block.kind, cost))
    while any(piece.end - piece.start > longest for piece in found):
        lengths = ((piece, (piece.end - piece.start - 1) // longest + 1) for piece in found)
        found = [part for piece, n in lengths for part in (finer(text, piece, n) if n > 1 else [piece])]
    return found


def finer(text: str, piece: Piece, count: int) -> list[Piece]:
    """The piece cut in its next way; when all are used, at words into ``count`` parts of one length."""
    ways = _WAYS[piece.kind]
    for level in range(piece.level, len(ways)):
        within = text[piece.start : piece.end]
        cuts = [match.end() for match in ways[level].finditer(within)]
        low, high = _kept_together(within, piece)
        if cuts := [piece.start + cut for cut in cuts if max(low, 1) <= cut <= high and cut < len(within)]:
            return _cut(piece, cuts, level + 1)
    return _cut(piece, _between_words(text, piece, count), len(ways))


def _kept_together(within: str, piece: Piece) -> tuple[int, int]:
    """The first and last offset at which a table or a fence may be cut, so that no part is only its frame."""
    if piece.kind == "table" and piece.level == 0 and (head := _TABLE_HEAD.match(within)):
        return head.end(), len(within)
    if piece.kind == "fence" and piece.level < len(_WAYS["fence"]):
        ends = [match.span() for match in _FENCE_ENDS.finditer(within)] or [(0, 0)]
        return ends[0][1] + 1, ends[-1][0]
    return 0, len(within)


def _between_words(text: str, piece: Piece, count: int) -> list[int]:
    """Offsets after a blank near each of the even cuts; the even cuts only where all is one word."""
    length = piece.end - piece.start
    even = [piece.start + max(length * part // count, 1) for part in range(1, count)]
    cuts = [piece.start]
    for wanted in even:
        before = max(text.rfind(blank, cuts[-1] + 1, wanted) for blank in " \n\t") + 1
        after = [text.find(blank, max(wanted, cuts[-1]), piece.end - 1) + 1 for blank in " \n\t"]
        found = before if before > cuts[-1] else min((cut for cut in after if cut > cuts[-1]), default=0)
        cuts += [found] if found else []
    return cuts[1:] or [cut for cut in dict.fromkeys(even) if cut < piece.end]


def _cut(piece: Piece, cuts: Iterable[int], level: int) -> list[Piece]:
    cost = 0.1 if piece.kind in ("table", "fence", "code") else 0.4 + 0.1 * level
    edges = [piece.start, *dict.fromkeys(cuts), piece.end]
    made = [Piece(start, end, piece.kind, cost, level) for start, end in pairwise(edges)]
    made[0].cost = piece.cost
    return made


def packed(found: Sequence[Piece], room: int) -> list[tuple[int, int, int]]:
    """The spans of the cheapest chunks of at most ``room`` tokens, each with its tokens.

    A chunk costs one, the square of the share of the room that it leaves unused, and the cut before it.
    """
    best = [0.0] + [float("inf")] * len(found)
    came = [0] * (len(found) + 1)
    for end in range(1, len(found) + 1):
        size = 0
        for start in range(end - 1, max(end - _MOST_PIECES, 0) - 1, -1):
            size += found[start].tokens
            if size > room and start < end - 1:
                break
            unused = 1 - min(size / room, 1)
            cost = best[start] + 1 + unused * unused + (found[start].cost if start else 0)
            if cost < best[end]:
                best[end], came[end] = cost, start
    spans = []
    end = len(found)
    while end:
        chosen = found[came[end] : end]
        spans.append((chosen[0].start, chosen[-1].end, sum(piece.tokens for piece in chosen)))
        end = came[end]
    return spans[::-1]
