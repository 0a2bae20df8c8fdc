import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from tenacity import Future, RetryCallState, wait_none

from connectors import ChatMessage, ChatModel, ChatRequest, Delta, Usage, errors, retry
from connectors.base import Cost
from connectors.errors import ConnectorError, EmptyAnswer, ProtocolError, RateLimited, TimedOut, Unavailable
from connectors.retry import RetryingModel
from connectors.scripted import ScriptedModel, Step

REQUEST = ChatRequest((ChatMessage.of("user", "hi"),))
ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ConnectorError)]
AGAIN = {RateLimited: 3, Unavailable: 3, ProtocolError: 3, TimedOut: 2, EmptyAnswer: 2}


@pytest.fixture
def without_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_JITTER", wait_none())


async def text(model: ChatModel) -> list[str]:
    async with aclosing(model.stream(REQUEST)) as stream:
        return [delta.text async for delta in stream if delta.text]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
async def test_asks_again_where_that_helps(kind: type[ConnectorError], without_jitter: None) -> None:
    inner = ScriptedModel([Step([], kind("no"))], loop=True)
    model = RetryingModel(inner, retries=2)
    with pytest.raises(kind):
        await text(model)
    assert len(inner.requests) == AGAIN.get(kind, 1)
    assert model.retried == AGAIN.get(kind, 1) - 1


async def test_an_answer_after_two_faults(without_jitter: None) -> None:
    inner = ScriptedModel([Step([], Unavailable("down")), Step(["", ""], RateLimited("wait")), Step(["", "a", "b"])])
    model = RetryingModel(inner, retries=2)
    async with aclosing(model.stream(REQUEST)) as stream:
        found = [delta async for delta in stream]
    assert [delta.text for delta in found] == ["a", "b", ""]
    assert found[-1].finish == "stop"
    inner.done()


async def test_never_after_the_first_piece_of_text(without_jitter: None) -> None:
    inner, seen = ScriptedModel([Step(["a"], Unavailable("cut"))], loop=True), list[str]()
    async with aclosing(RetryingModel(inner, retries=5).stream(REQUEST)) as stream:
        with pytest.raises(Unavailable):
            async for delta in stream:
                seen.append(delta.text)
    assert seen == ["a"] and len(inner.requests) == 1


async def test_keeps_the_pause_that_the_provider_asks_for() -> None:
    inner = ScriptedModel([Step([], RateLimited("wait", retry_after=0.2)), Step(["a"])])
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await text(RetryingModel(inner, retries=1)) == ["a"]
    assert clock() - began >= 0.19


async def test_a_pause_that_is_too_long_is_not_waited_for() -> None:
    inner = ScriptedModel([Step([], RateLimited("wait", retry_after=3600))])
    with pytest.raises(RateLimited) as caught:
        await text(RetryingModel(inner, retries=2))
    assert caught.value.retry_after == 3600
    inner.done()


async def test_who_waited_long_already_is_not_made_to_wait_again() -> None:
    inner = ScriptedModel([Step([""], Unavailable("down"), delay=0.1)], loop=True)
    with pytest.raises(Unavailable):
        await text(RetryingModel(inner, retries=5, longest_wait=0.05))
    assert len(inner.requests) == 1


def test_pauses_are_jittered_grow_and_are_never_shorter_than_asked_for() -> None:
    def pauses(attempt: int, retry_after: float | None) -> list[float]:
        state = RetryCallState(None, None, (), {})
        state.attempt_number = attempt
        state.outcome = Future.construct(attempt, RateLimited("wait", retry_after=retry_after), has_exception=True)
        return [retry._pause(state) for _ in range(200)]

    for attempt, most in [(1, 0.5), (2, 1.0), (3, 2.0)]:
        found = pauses(attempt, None)
        assert 0 <= min(found) < most / 4 and most * 3 / 4 < max(found) <= most
        assert min(pauses(attempt, 7.0)) >= 7.0


async def test_what_comes_before_the_first_text_goes_out_with_it() -> None:
    class Early(ChatModel):
        async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
            yield Delta(model="m", usage=Usage(3, 0), note="careful", cost=Cost(0.1))
            yield Delta(finish="length")
            yield Delta(text="a")
            yield Delta(text="b")

    async with aclosing(RetryingModel(Early(), retries=2).stream(REQUEST)) as stream:
        found = [delta async for delta in stream]
    first = Delta("a", Usage(3, 0), "m", "length", "careful", cost=Cost(0.1))
    assert found == [first, Delta(text="b")]


class Flaky(ChatModel):
    """Fails twice for each conversation before it answers with what was said."""

    name = "flaky"

    def __init__(self) -> None:
        self.asked = Counter[str]()

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        said = request.messages[-1].text
        self.asked[said] += 1
        await asyncio.sleep(0)
        if self.asked[said] < 3:
            raise Unavailable("down")
        yield Delta(text=said)


async def test_streams_side_by_side_have_their_own_tries(without_jitter: None) -> None:
    inner = Flaky()
    model = RetryingModel(inner, retries=2)

    async def one(said: str) -> None:
        async with aclosing(model.stream(ChatRequest((ChatMessage.of("user", said),)))) as stream:
            assert [delta.text async for delta in stream] == [said]

    await asyncio.gather(*(one(f"{n}") for n in range(50)))
    assert set(inner.asked.values()) == {3}


async def test_closes_what_it_opened() -> None:
    inner = ScriptedModel([Step(["a", "b"], hangs=True)])
    async with aclosing(RetryingModel(inner, retries=2).stream(REQUEST)) as stream:
        await anext(stream)
    assert inner.closed == 1


async def test_a_reader_who_leaves_during_the_pause_is_not_asked_for_again() -> None:
    inner = ScriptedModel([Step([], RateLimited("wait", retry_after=10))], loop=True)
    task = asyncio.create_task(text(RetryingModel(inner, retries=2)))
    while not inner.requests:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() and len(inner.requests) == 1
