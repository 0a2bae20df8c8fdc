import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from connectors import ChatMessage, ChatModel, ChatRequest, Delta
from connectors.errors import ConfigurationError, Resting, Unavailable
from connectors.limit import LimitedModel
from connectors.scripted import ScriptedModel, Step


class Counting(ChatModel):
    """Answers in a few steps of random length, fails now and then, and knows how many it answered at once."""

    name = "counting"

    def __init__(self, seed: int = 7) -> None:
        self.now = self.most = 0
        self.order: list[str] = []
        self._random = random.Random(seed)

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        self.order.append(request.messages[-1].text)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(3):
                await asyncio.sleep(self._random.random() * 0.003)
                if self._random.random() < 0.1:
                    raise Unavailable("down")
                yield Delta(text="a")
        finally:
            self.now -= 1


def request(text: str = "hi") -> ChatRequest:
    return ChatRequest((ChatMessage.of("user", text),))


async def read(model: ChatModel, text: str = "hi") -> str:
    async with aclosing(model.stream(request(text))) as stream:
        return "".join([delta.text async for delta in stream])


async def all_places_are_free(model: LimitedModel) -> bool:
    """Takes every place at once, and finds that there is none more."""
    assert model.busy == model.waiting == 0
    inner, model.inner = model.inner, ScriptedModel([Step(["a"], hangs=True)], loop=True)
    streams = [model.stream(request()) for _ in range(model.places)]
    try:
        for stream in streams:
            await asyncio.wait_for(anext(stream), 20)
        return model._free.locked()
    finally:
        for stream in streams:
            await stream.aclose()
        model.inner = inner


@pytest.mark.parametrize("places", [1, 3])
async def test_however_streams_end_each_place_is_freed_once(places: int) -> None:
    moments = random.Random(places)
    inner = Counting(places)
    model = LimitedModel(inner, places=places, longest_wait=0.1)

    async def one(n: int) -> None:
        await asyncio.sleep(moments.random() * 0.1)
        stream = model.stream(request())
        task = asyncio.create_task(read(model) if n % 3 else anext(stream))
        if n % 2:
            await asyncio.sleep(moments.random() * 0.1)
            task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() or not task.exception() or isinstance(task.exception(), Unavailable)
        await stream.aclose()

    await asyncio.gather(*(one(n) for n in range(600)))
    assert inner.most == places and inner.now == 0
    assert await all_places_are_free(model)


async def test_who_came_first_is_asked_first() -> None:
    inner = Counting()
    model = LimitedModel(inner, places=1)
    await asyncio.gather(*(read(model, str(n)) for n in range(20)), return_exceptions=True)
    assert inner.order == [str(n) for n in range(20)]


async def test_nobody_waits_for_ever() -> None:
    model = LimitedModel(ScriptedModel([Step(["a"], hangs=True)]), places=1, longest_wait=0.05)
    async with aclosing(model.stream(request())) as first:
        await anext(first)
        assert (model.busy, model.waiting) == (1, 0)
        with pytest.raises(Resting, match=r"1 answers at once.*models\.scripted\.concurrency"):
            await read(model)
    assert await all_places_are_free(model)


async def test_a_place_handed_over_while_its_taker_gives_up_is_not_lost() -> None:
    model = LimitedModel(ScriptedModel([Step(["a"])], loop=True), places=1)
    for _ in range(50):
        holder = model.stream(request())
        await anext(holder)
        waiter = asyncio.create_task(read(model))
        await asyncio.sleep(0)
        await holder.aclose()  # wakes the waiter, which is cancelled before it runs
        waiter.cancel()
        await asyncio.wait({waiter})
    assert await all_places_are_free(model)


def test_no_places_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match=r"models\.scripted\.concurrency"):
        LimitedModel(ScriptedModel([]), places=0)
