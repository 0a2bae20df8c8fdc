"""Keeps a collection in step with its sources: new, changed, moved and deleted documents, each in one pass.

A document's new version is written in one update of the engine, then its old ones go; what vanished goes last of
all. So a process that is killed leaves whole documents, at worst an old version beside the new one, and the next sync
sees from the index what is left to do. The manifest only spares it from reading what has not changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from assistant.knowledge.embedder import Embedder
from assistant.knowledge.following import Following
from assistant.knowledge.outcome import OnProgress, Outcome, Progress, Report, SyncRefused
from assistant.knowledge.pipeline import LocalTransform, Transform
from assistant.knowledge.plan import held
from assistant.knowledge.sources import Source
from assistant.knowledge.store import Index
from assistant.records.manifest import Manifest

MakeTransform = Callable[[str, str, int], Transform]
"""Of a collection, a source's id, and the most tokens of a chunk."""

_LOCKS: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()
"""One for each source of a collection of an index that is being synced, in all of this process."""


class Sync:
    """Syncs sources into an index. ``transform`` makes points of documents elsewhere than in this process."""

    def __init__(
        self,
        index: Index,
        embedder: Embedder,
        manifest: Manifest,
        max_tokens: int,
        *,
        transform: MakeTransform | None = None,
    ) -> None:
        self._index, self._manifest = index, manifest
        self._tokens = min(max_tokens, embedder.max_tokens - 2)
        self._transform = transform or (lambda *place: LocalTransform(embedder, *place))

    async def run(self, collection: str, source: Source, on_progress: OnProgress, *, force: bool = False) -> Report:
        """Follow a source; ``on_progress`` is called once a document, when it is safe. ``force`` follows one that
        looks empty, too. A second run of the same source waits for the first.

        Raises SourceError and SyncRefused, after which no document has been deleted; StoreError, EmbedderError and
        RecordsError, after which the next run goes on from there.
        """
        async with self._alone(collection, source.spec.id), source:
            began = time.perf_counter()
            transform = self._transform(collection, source.spec.id, self._tokens)
            try:
                following = Following(self._index, self._manifest, transform, collection, source, on_progress)
                report = await following.run(force)
            finally:
                await transform.close()
            report.seconds = time.perf_counter() - began
            return report

    async def remove(self, collection: str, source_id: str) -> int:
        """Delete a source's documents and forget it; the number of documents."""
        async with self._alone(collection, source_id):
            stored = await self._index.documents(collection, source_id)
            await self._index.delete_source(collection, source_id)
            await self._manifest.forget(collection, source_id)
            return len(held(stored))

    def _alone(self, collection: str, source_id: str) -> asyncio.Lock:
        return _LOCKS.setdefault((self._index.name, collection, source_id), asyncio.Lock())


__all__ = ["OnProgress", "Outcome", "Progress", "Report", "Sync", "SyncRefused"]
