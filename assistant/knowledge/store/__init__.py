"""One protocol for the document base, two engines behind it: ``embedded`` (Qdrant Edge) and ``server`` (Qdrant).

A *store* holds indexes. An *index* holds the chunks of all collections for one embedding model and one way of
chunking; the collection is a payload field that every query filters on inside the engine. What is live is an
alias to an index, so a new index can be built beside the old one and switched in one step.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from assistant.knowledge.documents import Chunk


class StoreError(Exception):
    """The document base cannot do what was asked; the message says what to do next."""


class StoreLocked(StoreError):
    """Another process holds the embedded document base."""


class StoreUnavailable(StoreError):
    """A Qdrant server cannot be reached or does not answer in time."""


class IndexMismatch(StoreError):
    """The index was built with vectors of another dimension."""


@dataclass(frozen=True, slots=True)
class Point:
    """A chunk with its dense vector; the sparse side is computed by the engine from ``chunk.embedding_text()``."""

    chunk: Chunk
    vector: Sequence[float]


@dataclass(frozen=True, slots=True)
class HybridQuery:
    """One search: a dense vector and weighted texts for BM25, their scores added.

    ``collections`` are those that the asking person may read: the filter runs inside the engine, and an empty set
    finds nothing. ``terms`` are (text, weight) pairs whose sparse vectors are added. ``weights`` are those of the
    cosine and of the BM25 score, the latter as a part of the best one's; 0 leaves a side out. ``prefetch`` is how many
    candidates each side contributes.

    A sum of scores and not of reciprocal ranks: it keeps by how much one text is closer than the next, and is the
    better fusion (Bruch, Gai and Ingber, "An analysis of fusion functions for hybrid retrieval", 2023).
    """

    vector: Sequence[float]
    terms: Sequence[tuple[str, float]]
    collections: frozenset[str]
    limit: int = 8
    prefetch: int = 40
    weights: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Hit:
    """A found chunk: ``score`` is the fused score, ``similarity`` the cosine of its vector and the query's, ``bm25``
    its BM25 score, 0 where it is not among the candidates of that side."""

    chunk: Chunk
    score: float
    similarity: float
    bm25: float = 0.0


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What the index holds of one version of a document: ``chunks`` of the ``of`` that it is cut into.

    ``of`` and ``modified`` are those of the first chunk that is stored. A version is `whole` unless a writer was
    stopped between the shards of a Qdrant cluster, or the document was cut differently before.
    """

    collection: str
    source: str
    document: str
    title: str
    content_hash: str
    chunks: int
    of: int
    modified: date | None = None

    @property
    def whole(self) -> bool:
        """Whether exactly the chunks that it is cut into are stored."""
        return self.chunks == self.of


class Index(Protocol):
    """The chunks of all collections for one embedding model.

    A document is known by its collection, its source and its uri; a source of "" is one too.
    """

    name: str
    dimension: int

    async def upsert(self, points: Sequence[Point]) -> None:
        """Write points; when this returns they survive a killed process."""

    async def delete_document(
        self, collection: str, source: str, document: str, *, keep_hash: str | None = None
    ) -> None:
        """Remove a document's chunks, except those of the version whose content hash is ``keep_hash``."""

    async def delete_source(self, collection: str, source: str) -> None:
        """Remove all chunks that came from one source of a collection."""

    async def delete_collection(self, collection: str) -> None:
        """Remove all chunks of a collection."""

    async def search(self, query: HybridQuery) -> list[Hit]:
        """The best chunks, best first. An empty set of collections finds nothing."""

    async def chunks(self, ids: Sequence[str], collections: frozenset[str]) -> list[Chunk]:
        """Chunks by id, in the order asked; those that are not there or in another collection are left out, which
        the engine does."""

    async def points(self, collection: str, source: str, document: str) -> list[Point]:
        """A document's chunks with their stored vectors, which have length 1, by version, then position."""

    async def count(self, collections: frozenset[str] | None = None) -> int:
        """Number of chunks, in all collections or in those named."""

    async def counts(self, collections: frozenset[str]) -> Mapping[str, int]:
        """Each of these collections that holds anything, with its number of chunks."""

    async def collections(self) -> Mapping[str, int]:
        """Each collection in the index with its number of chunks."""

    def scroll(self, collection: str, document: str | None = None) -> AsyncIterator[Chunk]:
        """All chunks of a collection or of one document in it, ordered by document and position only within one
        document."""

    async def documents(self, collection: str, source: str | None = None) -> list[StoredDocument]:
        """The documents of a collection, or of one of its sources, by uri: one entry per stored version."""

    async def optimize(self) -> None:
        """Merge and index what was written, where that is worth it; call it after bulk writes. Searches and writes go
        on meanwhile, so it may run beside them as a task."""


class Store(Protocol):
    """A place that holds indexes and aliases. Constructing does no I/O; ``open`` does."""

    async def open(self) -> None:
        """Connect, or take the lock. Raises StoreLocked when another process holds an embedded store."""

    async def close(self) -> None:
        """Release everything; a store can be opened again."""

    async def create(self, name: str, dimension: int) -> Index:
        """Make an empty index; one of that name and dimension that exists is opened instead. Raises IndexMismatch
        if it exists with another dimension."""

    async def index(self, name_or_alias: str) -> Index:
        """Open an index by name or alias. Raises StoreError if there is none."""

    async def indexes(self) -> list[str]:
        """Names of all indexes, without aliases."""

    async def drop(self, name: str) -> None:
        """Delete an index. Raises StoreError while an alias points to it."""

    async def aliases(self) -> Mapping[str, str]:
        """Alias → index name."""

    async def switch(self, alias: str, name: str) -> None:
        """Point an alias to an index, atomically; readers see the old one or the new one."""
