"""The two things that many documents share on their way: room in memory, and the embedding model."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from assistant.knowledge.embedder import EmbedderError, Vectors
from assistant.knowledge.pipeline import CALLS_AT_ONCE, TEXTS_AT_ONCE, Budget, Together
from tests.knowledge.syncing import SmallEmbedder, vector


class Slow(SmallEmbedder):
    """Takes a moment, and fails for a text that says so. ``most`` calls were in it at once."""

    now = most = 0

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        if "bad" in texts:
            raise EmbedderError("bad text")
        return await super().embed(texts)


async def test_the_budget_is_kept_and_what_is_too_large_goes_alone() -> None:
    budget, held, most = Budget(10), 0, 0
    seen: list[int] = []

    async def hold(size: int) -> None:
        nonlocal held, most
        async with budget.holding(size):
            held += size
            most = max(most, held)
            assert held <= 10 or held == size
            await asyncio.sleep(0.001)
            held -= size
            seen.append(size)

    sizes = [3, 4, 25, 1, 10, 9, 2, 2, 40, 5] * 3
    await asyncio.gather(*map(hold, sizes))
    assert sorted(seen) == sorted(sizes) and most == 40


async def test_a_cancelled_holder_frees_its_room() -> None:
    budget = Budget(10)

    async def hold() -> None:
        async with budget.holding(10):
            await asyncio.sleep(60)

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    holding.cancel()
    async with asyncio.timeout(5), budget.holding(10):
        pass


async def test_everybody_gets_the_vectors_of_their_own_texts() -> None:
    embedder = Slow()
    together = Together(embedder)
    asked = [[f"{caller}-{number}" for number in range(caller % 7)] for caller in range(60)]
    given = await asyncio.gather(*map(together.embed, (each for each in asked if each)))
    for texts, vectors in zip((each for each in asked if each), given, strict=True):
        assert np.array_equal(vectors, np.stack([vector(text) for text in texts]))
    assert max(embedder.calls) <= TEXTS_AT_ONCE and len(embedder.calls) < 10
    assert embedder.most == CALLS_AT_ONCE, "no core waits for the end of a call"


async def test_a_caller_that_fails_or_leaves_takes_nobody_along() -> None:
    together = Together(Slow())
    first = asyncio.create_task(together.embed(["first"]))
    await asyncio.sleep(0.001)
    bad, leaving, fine = (asyncio.create_task(together.embed([text])) for text in ("bad", "leaving", "fine"))
    await asyncio.sleep(0.001)
    leaving.cancel()
    assert len(await first) == 1
    with pytest.raises(EmbedderError):
        await bad
    assert np.array_equal(await fine, [vector("fine")])
    assert leaving.cancelled()


async def test_those_behind_a_text_that_fails_get_theirs_however_often_it_comes() -> None:
    together = Together(Slow())
    texts = [f"{number}" if number % 5 else "bad" for number in range(100)]
    async with asyncio.timeout(20):
        given = await asyncio.gather(*(together.embed([text]) for text in texts), return_exceptions=True)
    for text, vectors in zip(texts, given, strict=True):
        if text == "bad":
            assert isinstance(vectors, EmbedderError)
        else:
            assert isinstance(vectors, np.ndarray) and np.array_equal(vectors, [vector(text)])


async def test_whoever_leaves_while_a_call_fails_is_not_asked_for_again() -> None:
    embedder = Slow()
    together = Together(embedder)
    busy = [asyncio.create_task(together.embed([f"busy {number}"])) for number in range(CALLS_AT_ONCE)]
    await asyncio.sleep(0.001)
    first, leaving = (asyncio.create_task(together.embed([text])) for text in ("first", "bad"))
    await asyncio.gather(*busy)
    await asyncio.sleep(0.001)  # now both are in one call
    leaving.cancel()
    assert len(await first) == 1
    assert len(await together.embed(["later"])) == 1
    assert embedder.asked.count("bad") == 1
