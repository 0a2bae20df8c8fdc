"""The document that a passage is from, for a person who may read it: its text as it is now, around the passage.

The text is put together from what the index holds, so nothing is fetched and no reader runs. A query names only the
collection, and only where the person may read it now; one who may not gets the very answer of a document that is gone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate, groupby
from typing import Any, Literal

from assistant.knowledge.base import DocumentBase
from assistant.knowledge.blocks import fences, sections
from assistant.knowledge.documents import Chunk, PageStart

Wire = Mapping[str, Any]
WINDOW = 40_000
"""Characters of a document that are shown at once."""
BEFORE = WINDOW // 4
"""Characters before a passage that are shown with it."""
MOST_HEADINGS = 300
State = Literal["same", "moved", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a document; ``start`` is its offset in the whole text, ``level`` counts from 1."""

    level: int
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A window of a document as it is now.

    ``state``: ``same``, the passage is where it was; ``moved``, the document has changed and the passage still stands
    in it; ``changed``, it does not any more; ``gone``, there is no such document for this person. ``text`` begins at
    offset ``start`` of the whole; ``passage`` is a range in ``text``; ``pages`` have offsets in ``text``. ``above`` and
    ``below`` are the offsets to ask for what comes before and after, None at the ends. ``line`` is the number of the
    first line of code, None where the document is none.
    """

    state: State
    title: str
    uri: str
    modified: date | None = None
    text: str = ""
    start: int = 0
    passage: tuple[int, int] | None = None
    pages: tuple[PageStart, ...] = ()
    headings: tuple[Heading, ...] = ()
    above: int | None = None
    below: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Around:
    """What stands before and after a passage in its document as it is now; nothing unless ``state`` is ``same`` or
    ``moved``. ``chunks_before`` and ``chunks_after`` were asked for, ``more_*`` says that there are further ones;
    ``line`` and ``line_after`` are the numbers of the first line on either side, in code."""

    state: State
    before: str = ""
    after: str = ""
    chunks_before: int = 0
    chunks_after: int = 0
    more_before: bool = False
    more_after: bool = False
    line: int | None = None
    line_after: int | None = None


@dataclass(frozen=True, slots=True)
class _Version:
    """A stored version of a document, put together: ``starts`` and ``ends`` are its chunks' in ``text``, which begins
    at ``base`` of the text that was read."""

    chunks: Sequence[Chunk]
    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    base: int

    @property
    def whole(self) -> bool:
        return len(self.chunks) == self.chunks[0].of

    @property
    def code(self) -> bool:
        return self.chunks[0].line is not None

    def find(self, passage: Wire) -> tuple[State, int]:
        """How the passage stands in this version, and where."""
        said, at = str(passage["text"]), int(passage["start"]) - self.base
        if at >= 0 and said and self.text.startswith(said, at):
            return "same", at
        at = self.text.find(said) if said else -1
        return ("moved", at) if at >= 0 else ("changed", -1)


class ReadingRoom:
    """Opens documents of the live index. All of it raises StoreError where the index cannot be read."""

    def __init__(self, base: DocumentBase) -> None:
        self._base = base

    async def document(self, passage: Wire, readable: Collection[str], at: int | None = None) -> OpenDocument:
        """The document of a passage, as the records hold it, around the passage or from the offset ``at`` on.
        ``readable`` are the collections that the person may read now."""
        found = await self._found(passage, readable)
        if found is None:
            return OpenDocument("gone", str(passage["title"]), str(passage["document"]))
        version, state, place = found
        wanted = at if at is not None else max(0, place - BEFORE)
        cuts = _cuts(version)
        first, last, lead = _window(version, cuts, wanted)
        shown = lead + version.text[first:last]
        shift = len(lead) - first
        own = (place + shift, place + shift + len(passage["text"])) if place >= 0 else None
        head = version.chunks[0]
        return OpenDocument(
            state=state,
            title=head.title,
            uri=head.document,
            modified=head.modified,
            text=shown,
            start=-shift,
            passage=_within(own, len(shown)),
            pages=_pages(version, first, last, shift),
            headings=() if version.code else _headings(version.text),
            above=_above(cuts, first) if first else None,
            below=last if last < len(version.text) else None,
            line=_line(version, first),
        )

    async def around(self, passage: Wire, readable: Collection[str], before: int = 0, after: int = 0) -> Around:
        """The text of so many chunks before and after a passage, fewer where the document begins or ends."""
        found = await self._found(passage, readable)
        if found is None:
            return Around("gone")
        version, state, place = found
        if place < 0:
            return Around(state)
        end = place + len(passage["text"])
        first, last = bisect_left(version.starts, place), bisect_right(version.ends, end) - 1
        top, bottom = max(0, first - max(0, before)), min(len(version.ends) - 1, last + max(0, after))
        start = place if top == first else version.ends[top - 1] if top else 0
        return Around(
            state,
            before=version.text[start:place].strip("\n"),
            after=version.text[end : max(end, version.ends[bottom])].strip("\n"),
            chunks_before=first - top,
            chunks_after=bottom - last,
            more_before=top > 0,
            more_after=bottom < len(version.ends) - 1,
            line=_line(version, start),
            line_after=_line(version, end + 1),
        )

    async def _found(self, passage: Wire, readable: Collection[str]) -> tuple[_Version, State, int] | None:
        """The version that holds the passage best: where it was, else anywhere, else the newest that is whole."""
        collections = {str(passage["collection"])} & set(readable)
        chunks = [
            chunk
            for collection in collections
            async for chunk in self._base.live.index.scroll(collection, str(passage["document"]))
        ]
        versions = [_put_together(list(group)) for _, group in groupby(chunks, lambda c: (c.source, c.content_hash))]
        if not versions:
            return None
        order = ("same", "moved", "changed")
        ranked = [(version, *version.find(passage)) for version in versions]
        return min(ranked, key=lambda each: (order.index(each[1]), not each[0].whole, _age(each[0])))


def _put_together(chunks: Sequence[Chunk]) -> _Version:
    """The text of a version, from the first chunk on where it is code: what stands before is the line of its fence."""
    code = chunks[0].line is not None
    gaps = ["" if code or chunks[0].position else chunks[0].gap, *(chunk.gap for chunk in chunks[1:])]
    ends = list(accumulate(len(gap) + len(chunk.text) for gap, chunk in zip(gaps, chunks, strict=True)))
    starts = [end - len(chunk.text) for end, chunk in zip(ends, chunks, strict=True)]
    text = "".join(gap + chunk.text for gap, chunk in zip(gaps, chunks, strict=True))
    return _Version(chunks, text, starts, ends, chunks[0].start - starts[0])


def _age(version: _Version) -> int:
    modified = version.chunks[0].modified
    return -modified.toordinal() if modified else 0


def _cuts(version: _Version) -> list[int]:
    """Where a window may begin and end: at chunks that are not within fenced code."""
    fenced = [] if version.code else fences(version.text)
    return [0, *(start for start in version.starts if start and not _fence(fenced, start))]


def _window(version: _Version, cuts: Sequence[int], wanted: int) -> tuple[int, int, str]:
    """Where the window from ``wanted`` on begins and ends; where fenced code leaves no place near it to begin at, the
    line that opens the code comes before."""
    text = version.text
    if len(text) <= WINDOW and wanted < WINDOW:
        return 0, len(text), ""
    first = cuts[bisect_right(cuts, max(0, wanted)) - 1]
    lead = ""
    if wanted - first > BEFORE:
        first = version.starts[max(0, bisect_right(version.starts, wanted) - 1)]
        within = None if version.code else _fence(fences(text), first)
        lead = text[within[0] : text.index("\n", within[0]) + 1] if within else ""
    last = cuts[bisect_right(cuts, first + WINDOW) - 1] if first + WINDOW < len(text) else len(text)
    if last <= first + BEFORE:
        last = min(len(text), first + WINDOW)
    return first, last, lead


def _above(cuts: Sequence[int], first: int) -> int:
    """From where a window reaches down to ``first``."""
    at = cuts[min(bisect_left(cuts, first - WINDOW), len(cuts) - 1)]
    return at if at < first else max(0, first - WINDOW)


def _fence(fenced: Sequence[tuple[int, int]], place: int) -> tuple[int, int] | None:
    at = bisect_right(fenced, (place - 1, len(fenced) and fenced[-1][1])) - 1
    return fenced[at] if at >= 0 and fenced[at][0] < place < fenced[at][1] else None


def _within(own: tuple[int, int] | None, size: int) -> tuple[int, int] | None:
    if own is None or own[1] <= 0 or own[0] >= size:
        return None
    return max(0, own[0]), min(size, own[1])


def _pages(version: _Version, first: int, last: int, shift: int) -> tuple[PageStart, ...]:
    """The pages of the window, each from its first chunk on."""
    made: list[PageStart] = []
    for chunk, start in zip(version.chunks, version.starts, strict=True):
        if chunk.page and first <= start < last and (not made or made[-1].label != chunk.page):
            made.append(PageStart(start + shift, chunk.page))
    return tuple(made)


def _headings(text: str) -> tuple[Heading, ...]:
    found = (Heading(each.levels[-1], each.path[-1], each.start) for each in sections(text) if each.path)
    return tuple(found)[:MOST_HEADINGS]


def _line(version: _Version, place: int) -> int | None:
    line = version.chunks[0].line
    return None if line is None else line + version.text.count("\n", 0, place)
