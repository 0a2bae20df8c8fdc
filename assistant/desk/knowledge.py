"""What whoever runs this sees of the documents: sources with their state, documents in pages, the chunks of one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from assistant.app import Assistant
from assistant.knowledge.collections import Known
from assistant.knowledge.documents import Chunk
from assistant.knowledge.happenings import Mistake
from assistant.knowledge.store import StoredDocument

Order = Literal["name", "newest", "longest"]
PER_PAGE = 25
CHUNKS_PER_PAGE = 20
FRESH = 5.0
"""Seconds for which a list of documents is used again, so that searching and turning pages asks the index once."""


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source as people see it. ``failed`` are (uri, reason) of what its last sync could not read; ``uploads`` are
    files that were dropped on the desk."""

    collection: str
    id: str
    kind: str
    location: str
    origin: str
    left: bool
    documents: int
    passages: int
    synced_at: datetime | None
    outcome: str
    message: str
    failed: tuple[tuple[str, str], ...] = ()
    uploads: bool = False

    @property
    def name(self) -> str:
        """Kind and place in a line."""
        return "Uploaded files" if self.uploads else f"{self.kind} {self.location}"


@dataclass(frozen=True, slots=True)
class CollectionView:
    """A collection with its sources. ``documents`` counts those of its sources, ``passages`` all that is stored."""

    name: str
    title: str
    readers: tuple[str, ...]
    passages: int
    sources: tuple[SourceView, ...]

    @property
    def documents(self) -> int:
        """Of all its sources."""
        return sum(source.documents for source in self.sources)


async def overview(assistant: Assistant) -> tuple[CollectionView, ...]:
    """Every collection with its sources, by name. Raises StoreError and RecordsError."""
    found = await assistant.list_collections()
    sources = (await assistant.list_sources())["sources"]
    rows = {row["name"]: row for row in found["collections"]}
    named = assistant.settings.collections
    names = sorted({*rows, *(row["collection"] for row in sources)})
    return tuple(
        CollectionView(
            name,
            (named[name].title if name in named else None) or name,
            tuple(rows.get(name, {}).get("readers", ())),
            rows.get(name, {}).get("passages", 0),
            tuple(_source(assistant, row) for row in sources if row["collection"] == name),
        )
        for name in names
    )


def _source(assistant: Assistant, row: dict[str, Any]) -> SourceView:
    from assistant.desk.knowledge_uploads import is_uploads

    failed = (row["report"] or {}).get("failed", ())
    return SourceView(
        row["collection"],
        row["id"],
        row["kind"],
        row["location"],
        row["origin"],
        row["left"],
        row["documents"],
        row["passages"],
        datetime.fromisoformat(row["synced_at"]) if row["synced_at"] else None,
        row["outcome"],
        row["message"],
        tuple((str(uri), str(reason)) for uri, reason in failed),
        is_uploads(assistant.settings.data, row["collection"], row["kind"], row["location"]),
    )


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document as the index holds it; ``parts`` is below ``passages`` of ``of`` where a version is not whole."""

    source: str
    uri: str
    title: str
    modified: date | None
    passages: int
    whole: bool


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Some of the documents that fit: ``number`` of ``pages``, both from 1; ``found`` of ``total`` fit."""

    documents: tuple[DocumentView, ...]
    number: int
    pages: int
    found: int
    total: int


@dataclass(slots=True)
class Shelf:
    """Reads the documents of a source, and remembers the last lists for a moment."""

    assistant: Assistant
    _read: dict[tuple[str, str], tuple[float, tuple[str, int], list[DocumentView]]] = field(default_factory=dict)

    async def page(self, collection: str, source: str, search: str, order: Order, number: int) -> DocumentPage:
        """A page of the documents of a source ("" is all of the collection) whose title or uri holds every word of
        ``search``. Raises StoreError."""
        every = await self._documents(collection, source)
        words = search.casefold().split()
        fits = [each for each in every if all(word in f"{each.title}\n{each.uri}".casefold() for word in words)]
        fits.sort(key=lambda each: (each.title.casefold(), each.uri))
        if order == "newest":
            fits.sort(key=lambda each: each.modified or date.min, reverse=True)
        elif order == "longest":
            fits.sort(key=lambda each: -each.passages)
        pages = max(1, -(-len(fits) // PER_PAGE))
        number = min(max(number, 1), pages)
        shown = fits[(number - 1) * PER_PAGE : number * PER_PAGE]
        return DocumentPage(tuple(shown), number, pages, len(fits), len(every))

    async def _documents(self, collection: str, source: str) -> list[DocumentView]:
        index = self.assistant.index
        state = index.name, self.assistant.collections.changes
        at, of, found = self._read.get((collection, source), (0.0, ("", -1), []))
        if of == state and time.monotonic() - at < FRESH:
            return found
        found = _merged(await index.documents(collection, source or None))
        if len(self._read) > 20:
            self._read.clear()
        self._read[collection, source] = time.monotonic(), state, found
        return found


def _merged(stored: Sequence[StoredDocument]) -> list[DocumentView]:
    """One entry a document: where a sync is just exchanging it there are two versions for a moment."""
    found: dict[tuple[str, str], DocumentView] = {}
    for each in stored:
        if (key := (each.source, each.document)) not in found or each.whole:
            found[key] = DocumentView(*key, each.title, each.modified, each.chunks, each.whole)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class ChunkView:
    """A chunk, and the tokens of its text as the embedder reads it, with its heading."""

    chunk: Chunk
    tokens: int


@dataclass(frozen=True, slots=True)
class DocumentInside:
    """Some of a document's chunks, in order: page ``number`` of ``pages``; ``total`` are all, ``limit`` is the most
    tokens that one may have by the settings."""

    title: str
    chunks: tuple[ChunkView, ...]
    number: int
    pages: int
    total: int
    limit: int


async def inside(assistant: Assistant, collection: str, source: str, uri: str, number: int = 1) -> DocumentInside:
    """The chunks of a document. Raises Mistake where it is not there any more, and StoreError."""
    live = assistant.base.live
    async with aclosing(live.index.scroll(collection, uri)) as scroll:  # type: ignore[type-var]  # a generator, though the protocol says iterator
        chunks = [chunk async for chunk in scroll if chunk.source == source]
    if not chunks:
        raise Mistake("this document is not in the index any more: a sync has taken it out")
    pages = -(-len(chunks) // CHUNKS_PER_PAGE)
    number = min(max(number, 1), pages)
    shown = chunks[(number - 1) * CHUNKS_PER_PAGE : number * CHUNKS_PER_PAGE]
    tokens = live.build.embedder.count_tokens([chunk.embedding_text() for chunk in shown])
    views = tuple(ChunkView(chunk, size) for chunk, size in zip(shown, tokens, strict=True))
    return DocumentInside(chunks[0].title, views, number, pages, len(chunks), live.build.max_tokens)


async def known_source(assistant: Assistant, collection: str, source: str) -> Known:
    """A source by its id. Raises Mistake where it is gone."""
    for known in await assistant.collections.known(collection):
        if known.state.spec.id == source:
            return known
    raise Mistake("this source is not there any more")


async def would_go(assistant: Assistant, collection: str, source: str) -> tuple[list[str], int]:
    """The uris that a forced sync would delete unless they have only moved, and how many documents are stored now.
    Raises Mistake, SourceError and StoreError."""
    from assistant.knowledge.plan import compared, held

    known = await known_source(assistant, collection, source)
    stored = held(await assistant.index.documents(collection, source))
    async with assistant.collections.make_source(known.state.spec) as opened:
        listing = await opened.list()
    return sorted(compared(listing, stored, {}).vanished), len(stored)
