import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from connectors import ChatMessage, ChatModel, ChatRequest, Delta, guard, pump
from connectors.errors import ContentFiltered, EmptyAnswer, ProtocolError, RateLimited, TimedOut
from connectors.guard import GuardedModel
from connectors.scripted import ScriptedModel, Step

REQUEST = ChatRequest((ChatMessage.of("user", "hi"),))
SECRET = "sk-planted0123456789"


class Made(ChatModel):
    """A connector of somebody else's: whatever ``stream`` is."""

    name = "made"

    def __init__(self, stream: Callable[[ChatRequest], Any]) -> None:
        self.stream = stream

    def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        raise NotImplementedError


def guarded(*steps: Step, first_token: float = 20.0, idle: float = 20.0) -> GuardedModel:
    return GuardedModel(ScriptedModel(list(steps)), first_token=first_token, idle=idle)


async def deltas(model: ChatModel) -> list[Delta]:
    async with aclosing(model.stream(REQUEST)) as stream:
        return [delta async for delta in stream]


async def until_error(model: ChatModel, seen: list[str]) -> None:
    async with aclosing(model.stream(REQUEST)) as stream:
        async for delta in stream:
            seen.append(delta.text)


def other_tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def test_a_good_stream_passes_as_it_is() -> None:
    pieces = [f"{n} " for n in range(500)]
    assert await deltas(guarded(Step(pieces))) == await deltas(ScriptedModel([Step(pieces)]))
    assert not other_tasks()


async def test_white_space_before_the_first_word_goes_out_with_it() -> None:
    found = await deltas(guarded(Step(["\n", "", " \n", "Hello ", " ", "you"])))
    assert [delta.text for delta in found if delta.text] == ["\n \nHello ", " ", "you"]


@pytest.mark.parametrize("step", [Step([], hangs=True), Step([""] * 500, delay=0.01), Step(["\n"] * 500, delay=0.01)])
async def test_no_word_in_time(step: Step) -> None:
    model = guarded(step, first_token=0.05)
    seen: list[str] = []
    with pytest.raises(TimedOut, match=r"said nothing for 0\.05 seconds.*first_token_timeout"):
        await until_error(model, seen)
    assert not "".join(seen)
    assert model.inner.closed == 1
    assert not other_tasks()


@pytest.mark.parametrize("tail", [Step(["a", "b"], hangs=True), Step(["a", "b", *[""] * 500], delay=0.01)])
async def test_silence_in_the_middle(tail: Step) -> None:
    seen: list[str] = []
    with pytest.raises(TimedOut, match=r"fell silent for 0\.05 seconds.*models\.scripted\.timeout"):
        await until_error(guarded(tail, idle=0.05), seen)
    assert "".join(seen) == "ab"


async def test_a_flood_of_nothing_is_silence() -> None:
    async def flood(request: ChatRequest) -> AsyncIterator[Delta]:
        while True:
            yield Delta(model="flood")

    with pytest.raises(TimedOut):
        await until_error(GuardedModel(Made(flood), first_token=0.05, idle=20), [])
    assert not other_tasks()


async def test_text_that_keeps_coming_is_never_late() -> None:
    model = guarded(Step(["a"] * 30, delay=0.05), idle=1.0)
    assert len(await deltas(model)) == 31


async def test_a_slow_reader_is_not_a_silent_provider() -> None:
    text = ""
    async with aclosing(guarded(Step(["a"] * 100), first_token=20, idle=0.5).stream(REQUEST)) as stream:
        async for delta in stream:
            text += delta.text
            if len(text) in (1, 50):
                await asyncio.sleep(0.7)
    assert text == "a" * 100


async def test_a_stream_waits_for_a_reader_who_is_far_behind() -> None:
    made = 0

    async def endless(request: ChatRequest) -> AsyncIterator[Delta]:
        nonlocal made
        while True:
            made += 1
            yield Delta(text="a")

    async with aclosing(GuardedModel(Made(endless), first_token=20, idle=20).stream(REQUEST)) as stream:
        await anext(stream)
        await asyncio.sleep(0.05)
        assert made <= pump.AHEAD + 1
        for _ in range(1000):
            await anext(stream)
    assert made <= 1001 + 2 * pump.AHEAD
    assert not other_tasks()


async def _raises(request: ChatRequest) -> AsyncIterator[Delta]:
    yield Delta()
    raise ValueError(f"no good: {SECRET}")


async def _times_out(request: ChatRequest) -> AsyncIterator[Delta]:
    yield Delta()
    raise TimeoutError(SECRET)


async def _raises_a_group(request: ChatRequest) -> AsyncIterator[Delta]:
    yield Delta()
    raise BaseExceptionGroup(SECRET, [asyncio.CancelledError(), OSError()])


async def _cancels_itself(request: ChatRequest) -> AsyncIterator[Delta]:
    yield Delta()
    raise asyncio.CancelledError(SECRET)


async def _yields_strings(request: ChatRequest) -> AsyncIterator[Any]:
    yield SECRET


def _raises_at_once(request: ChatRequest) -> AsyncIterator[Delta]:
    raise KeyError(SECRET)


def _returns_a_list(request: ChatRequest) -> Sequence[Delta]:
    return [Delta(text=SECRET)]


@pytest.mark.parametrize(
    ("stream", "cause"),
    [
        (_raises, ValueError),
        (_times_out, TimeoutError),
        (_raises_a_group, BaseExceptionGroup),
        (_cancels_itself, asyncio.CancelledError),
        (_yields_strings, None),
        (_raises_at_once, KeyError),
        (_returns_a_list, TypeError),
    ],
)
async def test_a_foreign_exception_is_a_protocol_error_that_tells_no_secret(
    stream: Any, cause: type[BaseException] | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ProtocolError) as caught:
        await until_error(GuardedModel(Made(stream), first_token=20, idle=20), [])
    assert SECRET not in str(caught.value) + caplog.text
    assert type(caught.value.__cause__) is (cause or type(None))
    assert not other_tasks()


async def test_our_own_errors_pass_as_they_are() -> None:
    error, seen = RateLimited("wait", retry_after=3), list[str]()
    with pytest.raises(RateLimited) as caught:
        await until_error(guarded(Step(["a", "b"], error)), seen)
    assert caught.value is error and error.__cause__ is None
    assert seen == ["a", "b"]


@pytest.mark.parametrize(
    ("step", "expected", "words"),
    [
        (Step([]), EmptyAnswer, "without a word"),
        (Step(["", " ", "\n"]), EmptyAnswer, "without a word"),
        (Step([""], finish="length"), EmptyAnswer, r"models\.scripted\.max_tokens"),
        (Step([], finish="filter"), ContentFiltered, "filter"),
    ],
)
async def test_an_answer_without_a_word(step: Step, expected: type[Exception], words: str) -> None:
    with pytest.raises(expected, match=words) as caught:
        await until_error(guarded(step), [])
    assert type(caught.value) is expected


@pytest.mark.parametrize("hangs", [True, False])
async def test_what_fails_behind_a_complete_answer_fails_nobody(hangs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "TRAILER", 0.05)

    async def stream(request: ChatRequest) -> AsyncIterator[Delta]:
        yield Delta(text="done")
        yield Delta(finish="stop")
        if hangs:
            await asyncio.Event().wait()
        raise OSError("the connection broke off")

    async with asyncio.timeout(20):
        found = await deltas(GuardedModel(Made(stream), first_token=60, idle=60))
    assert [(delta.text, delta.finish) for delta in found] == [("done", None), ("", "stop")]


async def test_closed_early_closes_the_inner_stream() -> None:
    model = guarded(Step(["a", "b"], hangs=True))
    async with aclosing(model.stream(REQUEST)) as stream:
        await anext(stream)
    assert model.inner.closed == 1
    assert not other_tasks()


async def test_cancelled_closes_the_inner_stream() -> None:
    model = guarded(Step(["a"], hangs=True))
    seen: list[str] = []
    task = asyncio.create_task(until_error(model, seen))
    while not seen:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.inner.closed == 1
    assert not other_tasks()


@pytest.mark.parametrize("how", ["late", "closed", "cancelled"])
async def test_a_stream_that_ignores_being_closed_holds_nobody(
    how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pump, "CLOSING", 0.05)
    released = asyncio.Event()

    async def stubborn(request: ChatRequest) -> AsyncIterator[Delta]:
        yield Delta(text="a")
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    model = GuardedModel(Made(stubborn), first_token=20, idle=0.05 if how == "late" else 20)
    seen: list[str] = []
    try:
        async with asyncio.timeout(20):
            if how == "closed":
                async with aclosing(model.stream(REQUEST)) as stream:
                    await anext(stream)
                    await asyncio.sleep(0.01)
            else:
                task = asyncio.create_task(until_error(model, seen))
                while not seen:
                    await asyncio.sleep(0)
                if how == "cancelled":
                    task.cancel()
                with pytest.raises(TimedOut if how == "late" else asyncio.CancelledError):
                    await task
        assert "was left behind" in caplog.text
    finally:
        released.set()  # else the loop would wait for it for ever
    await asyncio.gather(*other_tasks())
    assert not pump._closing


async def test_streams_left_at_any_moment_leave_nothing_behind() -> None:
    moments = random.Random(5)
    steps = [Step(["a"] * 5, delay=0.001), Step(["a", ""], hangs=True), Step([], ValueError()), Step(["a"], OSError())]
    model = GuardedModel(ScriptedModel(steps, loop=True), first_token=0.01, idle=0.01)

    async def one() -> None:
        task = asyncio.create_task(until_error(model, []))
        await asyncio.sleep(moments.random() * 0.015)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() or not task.exception() or isinstance(task.exception(), ProtocolError | TimedOut)

    await asyncio.gather(*(one() for _ in range(400)))
    assert not other_tasks() and not pump._closing
