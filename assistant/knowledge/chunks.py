"""Documents cut into chunks: along headings first, then between blocks, then between sentences.

A section that fits is one chunk. One that does not becomes as few chunks as it can, of about one size, cut
rather before a paragraph than within one, and not between a line and the list that it introduces.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from assistant.knowledge.blocks import Section, sections
from assistant.knowledge.documents import Chunk, Document
from assistant.knowledge.packing import Piece, finer, packed, pieces
from assistant.knowledge.properties import shortened

CountTokens = Callable[[Sequence[str]], Sequence[int]]
_Path = tuple[str, ...]
_COUNTED_AT_ONCE = 200_000
"""Characters; most documents are shorter."""


def split(
    document: Document,
    collection: str,
    count_tokens: CountTokens,
    max_tokens: int = 240,
    min_tokens: int = 100,
) -> list[Chunk]:
    """The chunks of a document, in order and apart: all its text but headings, which are their sections.

    ``max_tokens`` bounds ``Chunk.embedding_text()`` as ``count_tokens`` counts it, special tokens included
    where it counts them; it is called with many texts at a time, a few times a document. Neighbouring
    sections of fewer than ``min_tokens`` become one chunk, which then holds their headings; a heading with
    nothing below it is a chunk too. A title of more characters than half of ``max_tokens`` is shortened.
    """
    if max_tokens < 32:
        raise ValueError("max_tokens must be at least 32")
    return _Splitter(document, collection, count_tokens, max_tokens, min_tokens).chunks()


@dataclass(slots=True)
class _Part:
    """A section, or neighbours that stay together, from the heading at ``top`` to ``end``.

    Its chunks hold what is from ``start`` on; ``heading`` is the number of tokens of the heading line.
    """

    path: _Path
    top: int
    start: int
    end: int
    heading: int
    pieces: list[Piece]
    merged: bool = False

    @property
    def tokens(self) -> int:
        return sum(piece.tokens for piece in self.pieces)


class _Splitter:
    def __init__(
        self, document: Document, collection: str, count: CountTokens, max_tokens: int, min_tokens: int
    ) -> None:
        self._document, self._text = document, document.text
        self._count, self._max, self._min = count, max_tokens, min_tokens
        self._shown: dict[_Path, _Path] = {}
        self._room: dict[_Path, int] = {}
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
        made: list[Chunk] = []
        parts = self._merged(self._parts())
        self._refine([part for part in parts if part.tokens > self._room[part.path]])
        for part in parts:
            room = self._room[part.path]
            spans = [(part.start, part.end)] if part.tokens <= room else packed(part.pieces, room)
            made += [self._chunk(self._shown[part.path], start, end) for start, end in spans]
        made = self._fitting(made)
        return [replace(chunk, position=position, of=len(made)) for position, chunk in enumerate(made)]

    def _parts(self) -> list[_Part]:
        """Every section, measured; one that is only the heading of the next ones is left to their paths."""
        found = [
            section
            for section, after in pairwise([*sections(self._text), Section((), (), 0, 0)])
            if section.blocks or after.path[: len(section.path)] != section.path
        ]
        cut = [pieces(self._text, section.blocks, 20 * self._max) for section in found]
        paths = list(dict.fromkeys(path for s in found for path in (s.path, s.path[:-1])))
        texts = [self._heading(path) for path in paths]
        texts += [self._text[section.start : section.body] for section in found]
        texts += [self._text[piece.start : piece.end] for group in cut for piece in group]
        special, *counts = self._counts(["", *texts])
        self._make_room(dict(zip(paths, counts, strict=False)))
        own = iter(count - special for count in counts[len(paths) :])
        headings = [next(own) for _ in found]
        for piece in (piece for group in cut for piece in group):
            piece.tokens = next(own)
        return [
            _Part(s.path, s.start, s.blocks[0].start if s.blocks else s.start, s.end, heading, group)
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

    def _merged(self, parts: Iterable[_Part]) -> list[_Part]:
        merged: list[_Part] = []
        for part in parts:
            joined = self._joined(merged[-1], part) if merged else None
            if joined:
                merged[-1] = joined
            else:
                merged.append(part)
        return merged

    def _joined(self, before: _Part, part: _Part) -> _Part | None:
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
        return _Part(path, before.top, start, part.end, before.heading, [whole], merged=True)

    def _refine(self, parts: Sequence[_Part]) -> None:
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
        """A chunk without the blanks around it, on the page where it starts."""
        text = self._text[start:end]
        start += len(text) - len(text.lstrip())
        text = text.strip()
        page = bisect_right(self._document.pages, start, key=lambda page: page.offset) - 1
        label = self._document.pages[page].label if page >= 0 else None
        end = start + len(text)
        return replace(self._blank, section=section, text=text, start=start, end=end, page=label)

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
