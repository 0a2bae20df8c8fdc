"""One document to points with LlamaIndex's ingestion pipeline: split, take over known vectors, embed the rest.

Many documents are in it at once, so that reading and splitting go on in threads while the embedding model, which
is the bottleneck, works without a pause; the texts of documents that wait for it are embedded together. ``Budget``
bounds what is in memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from assistant.knowledge.chunks import split
from assistant.knowledge.documents import Chunk, Document
from assistant.knowledge.embedder import Embedder, EmbedderError, Vectors
from assistant.knowledge.loading import IMPORTING
from assistant.knowledge.store import Point

if TYPE_CHECKING:
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.schema import BaseNode

TEXTS_AT_ONCE, CALLS_AT_ONCE = 64, 2
"""Texts handed to the embedding model in one call, an endpoint's usual batch; and calls, so that no core is left
without a text at the end of one. Both take the shipped model half a second, which is how long a sync that is stopped
goes on."""

Known = Mapping[str, Sequence[float]]
"""Vectors that are stored already, by embedding text."""

OnChunks = Callable[[int, int], None]
"""Called while a document is embedded: so many of its chunks are done, of so many."""


@dataclass(frozen=True, slots=True)
class Transformed:
    """The points of a document, by position; ``reused`` of them have a vector that was known."""

    points: Sequence[Point]
    reused: int


class Transform(Protocol):
    """Documents to points: in this process, or on a cluster. So many documents at once keep it busy, and of their
    text so many characters fit into memory with their vectors."""

    documents_at_once: int
    characters_at_once: int

    async def points(self, document: Document, known: Known) -> Transformed:
        """None for a document without text. Raises EmbedderError."""

    async def close(self) -> None:
        """Release what it holds."""


class LocalTransform:
    """In this process. ``pipeline`` is LlamaIndex's, of our steps: its own transformations can be put between them.
    ``on_chunks`` follows a single document."""

    documents_at_once = 16
    characters_at_once = 2_000_000  # some 2,000 chunks

    def __init__(
        self,
        embedder: Embedder,
        collection: str,
        source: str,
        max_tokens: int,
        on_chunks: OnChunks = lambda done, total: None,
    ) -> None:
        self._settings = (collection, source, embedder, max_tokens, on_chunks)
        self._pipeline: IngestionPipeline | None = None

    async def points(self, document: Document, known: Known) -> Transformed:
        if self._pipeline is None:
            self._pipeline = await asyncio.to_thread(pipeline, *self._settings)
        nodes = await self._pipeline.arun(documents=[await asyncio.to_thread(_wrapped, document, known)])
        return unwrapped(nodes)

    async def close(self) -> None:
        """Nothing to do."""


def _wrapped(document: Document, known: Known) -> BaseNode:
    with IMPORTING:
        from llama_index.core.schema import Document as Read

    return Read(text="", metadata={"document": document, "known": known})


def unwrapped(nodes: Sequence[BaseNode]) -> Transformed:
    """The points that a pipeline's nodes carry."""
    points = [Point(node.metadata["chunk"], node.embedding or ()) for node in nodes]
    return Transformed(points, sum(node.metadata["known"] for node in nodes))


def pipeline(
    collection: str,
    source: str,
    embedder: Embedder,
    max_tokens: int,
    on_chunks: OnChunks = lambda done, total: None,
) -> IngestionPipeline:
    """LlamaIndex's pipeline of our steps. Documents and chunks travel in the nodes' metadata as our own values."""
    with IMPORTING:
        from llama_index.core.ingestion import IngestionPipeline
        from llama_index.core.schema import TextNode, TransformComponent

    splitting, together = asyncio.Lock(), Together(embedder)

    class Split(TransformComponent):
        """One document at a time: two threads of Python would only take turns, and hold up the page."""

        def __call__(self, nodes: Sequence[BaseNode], **_: object) -> list[BaseNode]:
            return [self._node(chunk, node.metadata["known"]) for node in nodes for chunk in self._chunks(node)]

        def _chunks(self, node: BaseNode) -> list[Chunk]:
            document: Document = node.metadata["document"]
            return chunks_of(document, collection, source, embedder, max_tokens)

        def _node(self, chunk: Chunk, known: Known) -> TextNode:
            text = chunk.embedding_text()
            vector = known.get(text)
            metadata = {"chunk": chunk, "known": vector is not None}
            return TextNode(id_=chunk.id, text=text, embedding=vector and list(vector), metadata=metadata)

        async def acall(self, nodes: Sequence[BaseNode], **_: object) -> list[BaseNode]:
            async with splitting:
                return await asyncio.to_thread(self, nodes)

    class Embed(TransformComponent):
        def __call__(self, nodes: Sequence[BaseNode], **_: object) -> list[BaseNode]:
            raise NotImplementedError("this pipeline runs asynchronously: use arun")

        async def acall(self, nodes: Sequence[BaseNode], **_: object) -> list[BaseNode]:
            fresh = [node for node in nodes if node.embedding is None]
            for start in range(0, len(fresh), TEXTS_AT_ONCE):
                on_chunks(len(nodes) - len(fresh) + start, len(nodes))
                part = fresh[start : start + TEXTS_AT_ONCE]
                vectors = await together.embed([node.metadata["chunk"].embedding_text() for node in part])
                for node, vector in zip(part, vectors, strict=True):
                    node.embedding = vector.tolist()
            on_chunks(len(nodes), len(nodes))
            return list(nodes)

    return IngestionPipeline(transformations=[Split(), Embed()], disable_cache=True)


def chunks_of(document: Document, collection: str, source: str, embedder: Embedder, max_tokens: int) -> list[Chunk]:
    """The chunks of a document of a source."""
    made = split(document, collection, embedder.count_tokens, max_tokens)
    return [replace(chunk, source=source) for chunk in made]


@dataclass(slots=True, eq=False)
class _Waiting:
    """Texts in line for their vectors; ``over`` is set when the call that took them along has ended."""

    texts: Sequence[str]
    vectors: asyncio.Future[Vectors]
    over: asyncio.Event | None = None


class Together:
    """Embeds for many callers, who wait in line: whoever is next takes along the texts of those behind."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._line: deque[_Waiting] = deque()
        self._turn = asyncio.Semaphore(CALLS_AT_ONCE)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector a text."""
        mine = _Waiting(texts, asyncio.get_running_loop().create_future())
        self._line.append(mine)
        try:
            while not mine.vectors.done():
                async with self._turn:
                    if mine in self._line:
                        try:
                            await self._serve(mine, TEXTS_AT_ONCE)
                        except EmbedderError:  # which may be for the sake of another's texts
                            await self._serve(mine, 0)
                if mine.over is not None:
                    await mine.over.wait()
            return mine.vectors.result()
        finally:
            mine.vectors.cancel()  # whoever has left is not put in line again
            if mine in self._line:
                self._line.remove(mine)

    async def _serve(self, first: _Waiting, most: int) -> None:
        """Embed for one in line and for as many others as fit into so many texts."""
        self._line.remove(first)
        served, size = [first], len(first.texts)
        while self._line and size + len(self._line[0].texts) <= most:
            served.append(self._line.popleft())
            size += len(served[-1].texts)
        over = asyncio.Event()
        for each in served:
            each.over = over
        try:
            vectors = await self._embedder.embed([text for each in served for text in each.texts])
        except BaseException:
            # The others have their turn themselves.
            for each in served:
                each.over = None
            self._line.extendleft(each for each in reversed(served) if not each.vectors.done())
            raise
        finally:
            over.set()
        start = 0
        for each in served:
            if not each.vectors.done():
                each.vectors.set_result(vectors[start : start + len(each.texts)])
            start += len(each.texts)


class Budget:
    """Bounds the sum of sizes that are held at once. One that is larger than the bound is held alone."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def holding(self, size: int) -> AsyncIterator[None]:
        """Wait until there is room, and hold it."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._held or self._held + size <= self._most)
            self._held += size
        try:
            yield
        finally:
            self._held -= size
            async with self._changed:
                self._changed.notify_all()
