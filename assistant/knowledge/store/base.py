"""What an index does alike on both engines: its checks, and what it builds from payloads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import Hit, HybridQuery, Point, StoredDocument
from assistant.knowledge.store.payload import (
    DOCUMENT_FIELDS,
    Payload,
    batches,
    check_dimension,
    check_points,
    in_order,
    stored_documents,
    to_chunk,
)


class BaseIndex(ABC):
    """The Index protocol on top of the few calls that differ between the engines."""

    def __init__(self, name: str, dimension: int) -> None:
        self.name = name
        self.dimension = dimension

    async def upsert(self, points: Sequence[Point]) -> None:
        check_points(self.name, self.dimension, points)
        await self._write(list(batches(points)))

    async def search(self, query: HybridQuery) -> list[Hit]:
        check_dimension(self.name, self.dimension, len(query.vector))
        if not query.collections or query.limit < 1 or query.prefetch < 1:
            return []
        return await self._find(query)

    async def count(self, collections: frozenset[str] | None = None) -> int:
        if collections is not None and not collections:
            return 0
        return await self._count(None if collections is None else sorted(collections))

    async def collections(self) -> Mapping[str, int]:
        return {name: chunks for name, chunks in sorted(await self._facet()) if chunks}

    async def scroll(self, collection: str, document: str | None = None) -> AsyncIterator[Chunk]:
        found = self._payloads(collection, document)
        if document is None:
            async for payload in found:
                yield to_chunk(payload)
            return
        for chunk in in_order([to_chunk(payload) async for payload in found]):
            yield chunk

    async def documents(self, collection: str) -> list[StoredDocument]:
        found = self._payloads(collection, fields=DOCUMENT_FIELDS)
        return stored_documents(collection, [payload async for payload in found])

    @abstractmethod
    async def _write(self, batched: list[list[Point]]) -> None:
        """Write each batch in one update, in this order."""

    @abstractmethod
    async def _find(self, query: HybridQuery) -> list[Hit]:
        """Search where there is something to search."""

    @abstractmethod
    async def _count(self, collections: list[str] | None) -> int:
        """Count exactly."""

    @abstractmethod
    async def _facet(self) -> list[tuple[str, int]]:
        """Collections with their number of chunks, in any order; emptied ones may be among them."""

    @abstractmethod
    def _payloads(
        self, collection: str, document: str | None = None, fields: list[str] | None = None
    ) -> AsyncIterator[Payload]:
        """Payloads in any order, reduced to the fields if any are named."""
