"""One index of the embedded engine: a Qdrant Edge shard, compacted without stopping searches.

The folder's ``index.json`` names the shard folder that counts; others are leftovers of a compaction that
was cut off. qdrant-edge-py 0.9 keeps Python's global lock during every call, so calls are kept short, and
the long one, building graphs for a large index, runs on a copy in a child process. What is written meanwhile goes into
the shard that counts, as ever, and then also into the copy, before that becomes the one that counts.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge as edge

from assistant.knowledge.store import Hit, HybridQuery, Point, StoreError, StoreLocked
from assistant.knowledge.store import payload as shared
from assistant.knowledge.store.base import BaseIndex
from assistant.knowledge.store.bm25 import document_vector
from assistant.knowledge.store.compaction import CompactionFailed, Compactor
from assistant.knowledge.store.files import (
    new_shard_name,
    read_manifest,
    sync_files,
    unreadable,
    write_manifest,
)

_PAGE = 1000
FLUSH_EVERY = 10_000
"""Points between flushes: a killed process has no more than these to read again when it opens, half a second."""

MOST_LATE = 20_000
"""Points written beside a compaction that are kept in memory for its copy, some 100 MB; a further write waits."""

T = TypeVar("T")


async def uninterrupted(call: Callable[..., T], *arguments: Any) -> T:
    """Run a call in a thread and, when cancelled, wait for its end: a lock around it stays true."""
    task = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _filter(where: shared.Where) -> edge.Filter:
    must: list[Any] = [_condition(field, values) for field, values in where.fields.items()]
    if where.ids is not None:
        must.append(edge.HasIdCondition(set(where.ids)))
    return edge.Filter(must=must, must_not=[_condition(field, values) for field, values in where.unless.items()])


def _condition(field: str, values: Sequence[str]) -> edge.FieldCondition | edge.IsEmptyCondition:
    if field == "source" and list(values) == [""]:
        return edge.IsEmptyCondition("source")
    return edge.FieldCondition(field, match=edge.MatchAny(list(values)))


def _to_edge(point: Point) -> edge.Point:
    indices, values = document_vector(point.chunk.embedding_text())
    vectors: dict[str, Any] = {
        shared.DENSE: list(point.vector),
        shared.SPARSE: edge.SparseVector(indices, values),
    }
    return edge.Point(point.chunk.id, vectors, shared.to_payload(point.chunk))


def _to_upsert(points: list[Point]) -> edge.UpdateOperation:
    return edge.UpdateOperation.upsert_points([_to_edge(point) for point in points])


def _size(shard: edge.EdgeShard) -> int:
    return int(shard.count(edge.CountRequest(exact=False)))


def _nearest(
    shard: edge.EdgeShard, vector: Any, using: str, accepted: edge.Filter, limit: int, exact: bool = False
) -> dict[str, float]:
    """A search for ids and scores alone: payloads and vectors of candidates would cost more than finding them."""
    request = edge.QueryRequest(
        limit=limit,
        query=edge.Query.Nearest(vector, using=using),
        filter=accepted,
        params=edge.SearchParams(hnsw_ef=shared.HNSW_EF, exact=exact),
        with_payload=False,
    )
    return {str(point.id): point.score for point in shard.query(request)}


def _find_hits(shard: edge.EdgeShard, query: HybridQuery) -> list[Hit]:
    dense, sparse, (indices, values) = shared.sides(query)
    readable, vector = _filter(shared.Where({"collection": sorted(query.collections)})), list(query.vector)
    near: dict[str, float] = {}
    words: dict[str, float] = {}
    if dense:
        near = _nearest(shard, vector, shared.DENSE, readable, query.prefetch)
    if sparse:
        words = _nearest(shard, edge.SparseVector(indices, values), shared.SPARSE, readable, query.prefetch)
    if missing := words.keys() - near.keys():
        these = _filter(shared.Where({}, ids=list(missing)))
        near |= _nearest(shard, vector, shared.DENSE, these, len(missing), exact=True)
    best = shared.fused(query, near, words)
    payloads = {str(record.id): record.payload or {} for record in shard.retrieve(list(best), True, False)}
    return [Hit(shared.to_chunk(payloads[key]), *scores) for key, scores in best.items()]


class EmbeddedIndex(BaseIndex):
    """Loaded once per process; every engine call holds ``_gate``, every change also ``_writing``."""

    def __init__(self, name: str, folder: Path, exact_up_to_kb: int) -> None:
        manifest = read_manifest(folder)
        super().__init__(name, manifest.dimension)
        self._folder = folder
        self._exact_up_to = exact_up_to_kb * 256 // manifest.dimension
        self._shard_name = manifest.shard
        self._shard: edge.EdgeShard | None = self._load(manifest.shard)
        self._gate = threading.Lock()
        self._writing = asyncio.Lock()
        self._optimizing = asyncio.Lock()
        self._compactor = Compactor()
        self._late: list[tuple[edge.UpdateOperation, int]] | None = None
        self._points = _size(self._shard)
        self._unflushed = 0
        self._appended, self._removed = max(0, self._points - manifest.compacted), 0
        self._gained = 0, 0
        self._remove_other_shards()

    async def optimize(self) -> None:
        """Searches and writes go on. Does little when there is little to gain; several at once come one after
        another."""
        async with self._optimizing:
            copy = self._folder / new_shard_name()
            try:
                if await self._copied(copy):
                    changed = await self._compactor.run(copy)
                    async with self._writing:
                        await uninterrupted(self._finish, copy.name, changed)
            except (OSError, CompactionFailed) as error:
                raise self._uncompacted(error) from error
            finally:
                self._late = None
                await uninterrupted(self._remove_other_shards)

    async def close(self) -> None:
        """Finish the write that is under way, give up a compaction, release the shard."""
        self._compactor.stop()
        async with self._optimizing, self._writing:
            await uninterrupted(self._close)

    async def _write(self, points: Sequence[Point]) -> None:
        for batch in shared.batches(points):
            await self._change(partial(_to_upsert, batch), len(batch))

    async def _delete(self, where: shared.Where) -> None:
        await self._change(partial(edge.UpdateOperation.delete_points_by_filter, _filter(where)), 0)

    async def _change(self, operation: Callable[[], edge.UpdateOperation], points: int) -> None:
        """One update of so many points, acknowledged when this returns; a cancelled one is finished all the same."""
        if sum(points for _, points in self._late or ()) > MOST_LATE:
            async with self._optimizing:
                pass
        async with self._writing:
            await uninterrupted(self._update, operation, points)

    async def _find(self, query: HybridQuery) -> list[Hit]:
        """In one engine call: what is written meanwhile is found wholly or not at all."""
        return await self._engine_thread(lambda shard: _find_hits(shard, query))

    async def _count(self, where: shared.Where) -> int:
        count: int = await self._engine_thread(methodcaller("count", edge.CountRequest(filter=_filter(where))))
        return count

    async def _values(self, field: str, where: shared.Where) -> list[tuple[str, int]]:
        """Counted in one pass over each segment. ``exact`` would count value by value, 20 times as long; it differs
        for a point that is in two segments at once, as on a server that is optimising, and here none ever is."""
        request = edge.FacetRequest(field, limit=shared.MOST_VALUES, exact=False, filter=_filter(where))
        facet = await self._engine_thread(methodcaller("facet", request))
        return [(hit.value, hit.count) for hit in facet.hits]

    async def _records(
        self, where: shared.Where, fields: list[str] | None = None, vectors: bool = False
    ) -> AsyncIterator[shared.Stored]:
        accepted, dense = _filter(where), [shared.DENSE] if vectors else False
        offset: Any = None
        while True:
            request = edge.ScrollRequest(offset, _PAGE, accepted, with_payload=fields or True, with_vector=dense)
            records, offset = await self._engine_thread(methodcaller("scroll", request))
            for record in records:
                named: Any = record.vector or {}
                yield shared.Stored(str(record.id), record.payload or {}, named.get(shared.DENSE, ()))
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
            return self._engine_held(call)

    def _engine_held(self, call: Callable[[edge.EdgeShard], T]) -> T:
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
        """At once where nobody is in the engine: a thread would leave the loop no freer, since the engine keeps
        Python's lock, and waking one up costs more than a search where the machine is busy."""
        await asyncio.sleep(0)  # whoever searches in a loop must let the others have their turn
        if self._gate.acquire(blocking=False):
            try:
                return self._engine_held(call)
            finally:
                self._gate.release()
        return await asyncio.to_thread(self._engine, call)

    def _update(self, operation: Callable[[], edge.UpdateOperation], points: int) -> None:
        update = operation()
        self._engine(methodcaller("update", update))
        size = self._engine(_size)
        removed, self._points = self._points + points - size, size
        self._appended += points
        self._removed += removed
        self._unflushed += points + removed
        if self._late is not None:
            self._late.append((update, points))
        if self._unflushed >= FLUSH_EVERY:
            self._flush()

    def _flush(self) -> None:
        """The files are synced first, without Python's lock: that leaves the engine's flush 30 ms of 350."""
        sync_files(self._folder / self._shard_name)
        self._engine(methodcaller("flush"))
        self._unflushed = 0

    async def _copied(self, copy: Path) -> bool:
        """Whether there was enough to gain to make a copy; what is written from then on is kept for it."""
        async with self._writing:
            if self._unflushed:
                await uninterrupted(self._flush)
            if self._appended <= self._exact_up_to and self._removed < max(1000, self._points // 5):
                return False
            await uninterrupted(shutil.copytree, self._folder / self._shard_name, copy)
            self._late = []
            self._gained = self._appended, self._removed
            return True

    def _finish(self, copy: str, changed: bool) -> None:
        if self._compactor.stopped:
            return
        self._appended -= self._gained[0]
        self._removed -= self._gained[1]
        if changed:
            self._adopt(self._caught_up(copy), copy)

    def _caught_up(self, copy: str) -> edge.EdgeShard:
        """The compacted copy with all that was written meanwhile, on the disk."""
        try:
            fresh = edge.EdgeShard.load(str(self._folder / copy))
            for update, _ in self._late or ():
                fresh.update(update)
            sync_files(self._folder / copy)
            fresh.flush()
        except Exception as error:  # the engine raises nothing more exact
            raise CompactionFailed(str(error)) from error
        return fresh

    def _adopt(self, fresh: edge.EdgeShard, shard_name: str) -> None:
        write_manifest(self._folder, self.dimension, shard_name, compacted=max(0, _size(fresh) - self._appended))
        with self._gate:
            old, self._shard, self._shard_name = self._shard, fresh, shard_name
        self._unflushed = 0
        if old is not None:
            old.close()

    def _uncompacted(self, reason: object) -> StoreError:
        return StoreError(
            f"index {self.name!r} could not be compacted ({reason}); it works on as it was. Check the free "
            f"space and memory, and that {self._folder} may be written to"
        )

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
