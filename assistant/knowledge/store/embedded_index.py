"""One index of the embedded engine: a Qdrant Edge shard, compacted without stopping searches.

The folder's ``index.json`` names the shard folder that counts; others are leftovers of a compaction that
was cut off. qdrant-edge-py 0.9 keeps Python's global lock during every call, so calls are kept short, and
the long one, building graphs for a large index, runs on a copy in a child process.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge as edge

from assistant.knowledge.store import Hit, HybridQuery, Point, StoreError, StoreLocked
from assistant.knowledge.store import payload as shared
from assistant.knowledge.store.base import BaseIndex
from assistant.knowledge.store.bm25 import document_vector
from assistant.knowledge.store.files import (
    new_shard_name,
    read_manifest,
    unreadable,
    write_manifest,
)

_PAGE = 1000
_COMPACT = """
import ctypes, os, sys, qdrant_edge
os.nice(10)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: killed when its parent dies
shard = qdrant_edge.EdgeShard.load(sys.argv[1])
print("changed" if shard.optimize() else "unchanged")
shard.flush()
shard.close()
"""

T = TypeVar("T")


async def uninterrupted(call: Callable[..., T], *arguments: Any) -> T:
    """Run a call in a thread and, when cancelled, wait for its end: a lock around it stays true."""
    task = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _where(**fields: str | Sequence[str]) -> list[edge.FieldCondition]:
    return [
        edge.FieldCondition(field, match=edge.MatchAny([value] if isinstance(value, str) else list(value)))
        for field, value in fields.items()
    ]


def _to_edge(point: Point) -> edge.Point:
    indices, values = document_vector(point.chunk.embedding_text())
    vectors: dict[str, Any] = {
        shared.DENSE: list(point.vector),
        shared.SPARSE: edge.SparseVector(indices, values),
    }
    return edge.Point(point.chunk.id, vectors, shared.to_payload(point.chunk))


def _to_request(query: HybridQuery) -> edge.QueryRequest | None:
    dense, sparse, (indices, values) = shared.sides(query)
    readable = edge.Filter(must=[*_where(collection=sorted(query.collections))])
    rankings = [
        (dense, edge.Query.Nearest(list(query.vector), using=shared.DENSE)),
        (sparse, edge.Query.Nearest(edge.SparseVector(indices, values), using=shared.SPARSE)),
    ]
    counted = [(weight, nearest) for weight, nearest in rankings if weight]
    if not counted:
        return None
    params = edge.SearchParams(hnsw_ef=shared.HNSW_EF)
    fusion: Any = edge.Fusion.Rrf(k=shared.ENGINE_RRF_K, weights=[weight for weight, _ in counted])
    return edge.QueryRequest(
        limit=query.limit,
        query=fusion,
        prefetches=[edge.Prefetch(query.prefetch, nearest, filter=readable, params=params) for _, nearest in counted],
        with_payload=True,
        with_vector=[shared.DENSE],
    )


class EmbeddedIndex(BaseIndex):
    """Loaded once per process; every engine call holds ``_gate``, every change also ``_writing``."""

    def __init__(self, name: str, folder: Path, exact_up_to_kb: int) -> None:
        dimension, self._shard_name = read_manifest(folder)
        super().__init__(name, dimension)
        self._folder = folder
        self._exact_up_to_kb = exact_up_to_kb
        self._shard: edge.EdgeShard | None = self._load(self._shard_name)
        self._gate = threading.Lock()
        self._writing = asyncio.Lock()
        self._changed = self._closing = False
        self._child: asyncio.subprocess.Process | None = None
        self._remove_other_shards()

    async def delete_document(self, collection: str, document: str, *, keep_hash: str | None = None) -> None:
        kept = [] if keep_hash is None else [*_where(content_hash=keep_hash)]
        await self._delete(edge.Filter(must=[*_where(collection=collection, document=document)], must_not=[*kept]))

    async def delete_collection(self, collection: str) -> None:
        await self._delete(edge.Filter(must=[*_where(collection=collection)]))

    async def optimize(self) -> None:
        """Searches go on; writes wait. Does nothing when nothing was written since the last time."""
        async with self._writing:
            if not self._changed:
                return
            points = await self._engine_thread(methodcaller("count", edge.CountRequest()))
            if points * self.dimension * 4 > self._exact_up_to_kb * 1024:
                await self._compact_copy()
            else:
                await uninterrupted(self._engine, methodcaller("optimize"))
                await uninterrupted(self._engine, methodcaller("flush"))
            self._changed = False

    async def close(self) -> None:
        """Finish the write that is under way, give up a compaction, release the shard."""
        self._closing = True
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
        async with self._writing:
            await uninterrupted(self._close)

    async def _write(self, batched: list[list[Point]]) -> None:
        async with self._writing:
            for batch in batched:
                self._changed = True
                await uninterrupted(self._upsert, batch)

    async def _find(self, query: HybridQuery) -> list[Hit]:
        return await asyncio.to_thread(self._search, query)

    async def _count(self, collections: list[str] | None) -> int:
        accepted = None if collections is None else edge.Filter(must=[*_where(collection=collections)])
        count: int = await self._engine_thread(methodcaller("count", edge.CountRequest(filter=accepted)))
        return count

    async def _facet(self) -> list[tuple[str, int]]:
        request = edge.FacetRequest(shared.KEYWORDS[0], limit=shared.MOST_COLLECTIONS, exact=True)
        facet = await self._engine_thread(methodcaller("facet", request))
        return [(hit.value, hit.count) for hit in facet.hits]

    async def _payloads(
        self, collection: str, document: str | None = None, fields: list[str] | None = None
    ) -> AsyncIterator[shared.Payload]:
        narrowed = {} if document is None else {"document": document}
        accepted = edge.Filter(must=[*_where(collection=collection, **narrowed)])
        offset: Any = None
        while True:
            request = edge.ScrollRequest(offset, _PAGE, accepted, with_payload=fields or True)
            records, offset = await self._engine_thread(methodcaller("scroll", request))
            for record in records:
                yield record.payload or {}
            if offset is None:
                return

    def _load(self, shard_name: str) -> edge.EdgeShard:
        try:
            return edge.EdgeShard.load(str(self._folder / shard_name))
        except Exception as error:  # the engine raises nothing more exact
            if "WouldBlock" in str(error):
                raise StoreLocked(f"{self._folder} is in use by another process; stop that one") from error
            raise unreadable(self._folder, error) from error

    def _engine(self, call: Callable[[edge.EdgeShard], T]) -> T:
        with self._gate:
            if self._shard is None:
                raise StoreError(f"index {self.name!r} was closed or dropped; open it again from the store")
            try:
                return call(self._shard)
            except BaseException as error:  # a panic of the engine is no Exception
                raise StoreError(
                    f"index {self.name!r} could not do this ({error}); check the free space and the rights "
                    f"of {self._folder}"
                ) from error

    async def _engine_thread(self, call: Callable[[edge.EdgeShard], T]) -> T:
        return await asyncio.to_thread(self._engine, call)

    def _upsert(self, batch: list[Point]) -> None:
        operation = edge.UpdateOperation.upsert_points([_to_edge(point) for point in batch])
        self._engine(methodcaller("update", operation))

    async def _delete(self, condition: edge.Filter) -> None:
        operation = edge.UpdateOperation.delete_points_by_filter(condition)
        async with self._writing:
            self._changed = True
            await uninterrupted(self._engine, methodcaller("update", operation))

    def _search(self, query: HybridQuery) -> list[Hit]:
        request = _to_request(query)
        if request is None:
            return []
        found = self._engine(lambda shard: shard.query(request))
        return shared.to_hits(query, ((point.payload, point.score, point.vector) for point in found))

    async def _compact_copy(self) -> None:
        copy = new_shard_name()
        try:
            await uninterrupted(self._engine, methodcaller("flush"))
            await uninterrupted(shutil.copytree, self._folder / self._shard_name, self._folder / copy)
            if not self._closing and await self._compact_in_child(self._folder / copy):
                await uninterrupted(self._adopt, copy)
        except OSError as error:
            raise self._uncompacted(error) from error
        finally:
            await uninterrupted(self._remove_other_shards)

    async def _compact_in_child(self, shard: Path) -> bool:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-c", _COMPACT, str(shard))
        self._child = child = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        try:
            said, complaint = await child.communicate()
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise
        if child.returncode and not self._closing:
            raise self._uncompacted(complaint.decode(errors="replace").strip().rpartition("\n")[2])
        return not child.returncode and said.strip() == b"changed"

    def _uncompacted(self, reason: object) -> StoreError:
        return StoreError(
            f"index {self.name!r} could not be compacted ({reason}); it works on as it was. Check the free "
            f"space and memory, and that {self._folder} may be written to"
        )

    def _adopt(self, shard_name: str) -> None:
        fresh = self._load(shard_name)
        write_manifest(self._folder, self.dimension, shard_name)
        with self._gate:
            old, self._shard, self._shard_name = self._shard, fresh, shard_name
        if old is not None:
            old.close()

    def _remove_other_shards(self) -> None:
        for folder in self._folder.glob("shard-*"):
            if folder.name != self._shard_name:
                shutil.rmtree(folder, ignore_errors=True)

    def _close(self) -> None:
        with self._gate:
            shard, self._shard = self._shard, None
        if shard is not None:
            shard.flush()
            shard.close()
