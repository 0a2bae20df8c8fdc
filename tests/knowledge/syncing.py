"""A place in memory to sync from, a small embedder, and an index of what a sync left."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import numpy as np

from assistant.knowledge.documents import Document
from assistant.knowledge.embedder import EmbedderError, Vectors
from assistant.knowledge.loading import ReadError
from assistant.knowledge.sources import Fetched, Gone, Listed, Listing, NotModified, SourceError, SourceSpec
from assistant.knowledge.store import Index
from assistant.knowledge.store.embedded import EmbeddedStore
from assistant.knowledge.sync import Progress, Report, Sync
from assistant.records.manifest import Manifest
from assistant.records.repository import Repository

COLLECTION = "docs"


class MemorySource:
    """Documents by uri. Each change of ``texts`` is a new version; ``tokens`` says whether versions are told.

    ``faults`` are raised when a document is read, ``broken`` when the place is listed, ``troubles`` and ``unlisted``
    go into the listing, ``extra`` follows it. ``fetched`` holds the uris read and the versions known then.
    """

    def __init__(self, texts: Mapping[str, str] | None = None, *, name: str = "memory", tokens: bool = True) -> None:
        self.spec = SourceSpec("memory", name)
        self.texts = dict(texts or {})
        self.tokens = tokens
        self.faults: dict[str, Exception] = {}
        self.troubles: dict[str, str] = {}
        self.unlisted: dict[str, str] = {}
        self.extra: list[Listed] = []
        self.broken: SourceError | None = None
        self.conditional = False
        self.fetched: list[tuple[str, str | None]] = []
        self.before_fetch: Callable[[str], object] = lambda _: None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def _token(self, uri: str) -> str:
        return hashlib.sha256(self.texts[uri].encode("utf-8", "surrogatepass")).hexdigest()[:8]

    async def list(self) -> Listing:
        if self.broken:
            raise self.broken
        listed = [
            Listed(uri, self._token(uri) if self.tokens else None, self.troubles.get(uri, "")) for uri in self.texts
        ]
        return Listing((*listed, *self.extra), self.unlisted)

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        self.before_fetch(listed.uri)
        self.fetched.append((listed.uri, known))
        if listed.uri in self.faults:
            raise self.faults[listed.uri]
        if listed.uri not in self.texts:
            raise Gone(listed.uri)
        token = self._token(listed.uri)
        if self.conditional and known == token:
            raise NotModified(listed.uri)
        text = self.texts[listed.uri]
        if not text:
            raise ReadError("empty file")
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return Fetched(Document(listed.uri, text.split("\n")[0].strip("# ") or "Untitled", text, digest), token)


class SmallEmbedder:
    """Vectors from a hash of the text. ``embedded`` counts texts, ``calls`` how many came at once; a call takes
    ``seconds``, and after ``fails_after`` texts it breaks."""

    name, dimension, max_tokens = "small", 16, 256

    def __init__(self) -> None:
        self.embedded = 0
        self.calls: list[int] = []
        self.fails_after: int | None = None
        self.seconds = 0.0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(len(texts))
        self.embedded += len(texts)
        if self.fails_after is not None and self.embedded > self.fails_after:
            raise EmbedderError("the endpoint is down")
        await asyncio.sleep(self.seconds)
        return np.stack([vector(text) for text in texts])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def aclose(self) -> None:
        return None


def vector(text: str) -> Vectors:
    """The small embedder's vector of a text, of length 1."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    drawn = np.random.default_rng(seed).normal(size=SmallEmbedder.dimension)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def page(*sections: str, title: str = "Page") -> str:
    """A Markdown page whose sections become a chunk each: all are long."""
    filled = [f"## {name}\n\n" + f"{name} " * 120 for name in sections]
    return "\n\n".join([f"# {title}", *filled])


class Base:
    """An index, a manifest, and syncs of them."""

    def __init__(self, index: Index, manifest: Manifest) -> None:
        self.index, self.manifest, self.embedder = index, manifest, SmallEmbedder()
        self.sync = Sync(index, self.embedder, manifest, 240)
        self.seen: list[Progress] = []

    async def run(self, source: MemorySource, *, force: bool = False) -> Report:
        """One sync; what it said is in ``seen``."""
        self.seen = []
        source.fetched = []
        self.embedder.embedded = 0
        report = await self.sync.run(COLLECTION, source, self.seen.append, force=force)
        report.seconds = 0.0
        assert [each.done for each in self.seen] == list(range(1, len(self.seen) + 1))
        assert not self.seen or self.seen[-1].done == self.seen[-1].total
        return report

    def outcomes(self) -> dict[str, str]:
        """Of the last sync, by uri."""
        return {each.uri: each.outcome for each in self.seen}

    async def texts(self, source: MemorySource) -> dict[str, list[str]]:
        """What the index holds of a source, by uri: the chunks' texts, each of one whole version."""
        found: dict[str, list[str]] = {}
        for stored in await self.index.documents(COLLECTION, source.spec.id):
            assert stored.whole and stored.document not in found
            points = await self.index.points(COLLECTION, source.spec.id, stored.document)
            assert [point.chunk.position for point in points] == list(range(stored.of))
            for point in points:
                assert np.allclose(point.vector, vector(point.chunk.embedding_text()), atol=1e-5)
            found[stored.document] = [point.chunk.text for point in points]
        return found

    async def is_true_to(self, source: MemorySource) -> None:
        """The index holds what the source has: all of its documents, whole, in one version, and no others."""
        texts = await self.texts(source)
        assert texts.keys() == source.texts.keys()
        for uri, chunks in texts.items():
            words = " ".join(chunks).split()
            body = [line for line in source.texts[uri].splitlines() if not line.startswith("#")]
            assert words == " ".join(body).split()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Base]:
    """A base kept in a folder."""
    store = EmbeddedStore(folder / "store")
    records = Repository(f"sqlite+aiosqlite:///{folder / 'records.db'}")
    await store.open()
    await records.open()
    try:
        yield Base(await store.create("test", SmallEmbedder.dimension), Manifest(records))
    finally:
        await records.close()
        await store.close()
