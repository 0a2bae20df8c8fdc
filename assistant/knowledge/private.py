"""What the hidden collections of conversations hold, in every index that there is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from assistant.knowledge.attached import AttachedFile, Stopped, is_attached
from assistant.knowledge.base import Build, DocumentBase
from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.loading import ReadError
from assistant.knowledge.pipeline import LocalTransform, OnChunks
from assistant.knowledge.store import Index, StoreError
from assistant.knowledge.sync import Sync
from assistant.records.manifest import Manifest

log = logging.getLogger(__name__)


class PrivateCollections:
    """Reads attached files into hidden collections and takes them out."""

    def __init__(self, base: DocumentBase, manifest: Manifest) -> None:
        self._base, self._manifest = base, manifest

    @property
    def live(self) -> tuple[Index, Build] | None:
        """The index that is searched, with what made it; None where the settings do not fit it."""
        return (self._base.live.index, self._base.live.build) if self._base.open_for_search else None

    async def into_live(self, file: AttachedFile, collection: str, on_chunks: OnChunks) -> int:
        """``into`` the live index, and once more where another one has become live meanwhile."""
        while True:
            live = self._base.live
            try:
                chunks = await self.into(live.index, live.build, file, collection, on_chunks)
            except (EmbedderError, StoreError):
                if self._base.live is live:
                    raise
                continue
            if self._base.live.index.name == live.index.name:
                return chunks

    async def into(
        self,
        index: Index,
        build: Build,
        file: AttachedFile,
        collection: str,
        on_chunks: OnChunks = lambda done, total: None,
    ) -> int:
        """Read a file into an index; the number of its chunks there. Raises ReadError, EmbedderError, StoreError, and
        Stopped before anything is written."""

        def step(done: int, total: int) -> None:
            if file.stop.is_set():
                raise Stopped
            on_chunks(done, total)

        transform = partial(LocalTransform, build.embedder, on_chunks=step)
        sync = Sync(index, build.embedder, self._manifest, build.max_tokens, transform=transform)
        report = await sync.run(collection, file, lambda _: None, force=True)
        if report.failed:
            raise ReadError(report.failed[0][1])
        return sum(document.chunks for document in await index.documents(collection, file.spec.id))

    async def holds(self, index: Index, file: AttachedFile, collection: str) -> bool:
        """Whether a file is in an index."""
        return any(document.whole for document in await index.documents(collection, file.spec.id))

    async def remove(self, file: AttachedFile, collection: str) -> None:
        """Take a file out of every index: a rollback must not bring it back."""
        for index in await self._indexes():
            await index.delete_source(collection, file.spec.id)

    async def forget(self, collection: str) -> None:
        """Take all of a hidden collection out of every index."""
        for index in await self._indexes():
            await index.delete_collection(collection)

    async def present(self) -> set[str]:
        """The hidden collections that any index holds something of."""
        return {name for index in await self._indexes() for name in await index.collections() if is_attached(name)}

    async def _indexes(self) -> Sequence[Index]:
        store = self._base.store
        return [await store.index(name) for name in await store.indexes()]
