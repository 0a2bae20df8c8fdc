"""The live index and its embedder are exchanged as one, whatever goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from assistant.conversation.turn import Turn
from assistant.knowledge.base import BUILDING, LIVE, PREVIOUS, Build, DocumentBase, made_with
from assistant.knowledge.documents import Chunk
from assistant.knowledge.embedder import Vectors
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store import Index, Point, StoreError
from assistant.knowledge.store.embedded import EmbeddedStore


class Spread:
    """Vectors of one dimension after a pause, as an endpoint would; counts how often it is closed."""

    max_tokens = 256

    def __init__(self, dimension: int) -> None:
        self.name = f"spread-{dimension}"
        self.dimension = dimension
        self.closed = 0
        self.asked = 0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += 1
        assert not self.closed, "it was closed while it was needed"
        await asyncio.sleep(0.001 * (self.asked % 4))
        assert not self.closed, "it was closed while it was needed"
        vectors: Vectors = np.full((len(texts), self.dimension), self.dimension**-0.5, dtype=np.float32)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def aclose(self) -> None:
        self.closed += 1


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[DocumentBase]:
    made = DocumentBase(EmbeddedStore(tmp_path / "index"), Retriever)
    yield made
    await made.close()


async def filled(index: Index, embedder: Spread) -> None:
    chunk = Chunk("zoo", "a.md", "Ants", (), f"ants nap in {embedder.name}", 0, 10, 0, 1, embedder.name)
    await index.upsert([Point(chunk, (await embedder.embed([chunk.text]))[0].tolist())])


async def gone(_: str) -> None:
    """Nothing is remembered of indexes here."""


async def test_no_search_pairs_an_embedder_with_the_index_of_another(base: DocumentBase) -> None:
    first = Spread(4)
    await base.open(Build(first, 100))
    await filled(base.live.index, first)
    turn, done, answers = Turn("where do ants nap", collections=frozenset({"zoo"})), asyncio.Event(), []

    async def ask() -> None:
        while not done.is_set():
            found = await base.search(turn)
            answers.append(found.passages[0].chunk.content_hash)

    asking = [asyncio.create_task(ask()) for _ in range(8)]
    embedders = [first]
    for dimension in range(5, 13):
        embedders.append(Spread(dimension))
        build = Build(embedders[-1], 100)
        index = await base.beside(build)
        await filled(index, embedders[-1])
        await base.go_live(index, build, gone)
        await asyncio.sleep(0.02)
    done.set()
    await asyncio.gather(*asking)
    assert {embedder.name for embedder in embedders} == set(answers)
    assert [embedder.closed for embedder in embedders] == [1] * 8 + [0]
    assert len(await base.store.indexes()) == 2


async def test_an_index_that_was_begun_is_taken_up_and_never_live_by_itself(tmp_path: Path) -> None:
    async def opened() -> DocumentBase:
        base = DocumentBase(EmbeddedStore(tmp_path), Retriever)
        await base.open(Build(Spread(4), 100))
        return base

    base = await opened()
    await filled(base.live.index, Spread(4))
    begun = await base.beside(Build(Spread(6), 100))
    await filled(begun, Spread(6))
    await base.close()
    base = await opened()
    assert base.live.index.dimension == 4
    assert [each.use for each in await base.indexes()] == [LIVE, BUILDING]
    again = await base.beside(Build(Spread(6), 100))
    assert again.name == begun.name and await again.count() == 1
    other = await base.beside(Build(Spread(8), 100))
    await filled(other, Spread(8))
    await base.go_live(other, Build(Spread(8), 100), gone)
    assert [each.use for each in await base.indexes()] == [LIVE, PREVIOUS], "what was begun and given up is dropped"
    await base.close()


async def test_going_back_needs_the_settings_of_then(base: DocumentBase) -> None:
    await base.open(Build(Spread(4), 100))
    await filled(base.live.index, Spread(4))
    with pytest.raises(StoreError, match="no earlier index"):
        await base.roll_back(Build(Spread(4), 100))
    index = await base.beside(Build(Spread(4), 50))
    await filled(index, Spread(4))
    await base.go_live(index, Build(Spread(4), 50), gone)
    with pytest.raises(StoreError, match="max_tokens: 100"):
        await base.roll_back(Build(Spread(4), 50))
    with pytest.raises(StoreError, match=r"the embedder .* spread-4"):
        await base.roll_back(Build(Spread(5), 100))
    await base.roll_back(Build(Spread(4), 100))
    assert base.live.build.max_tokens == 100
    await base.roll_back(Build(Spread(4), 50))
    assert base.live.build.max_tokens == 50


async def test_settings_that_do_not_fit_are_refused_with_the_ways_out(tmp_path: Path) -> None:
    base = DocumentBase(EmbeddedStore(tmp_path), Retriever)
    await base.open(Build(Spread(4), 100))
    await filled(base.live.index, Spread(4))
    index = await base.beside(Build(Spread(4), 50))
    await filled(index, Spread(4))
    await base.go_live(index, Build(Spread(4), 50), gone)
    await base.close()
    for build, says in (
        (Build(Spread(9), 50), "assistant ingest --rebuild"),
        (Build(Spread(4), 100), "assistant collections rollback"),
    ):
        base = DocumentBase(EmbeddedStore(tmp_path), Retriever)
        with pytest.raises(StoreError, match=says):
            await base.open(build)
        await base.open(build, whatever=True)
        assert not base.open_for_search
        await base.close()


def test_names_tell_what_an_index_was_built_with() -> None:
    assert made_with(Build(Spread(4), 100).base + "-v7") == "spread-4 (4 dimensions), 100 tokens"
    assert "another version" in made_with("minilm-d384-c240-v1")
    assert "does not tell" in made_with("mine")
