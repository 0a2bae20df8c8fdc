"""Files into the index, through LlamaIndex's ingestion pipeline: read, split, embed, store.

A file that cannot be read is reported by name and reason and stops nothing. A file whose content is in the index
already is left alone. A changed file's new chunks are written before its old ones go.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from assistant.knowledge.chunks import split
from assistant.knowledge.documents import Chunk, Document
from assistant.knowledge.embedder import Embedder
from assistant.knowledge.readers import ReadError, read, supported
from assistant.knowledge.store import Index, Point
from assistant.settings import DEMO_PATH

GROUP = 24
"""Documents that go through the pipeline, and become visible, together."""
DEMO_DOCUMENTS = Path(__file__).resolve().parent.parent / "demo" / "documents"
IGNORED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv"})

Outcome = Literal["added", "changed", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file to ingest and its uri in the collection; ``trouble`` says why it cannot even be tried."""

    path: Path
    uri: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """One file done: ``done`` of ``total``, what became of it and, if it failed, why."""

    done: int
    total: int
    uri: str
    outcome: Outcome
    reason: str = ""


@dataclass(slots=True)
class Report:
    """What an ingestion did: how many files by outcome, chunks written, and (uri, reason) of what failed."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    chunks: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


class NothingToIngest(Exception):
    """A path does not exist, or holds no file that can be read."""


def sources(paths: Sequence[Path], known: Sequence[Path] = ()) -> list[Source]:
    """The files below ``paths`` that can be read; hidden ones and links out of a folder are left out. ``demo:`` stands
    for the shipped documents.

    A document is named by its path below the folder that was given, a single file by its name. ``known`` are the
    paths that the collection has been filled from before, first ones first: what lies below one of them keeps the name
    that it has there, and where two roots hold a file of one name, the later one's goes behind the name of its folder.
    Raises NothingToIngest.
    """
    roots = [_resolved(path) for path in known]
    found: dict[str, Source] = {}
    for given in paths:
        path = _resolved(given)
        if not path.exists():
            raise NothingToIngest(f"there is no file or folder {given}")
        root = _root(path, roots)
        files = _below(path) if path.is_dir() else [Source(path, "")]
        if not files:
            raise NothingToIngest(f"the folder {given} holds no file of a kind that can be read")
        for source in files:
            uri = _uri(source.path, root, roots, found)
            shown = uri.encode("utf-8", "backslashreplace").decode()
            trouble = source.trouble or ("" if shown == uri else "its name is not UTF-8: rename it")
            found[uri] = replace(source, uri=shown, trouble=trouble)
        if root not in roots:
            roots.append(root)
    return [found[uri] for uri in sorted(found)]


def _resolved(path: Path) -> Path:
    return DEMO_DOCUMENTS if str(path) == DEMO_PATH else path.resolve()


def _root(path: Path, roots: Sequence[Path]) -> Path:
    """The folder below which a path is named: a known one that holds it, else itself, or a file's own folder."""
    above = [root for root in roots if root.is_dir() and path.is_relative_to(root)]
    return above[0] if above else path if path.is_dir() else path.parent


def _uri(file: Path, root: Path, roots: Sequence[Path], found: Mapping[str, Source]) -> str:
    own = next((place for place, each in enumerate(roots) if each in (root, file)), len(roots))
    others = [each if each.is_dir() else each.parent for each in roots[:own]]

    def taken(name: str) -> bool:
        if name in found:
            return found[name].path != file
        return any((other / name).exists() and (other / name).resolve() != file for other in others if other != root)

    uri = file.relative_to(root).as_posix()
    for folder in (root, *root.parents):
        if not taken(uri):
            break
        uri = f"{folder.name}/{uri}"
    return uri


def _below(folder: Path) -> list[Source]:
    found: list[Source] = []

    def unreadable(error: OSError) -> None:
        found.append(Source(Path(error.filename), "", trouble=f"unreadable folder: {error.strerror}"))

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [each for each in folders if not each.startswith(".") and each not in IGNORED_FOLDERS]
        for name in names:
            file = Path(parent) / name
            if not name.startswith(".") and supported(file) and file.resolve().is_relative_to(folder):
                found.append(Source(file, ""))
    return found


class Ingestion:
    """Ingests files into one collection of an index."""

    def __init__(self, index: Index, embedder: Embedder, collection: str, max_tokens: int) -> None:
        self._index = index
        self._embedder = embedder
        self._collection = collection
        self._max_tokens = min(max_tokens, embedder.max_tokens - 2)
        self._pipeline: Any = None

    async def run(self, files: Sequence[Source], on_progress: Callable[[Progress], None]) -> Report:
        """Ingest ``files``; ``on_progress`` is called once a file, in order of completion."""
        known: dict[str, set[str]] = {}
        for stored in await self._index.documents(self._collection):
            known.setdefault(stored.document, set()).add(stored.content_hash)
        report, done = Report(), 0

        def tell(uri: str, outcome: Outcome, reason: str = "") -> None:
            nonlocal done
            done += 1
            on_progress(Progress(done, len(files), uri, outcome, reason))

        changed: list[Source] = []
        for source in files:
            if source.trouble:
                report.failed.append((source.uri, source.trouble))
                tell(source.uri, "failed", source.trouble)
                continue
            hashes = known.get(source.uri, set())
            if hashes and await asyncio.to_thread(_content_hash, source.path) in hashes and len(hashes) == 1:
                report.unchanged += 1
                tell(source.uri, "unchanged")
            else:
                changed.append(source)
        for start in range(0, len(changed), GROUP):
            await self._group(changed[start : start + GROUP], known, report, tell)
        if report.chunks:
            await self._index.optimize()
        return report

    async def _group(
        self, group: Sequence[Source], known: dict[str, set[str]], report: Report, tell: Callable[..., None]
    ) -> None:
        documents: list[Document] = []
        for source in group:
            try:
                documents.append(await asyncio.to_thread(read, source.path, source.uri))
            except ReadError as error:
                report.failed.append((source.uri, str(error)))
                tell(source.uri, "failed", str(error))
        points = await self._transform(documents)
        written = {point.chunk.document for point in points}
        for document in documents:
            if document.uri not in written:
                report.failed.append((document.uri, "no text in it"))
                tell(document.uri, "failed", "no text in it")
        await self._index.upsert(points)
        report.chunks += len(points)
        for document in documents:
            if document.uri not in written:
                continue
            outcome: Outcome = "added"
            if document.uri in known:
                outcome = "changed"
                await self._index.delete_document(self._collection, document.uri, keep_hash=document.content_hash)
            setattr(report, outcome, getattr(report, outcome) + 1)
            tell(document.uri, outcome)

    async def _transform(self, documents: Iterable[Document]) -> list[Point]:
        from llama_index.core.schema import Document as Read

        if self._pipeline is None:
            self._pipeline = pipeline(self._collection, self._embedder, self._max_tokens)
        given = [Read(text="", metadata={"document": document}) for document in documents]
        nodes = await self._pipeline.arun(documents=given)
        return [Point(node.metadata["chunk"], node.embedding) for node in nodes]


def pipeline(collection: str, embedder: Embedder, max_tokens: int) -> Any:
    """LlamaIndex's pipeline of our two steps, so that its own transformations can be put between them. Documents
    and chunks travel in the nodes' metadata as our own values."""
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.schema import BaseNode, TextNode, TransformComponent

    class Split(TransformComponent):
        def __call__(self, nodes: Sequence[BaseNode], **_: Any) -> list[BaseNode]:
            chunks: list[Chunk] = []
            for node in nodes:
                chunks += split(node.metadata["document"], collection, embedder.count_tokens, max_tokens)
            return [TextNode(id_=chunk.id, text=chunk.embedding_text(), metadata={"chunk": chunk}) for chunk in chunks]

        async def acall(self, nodes: Sequence[BaseNode], **_: Any) -> list[BaseNode]:
            return await asyncio.to_thread(self, nodes)

    class Embed(TransformComponent):
        def __call__(self, nodes: Sequence[BaseNode], **_: Any) -> list[BaseNode]:
            raise NotImplementedError("this pipeline runs asynchronously: use arun")

        async def acall(self, nodes: Sequence[BaseNode], **_: Any) -> list[BaseNode]:
            vectors = await embedder.embed([node.metadata["chunk"].embedding_text() for node in nodes])
            for node, vector in zip(nodes, vectors, strict=True):
                node.embedding = vector.tolist()
            return list(nodes)

    return IngestionPipeline(transformations=[Split(), Embed()], disable_cache=True)


def _content_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
