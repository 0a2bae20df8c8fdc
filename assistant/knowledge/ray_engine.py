"""Documents split and embedded by the workers of a Ray cluster, through LlamaIndex's `RayIngestionPipeline`.

For bulk ingestion: reading and writing stay in this process, and a batch of documents costs some seconds until the
workers have loaded the embedding model. Needs `pip install "switchyard[ray]"` here and on every node.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from llama_index.core.schema import BaseNode, TextNode, TransformComponent
from llama_index.core.schema import Document as Read
from pydantic import PrivateAttr

from assistant.knowledge.documents import Document, PageStart
from assistant.knowledge.embedder import Embedder, EmbedderError
from assistant.knowledge.pipeline import Known, Transformed, chunks_of
from assistant.knowledge.store import Point
from assistant.knowledge.store.payload import to_chunk, to_payload

MakeEmbedder = Callable[[], Embedder]
"""Called in each worker, so it must pickle: a `functools.partial` of a module's function over plain settings."""

QUIET = 1.0
"""Seconds without another document after which those that wait are sent off."""
TOGETHER = 16
"""Documents that a worker gets at once."""


class RayTransform:
    """``workers`` of one core each (None: all of the cluster's). ``address`` as in `ray.init`; None starts one of this
    machine, unless Ray is initialised in this process."""

    documents_at_once = 2_000
    characters_at_once = 20_000_000  # some 20,000 chunks, whose vectors take 300 MB

    def __init__(
        self,
        make_embedder: MakeEmbedder,
        collection: str,
        source: str,
        max_tokens: int,
        *,
        address: str | None = None,
        workers: int | None = None,
    ) -> None:
        self._step = {
            "make_embedder": make_embedder,
            "collection": collection,
            "source": source,
            "max_tokens": max_tokens,
        }
        self._address, self._workers = address, workers
        self._waiting: list[tuple[Document, Known, asyncio.Future[Transformed]]] = []
        self._sending = asyncio.Lock()
        self._arrived = asyncio.Event()

    async def points(self, document: Document, known: Known) -> Transformed:
        mine: asyncio.Future[Transformed] = asyncio.get_running_loop().create_future()
        self._waiting.append((document, known, mine))
        self._arrived.set()
        async with self._sending:
            if not mine.done():
                await self._send()
        return mine.result()

    async def close(self) -> None:
        """Nothing to do: Ray stays up for the next source, until this process ends."""

    async def _send(self) -> None:
        """All that wait, once no others come."""
        while len(self._waiting) < self.documents_at_once:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), QUIET)
            except TimeoutError:
                break
        sent, self._waiting = self._waiting, []
        made = await self._run([(document, known) for document, known, _ in sent])
        for (_, _, future), transformed in zip(sent, made, strict=True):
            future.set_result(transformed)

    async def _run(self, documents: Sequence[tuple[Document, Known]]) -> list[Transformed]:
        nodes = [to_node(number, *each) for number, each in enumerate(documents)]
        try:
            made = await (await asyncio.to_thread(self._pipeline)).arun(documents=nodes)
        except Exception as error:  # Ray raises the workers' own errors in classes made on the fly
            raise EmbedderError(f"the documents could not be split and embedded on Ray: {_cause(error)}") from error
        points: list[list[tuple[Point, bool]]] = [[] for _ in documents]
        for node in made:
            number, chunk = node.metadata["number"], to_chunk(node.metadata["chunk"])
            vector = node.embedding or documents[number][1][chunk.embedding_text()]
            points[number].append((Point(chunk, vector), not node.embedding))
        return [_transformed(each) for each in points]

    def _pipeline(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from llama_index.ingestion.ray import RayIngestionPipeline, RayTransformComponent

        if not ray.is_initialized():
            ray.init(address=self._address, include_dashboard=False, log_to_driver=False, logging_level="error")
        ray.data.DataContext.get_current().enable_progress_bars = False
        workers = self._workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)
        options = {"batch_size": TOGETHER, "concurrency": (1, workers), "num_cpus": 1}
        step = RayTransformComponent(SplitAndEmbed, map_batches_kwargs=options, transform_kwargs=self._step)
        return RayIngestionPipeline(transformations=[step])


class SplitAndEmbed(TransformComponent):
    """What a worker does: both, because splitting counts the model's tokens."""

    make_embedder: Any
    collection: str
    source: str
    max_tokens: int
    _embedder: Embedder = PrivateAttr()
    _loop: asyncio.AbstractEventLoop = PrivateAttr()

    def model_post_init(self, _: object, /) -> None:
        """Build the embedder once for all batches."""
        self._embedder, self._loop = self.make_embedder(), asyncio.new_event_loop()

    def __call__(self, nodes: Sequence[BaseNode], **_: Any) -> list[BaseNode]:
        made = [chunk for node in nodes for chunk in self._chunks(node)]
        fresh = [node for node in made if not node.metadata["known"]]
        vectors = self._loop.run_until_complete(self._embedder.embed([node.text for node in fresh]))
        for node, vector in zip(fresh, vectors, strict=True):
            node.embedding = vector.tolist()
        return list(made)

    def _chunks(self, node: BaseNode) -> list[TextNode]:
        number, known = node.metadata["number"], set(node.metadata["known"])
        document = from_json(node.metadata["document"])
        chunks = chunks_of(document, self.collection, self.source, self._embedder, self.max_tokens)
        return [
            TextNode(
                id_=chunk.id,
                text=chunk.embedding_text(),
                metadata={
                    "number": number,
                    "chunk": to_payload(chunk),
                    "known": digest(chunk.embedding_text()) in known,
                },
            )
            for chunk in chunks
        ]


def to_node(number: int, document: Document, known: Known) -> Read:
    """A document as it travels to a worker; of the known vectors go only the digests of their texts."""
    plain = asdict(document) | {"modified": document.modified and document.modified.isoformat()}
    return Read(text="", metadata={"number": number, "document": plain, "known": [digest(text) for text in known]})


def from_json(plain: dict[str, Any]) -> Document:
    """The document that `to_node` packed."""
    pages = tuple(PageStart(**page) for page in plain["pages"])
    modified = date.fromisoformat(plain["modified"]) if plain["modified"] else None
    return Document(**(plain | {"pages": pages, "modified": modified}))


def digest(text: str) -> str:
    """Short, and as good as the text to compare by."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _transformed(found: list[tuple[Point, bool]]) -> Transformed:
    found.sort(key=lambda each: each[0].chunk.position)
    return Transformed([point for point, _ in found], sum(known for _, known in found))


def _cause(error: BaseException) -> str:
    """What the embedder said, else the last line: Ray wraps it in stacks of the worker and in advice."""
    said = re.search(rf"{EmbedderError.__name__}: (.+)", str(error))
    return said[1] if said else str(error).strip().rpartition("\n")[2] or type(error).__name__
