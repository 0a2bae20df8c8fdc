"""Documents cut into chunks: along headings first, then between blocks, then between sentences; code along symbols.

A section that fits is one chunk. One that does not becomes as few chunks as it can, of about one size, cut
rather before a paragraph than within one, and not between a line and the list that it introduces.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from assistant.knowledge import code
from assistant.knowledge.blocks import Section, sections
from assistant.knowledge.documents import Chunk, Document
from assistant.knowledge.packing import Part, Piece, finer, packed, pieces
from assistant.knowledge.properties import shortened

CountTokens = Callable[[Sequence[str]], Sequence[int]]
_Path = tuple[str, ...]
_LINE_END = re.compile("\n")
_COUNTED_AT_ONCE = 200_000
"""Characters; most documents are shorter."""
WHOLE, JOINTS = 1.1, 8
"""A chunk's tokens are taken to be at most so many times those of its parts, and so many more."""


def split(
    document: Document,
    collection: str,
    count_tokens: CountTokens,
    max_tokens: int = 240,
    min_tokens: int = 100,
) -> list[Chunk]:
    """The chunks of a document, in order and apart: all its text but headings, which are their sections, and the
    fence around a document that is code. What lies between two chunks is the second one's ``gap``, whole however long.

    ``max_tokens`` bounds ``Chunk.embedding_text()`` as ``count_tokens`` counts it, special tokens included
    where it counts them, as long as a whole counts for at most a tenth and eight tokens more than its parts: what is
    that far from the bound is counted in parts alone. It is called with many texts at a time, a few times a document.
    Neighbouring sections of fewer than ``min_tokens`` become one chunk, which then holds their headings; a heading with
    nothing below it is a chunk too. A title of more characters than half of ``max_tokens`` is shortened.
    """
    if max_tokens < 32:
        raise ValueError("max_tokens must be at least 32")
    return _Splitter(document, collection, count_tokens, max_tokens, min_tokens).chunks()


class _Splitter:
    def __init__(
        self, document: Document, collection: str, count: CountTokens, max_tokens: int, min_tokens: int
    ) -> None:
        self._document, self._text = document, document.text
        self._count, self._max, self._min = count, max_tokens, min_tokens
        self._shown: dict[_Path, _Path] = {}
        self._room: dict[_Path, int] = {}
        self._used: dict[_Path, int] = {}
        self._lines = [match.end() for match in _LINE_END.finditer(document.text)] if document.code else []
        self._first_line = bisect_right(self._lines, code.body(document.text)[0]) if document.code else 0
        self._blank = Chunk(
            collection=collection,
            document=document.uri,
            title=shortened(document.title, max_tokens // 2),
            section=(),
            text="",
            start=0,
            end=0,
            position=0,
            of=0,
            content_hash=document.content_hash,
            modified=document.modified,
        )

    def chunks(self) -> list[Chunk]:
        large: list[Chunk] = []
        small: list[Chunk] = []
        parts = self._code_parts() if self._document.code else self._parts()
        self._refine([part for part in parts if part.tokens > self._room[part.path]])
        for part in parts:
            room = self._room[part.path]
            spans = [(part.start, part.end, part.tokens)] if part.tokens <= room else packed(part.pieces, room)
            for start, end, tokens in spans:
                # A whole counts for little more than its parts, so what is far from the bound is not counted again.
                sure = (self._max - room + tokens) * WHOLE + JOINTS <= self._max
                (small if sure else large).append(self._chunk(self._shown[part.path], start, end))
        kept = (chunk for chunk in small if chunk.text)
        made = sorted([*kept, *self._fitting(large)], key=lambda chunk: chunk.start)
        ends = (0, *(chunk.end for chunk in made))
        return [
            replace(chunk, position=position, of=len(made), gap=self._text[ends[position] : chunk.start])
            for position, chunk in enumerate(made)
        ]

    def _parts(self) -> list[Part]:
        """Every section, measured, and joined where small; one that is only the heading of the next ones is left to
        their paths."""
        every = [*sections(self._text), Section((), (), 0, 0)]
        found = [s for s, after in pairwise(every) if s.blocks or after.path[: len(s.path)] != s.path]
        return self._merged(self._measured(found, (path for s in found for path in (s.path, s.path[:-1]))))

    def _code_parts(self) -> list[Part]:
        found = code.sections(self._text, self._document.code)
        leaves = self._measured(found, (s.path[:depth] for s in found for depth in range(len(s.path) + 1)))
        used = self._used
        gathering = code.Gathering(self._room.__getitem__, lambda path: used[path] - used[path[:-1]], self._min)
        parts = gathering.parts(leaves)
        for path in (part.path for part in parts if part.path not in self._room):
            self._shown[path] = (*self._shown[path[:-1]], path[-1])
            self._room[path] = self._room[path[:-1]]
        return parts

    def _measured(self, found: Sequence[Section], paths: Iterable[_Path]) -> list[Part]:
        """Each section with its tokens, after room was made for the headings that chunks may get."""
        cut = [pieces(self._text, section.blocks, 20 * self._max) for section in found]
        paths = list(dict.fromkeys(paths))
        texts = [self._heading(path) for path in paths]
        texts += [self._text[section.start : section.body] for section in found]
        texts += [self._text[piece.start : piece.end] for group in cut for piece in group]
        special, *counts = self._counts(["", *texts])
        self._used = dict(zip(paths, counts, strict=False))
        self._make_room(self._used)
        own = iter(count - special for count in counts[len(paths) :])
        headings = [next(own) for _ in found]
        for piece in (piece for group in cut for piece in group):
            piece.tokens = next(own)
        return [
            Part(s.path, s.start, s.blocks[0].start if s.blocks else s.start, s.end, heading, group)
            for s, heading, group in zip(found, headings, cut, strict=True)
        ]

    def _counts(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text, counted in groups: a tokenizer can take 200 bytes for every character."""
        counts: list[int] = []
        first, size = 0, 0
        for index, text in enumerate(texts):
            size += len(text)
            if size > _COUNTED_AT_ONCE or index == len(texts) - 1:
                counts += self._count(texts[first : index + 1])
                first, size = index + 1, 0
        return counts

    def _heading(self, path: _Path) -> str:
        return replace(self._blank, section=path).embedding_text()

    def _make_room(self, used: dict[_Path, int]) -> None:
        """Notes what headings leave of the budget; where it is under half, outer headings are left out."""
        long = [path for path, count in used.items() if count * 2 > self._max]
        shorter = list(dict.fromkeys(path[cut:] for path in long for cut in range(1, len(path) + 1)))
        if shorter:
            counts = self._counts([self._heading(path) for path in shorter])
            used = used | dict(zip(shorter, counts, strict=True))
        for path in used:
            ends = (path[cut:] for cut in range(len(path) + 1))
            self._shown[path] = next((end for end in ends if used.get(end, 0) * 2 <= self._max), ())
            self._room[path] = max(self._max - used.get(self._shown[path], 0), self._max // 4)

    def _merged(self, parts: Iterable[Part]) -> list[Part]:
        merged: list[Part] = []
        for part in parts:
            joined = self._joined(merged[-1], part) if merged else None
            if joined:
                merged[-1] = joined
            else:
                merged.append(part)
        return merged

    def _joined(self, before: Part, part: Part) -> Part | None:
        """The two as one when both say little, or one only leads to the other, and they belong together."""
        introduces = before.path == part.path[:-1] and not before.merged and before.tokens < self._min
        goes_on = before.path == part.path[:-1] and before.merged and part.tokens < self._min
        siblings = (
            bool(part.path)
            and before.path[:-1] == part.path[:-1]
            and len(before.path) == len(part.path)
            and max(before.tokens, part.tokens) < self._min
        )
        if not (introduces or goes_on or siblings):
            return None
        path = part.path[:-1]
        tokens = before.tokens + part.heading + part.tokens + (before.heading if siblings else 0)
        if tokens > self._room[path]:
            return None
        start = before.top if siblings else before.start
        whole = Piece(start, part.end, "text", tokens=tokens)
        return Part(path, before.top, start, part.end, before.heading, [whole], merged=True)

    def _refine(self, parts: Sequence[Part]) -> None:
        """Cuts what is too long for a chunk, finer and finer, all of a round counted at once."""
        while True:
            fresh: list[Piece] = []
            for part in parts:
                room = self._room[part.path]
                kept: list[Piece] = []
                for piece in part.pieces:
                    long = piece.tokens > room and piece.end - piece.start > 1
                    made = finer(self._text, piece, piece.tokens // room + 1) if long else [piece]
                    fresh += made if long else []
                    kept += made
                part.pieces = kept
            if not fresh:
                return
            special, *counts = self._counts(["", *(self._text[piece.start : piece.end] for piece in fresh)])
            for piece, count in zip(fresh, counts, strict=True):
                piece.tokens = count - special

    def _chunk(self, section: _Path, start: int, end: int) -> Chunk:
        """A chunk without the blanks around it, on the page where it starts; code keeps its indentation."""
        text = self._text[start:end]
        first = start + len(text) - len(text.lstrip())
        line = None
        if self._document.code:
            first = max(start, self._text.rfind("\n", 0, first) + 1)
            line = bisect_right(self._lines, first) - self._first_line + 1
        start, text = first, self._text[first:end].rstrip()
        page = bisect_right(self._document.pages, start, key=lambda page: page.offset) - 1
        label = self._document.pages[page].label if page >= 0 else None
        end = start + len(text)
        return replace(self._blank, section=section, text=text, start=start, end=end, page=label, line=line)

    def _fitting(self, made: Iterable[Chunk]) -> list[Chunk]:
        """The chunks, halved while they exceed the budget: a whole may count for more than its parts."""
        waiting = [chunk for chunk in made if chunk.text]
        while True:
            counts = self._counts([chunk.embedding_text() for chunk in waiting])
            if all(n <= self._max or len(c.text) < 2 for n, c in zip(counts, waiting, strict=True)):
                return waiting
            halved: list[Chunk] = []
            for chunk, count in zip(waiting, counts, strict=True):
                spans = [(chunk.start, chunk.end)]
                if count > self._max and len(chunk.text) > 1:
                    whole = Piece(chunk.start, chunk.end, "text", level=9)
                    spans = [(half.start, half.end) for half in finer(self._text, whole, 2)]
                halved += [self._chunk(chunk.section, start, end) for start, end in spans]
            waiting = [chunk for chunk in halved if chunk.text]
