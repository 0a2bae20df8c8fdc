"""What an index does alike on both engines: its checks, and what it builds from payloads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from operator import attrgetter

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import Hit, HybridQuery, Point, StoredDocument
from assistant.knowledge.store.payload import (
    HEAD_FIELDS,
    HEADS,
    Payload,
    Stored,
    Where,
    check_dimension,
    check_points,
    document_where,
    stored_document,
    to_chunk,
)

_BY_PLACE = attrgetter("document", "source", "content_hash", "position")


class BaseIndex(ABC):
    """The Index protocol on top of the few calls that differ between the engines."""

    def __init__(self, name: str, dimension: int) -> None:
        self.name = name
        self.dimension = dimension

    async def upsert(self, points: Sequence[Point]) -> None:
        check_points(self.name, self.dimension, points)
        await self._write(points)

    async def delete_document(
        self, collection: str, source: str, document: str, *, keep_hash: str | None = None
    ) -> None:
        await self._delete(document_where(collection, source, document, keep_hash))

    async def delete_source(self, collection: str, source: str) -> None:
        await self._delete(document_where(collection, source, None))

    async def delete_collection(self, collection: str) -> None:
        await self._delete(document_where(collection, None, None))

    async def search(self, query: HybridQuery) -> list[Hit]:
        check_dimension(self.name, self.dimension, len(query.vector))
        if not query.collections or query.limit < 1 or query.prefetch < 1:
            return []
        return await self._find(query)

    async def chunks(self, ids: Sequence[str], collections: frozenset[str]) -> list[Chunk]:
        if not collections:
            return []
        found: dict[str, Chunk] = {}
        for some in _portions(list(dict.fromkeys(ids)), HEADS):
            where = Where({"collection": sorted(collections)}, ids=some)
            async for stored in self._records(where):
                found[stored.id] = to_chunk(stored.payload)
        return [found[each] for each in ids if each in found]

    async def points(self, collection: str, source: str, document: str) -> list[Point]:
        found = self._records(document_where(collection, source, document), vectors=True)
        points = [Point(to_chunk(stored.payload), stored.vector) async for stored in found]
        return sorted(points, key=lambda point: _BY_PLACE(point.chunk))

    async def count(self, collections: frozenset[str] | None = None) -> int:
        if collections is None:
            return await self._count(Where({}))
        return await self._count(Where({"collection": sorted(collections)})) if collections else 0

    async def counts(self, collections: frozenset[str]) -> Mapping[str, int]:
        if not collections:
            return {}
        return await self._facet("collection", Where({"collection": sorted(collections)}))

    async def collections(self) -> Mapping[str, int]:
        return await self._facet("collection", Where({}))

    async def scroll(self, collection: str, document: str | None = None) -> AsyncIterator[Chunk]:
        found = self._records(document_where(collection, None, document))
        if document is None:
            async for stored in found:
                yield to_chunk(stored.payload)
            return
        for chunk in sorted([to_chunk(stored.payload) async for stored in found], key=_BY_PLACE):
            yield chunk

    async def documents(self, collection: str, source: str | None = None) -> list[StoredDocument]:
        counts = await self._facet("version", document_where(collection, source, None))
        heads = await self._heads(list(counts))
        found = [stored_document(collection, head, counts[version]) for version, head in heads.items()]
        return sorted(found, key=attrgetter("document", "source", "content_hash"))

    async def _heads(self, versions: list[str]) -> dict[str, Payload]:
        """A payload of each version: of its first chunk, or of any other where that one is missing."""
        heads: dict[str, Payload] = {}
        for some in _portions(versions, HEADS):
            async for stored in self._records(Where({}, ids=some), HEAD_FIELDS):
                heads[stored.id] = stored.payload
        for some in _portions([version for version in versions if version not in heads], HEADS):
            async for stored in self._records(Where({"version": some}), HEAD_FIELDS):
                heads.setdefault(stored.payload["version"], stored.payload)
        return heads

    async def _facet(self, field: str, where: Where) -> dict[str, int]:
        return {value: count for value, count in sorted(await self._values(field, where)) if count}

    @abstractmethod
    async def _write(self, points: Sequence[Point]) -> None:
        """Write in batches, each in one update."""

    @abstractmethod
    async def _delete(self, where: Where) -> None:
        """Delete in one update."""

    @abstractmethod
    async def _find(self, query: HybridQuery) -> list[Hit]:
        """Search where there is something to search."""

    @abstractmethod
    async def _count(self, where: Where) -> int:
        """Count exactly."""

    @abstractmethod
    async def _values(self, field: str, where: Where) -> list[tuple[str, int]]:
        """Every value of a field with its number of points, in any order; some may have none."""

    @abstractmethod
    def _records(self, where: Where, fields: list[str] | None = None, vectors: bool = False) -> AsyncIterator[Stored]:
        """Points in any order, their payloads reduced to the fields if any are named."""


def _portions(values: Sequence[str], size: int) -> list[Sequence[str]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
