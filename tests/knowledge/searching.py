"""A small base to search: an embedder of words, and an index of documents in the embedded store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import numpy as np

from assistant.conversation.turn import Message, Turn
from assistant.knowledge.chunks import split
from assistant.knowledge.documents import Chunk, Document
from assistant.knowledge.embedder import Vectors
from assistant.knowledge.store import Index, Point
from assistant.knowledge.store.embedded import EmbeddedStore

COLLECTION = "docs"


class WordEmbedder:
    """A text is the normalised sum of its words' directions, so that texts of the same words are close."""

    name = "words"
    dimension = 64
    max_tokens = 240

    async def embed(self, texts: Sequence[str]) -> Vectors:
        made = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(made, texts, strict=True):
            for word in re.findall(r"\w+", text.casefold()):
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
                row += np.random.default_rng(seed).standard_normal(self.dimension).astype(np.float32)
        vectors: Vectors = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def aclose(self) -> None:
        """Nothing is open."""


def document(uri: str, text: str, title: str = "Handbook", modified: date | None = None) -> Document:
    return Document(uri, title, text, hashlib.sha256(text.encode()).hexdigest(), modified)


def chunks_of(*documents: Document, collection: str = COLLECTION, most: int = 60, least: int = 10) -> list[Chunk]:
    count = WordEmbedder().count_tokens
    return [chunk for each in documents for chunk in split(each, collection, count, most, least)]


@asynccontextmanager
async def filled(folder: Path, chunks: Sequence[Chunk]) -> AsyncIterator[Index]:
    """An index of these chunks in a store of its own."""
    embedder = WordEmbedder()
    store = EmbeddedStore(folder / "base")
    await store.open()
    try:
        index = await store.create("words", embedder.dimension)
        vectors = await embedder.embed([chunk.embedding_text() for chunk in chunks])
        await index.upsert([Point(c, v.tolist()) for c, v in zip(chunks, vectors, strict=True)])
        yield index
    finally:
        await store.close()


def turn(text: str, *history: str, collections: Sequence[str] = (COLLECTION,)) -> Turn:
    """What was said before alternates, the user first."""
    said = tuple(Message("assistant" if n % 2 else "user", each) for n, each in enumerate(history))
    return Turn(text, said, collections=frozenset(collections), id="t")
