import asyncio
from contextlib import aclosing
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connectors import ChatMessage, ChatModel, ChatRequest, errors
from connectors.breaker import LONGEST_REST, SAYS_NOTHING, BreakerModel, BreakerState, Circuit, Ticket
from connectors.errors import AuthenticationFailed, ConnectorError, RateLimited, Resting, TimedOut, Unavailable
from connectors.scripted import ScriptedModel, Step

REQUEST = ChatRequest((ChatMessage.of("user", "hi"),))
ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ConnectorError)]
DOWN, GOOD, HANGS = Step([], Unavailable("it is down")), Step(["a"]), Step(["a"], hangs=True)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(*steps: Step, failures: int = 2, rest: float = 30.0) -> tuple[BreakerModel, ScriptedModel, Clock]:
    inner, clock = ScriptedModel(list(steps)), Clock()
    return BreakerModel(inner, failures=failures, rest=rest, clock=clock), inner, clock


async def text(model: ChatModel) -> str:
    async with aclosing(model.stream(REQUEST)) as stream:
        return "".join([delta.text async for delta in stream])


async def fail(model: ChatModel, kind: type[ConnectorError] = Unavailable) -> ConnectorError:
    with pytest.raises(kind) as caught:
        await text(model)
    assert type(caught.value) is kind
    return caught.value


async def test_opens_after_failures_in_a_row_and_asks_nobody_while_it_rests() -> None:
    model, inner, clock = breaker(DOWN, GOOD, DOWN, DOWN)
    await fail(model)
    assert await text(model) == "a"
    assert model.state == BreakerState()
    await fail(model)
    assert model.state == BreakerState("closed", 1, None, "model_unavailable", "it is down")
    await fail(model)
    clock.now += 10
    resting = await fail(model, Resting)
    assert resting.retry_after == 20
    assert "scripted failed 2 times in a row" in str(resting) and "20 seconds. The last time: it is down" in str(
        resting
    )
    assert model.state == BreakerState("open", 2, 20.0, "model_unavailable", "it is down")
    inner.done()


async def test_one_probe_goes_through_and_its_first_text_closes() -> None:
    model, inner, clock = breaker(DOWN, DOWN, HANGS, GOOD)
    await fail(model)
    await fail(model)
    clock.now += 30
    assert model.state.state == "half_open"
    probe = model.stream(REQUEST)
    async with aclosing(probe):
        asking = asyncio.ensure_future(anext(probe))
        await asyncio.sleep(0)
        assert len(inner.requests) == 3
        assert (await fail(model, Resting)).retry_after == 1.0
        await asking
        assert model.state.state == "closed"
        assert await text(model) == "a"
    assert model.state == BreakerState()


async def test_a_failed_probe_rests_twice_as_long_each_time_and_a_good_end_forgets_it() -> None:
    model, _inner, clock = breaker(*[DOWN] * 8, GOOD, DOWN, failures=1)
    rests = []
    for _ in range(8):
        await fail(model)
        rests.append(model.state.next_probe)
        clock.now += rests[-1] or 0.0
    assert rests == [30, 60, 120, 240, LONGEST_REST, LONGEST_REST, LONGEST_REST, LONGEST_REST]
    assert await text(model) == "a"
    await fail(model)
    assert model.state.next_probe == 30


async def test_a_probe_that_fails_after_its_first_text_opens_again() -> None:
    model, _inner, clock = breaker(DOWN, DOWN, Step(["a"], TimedOut("silent")))
    await fail(model)
    await fail(model)
    clock.now += 30
    await fail(model, TimedOut)
    assert model.state == BreakerState("open", 2, 60.0, "model_timeout", "silent")


@pytest.mark.parametrize("started", [False, True])
async def test_a_probe_that_its_reader_left_makes_room_for_the_next(started: bool) -> None:
    model, inner, clock = breaker(DOWN, DOWN, Step(["a"], delay=60), GOOD)
    await fail(model)
    await fail(model)
    clock.now += 30
    task = asyncio.create_task(text(model))
    if started:
        while len(inner.requests) < 3:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    inner.steps[2] = GOOD
    assert await text(model) == "a"
    assert model.state.state == "closed"


async def test_failures_after_the_first_text_count() -> None:
    cut = Step(["a"], Unavailable("cut"))
    model, _, _ = breaker(cut, cut)
    await fail(model)
    await fail(model)
    await fail(model, Resting)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
async def test_what_counts(kind: type[ConnectorError]) -> None:
    model, _, _ = breaker(Step([], kind("no")), failures=1)
    await fail(model, kind)
    assert (model.state.state == "closed") is issubclass(kind, SAYS_NOTHING)


async def test_a_probe_that_says_nothing_of_the_model_lets_another_try() -> None:
    model, _, clock = breaker(DOWN, Step([], errors.ContextTooLong("long")), GOOD, failures=1)
    await fail(model)
    clock.now += 30
    await fail(model, errors.ContextTooLong)
    assert model.state.state == "half_open"
    assert await text(model) == "a"


async def test_rests_as_long_as_the_provider_asks() -> None:
    asks = Step([], RateLimited("wait", retry_after=90))
    model, _, clock = breaker(asks, Step([], RateLimited("wait", retry_after=9000)), failures=1)
    await fail(model, RateLimited)
    assert model.state.next_probe == 90
    clock.now += 90
    await fail(model, RateLimited)
    assert model.state.next_probe == LONGEST_REST


async def test_what_began_before_the_circuit_opened_says_nothing_about_now() -> None:
    old = Step(["a", "b"], Unavailable("old"))
    model, _, clock = breaker(old, old, DOWN, DOWN, GOOD, GOOD)
    streams = [model.stream(REQUEST) for _ in range(2)]
    for stream in streams:
        await anext(stream)
    await fail(model)
    await fail(model)
    clock.now += 30
    assert await text(model) == "a"
    for stream in streams:
        with pytest.raises(Unavailable):
            async for _ in stream:
                pass
    assert model.state == BreakerState()
    assert await text(model) == "a"


async def test_names_no_key_while_it_rests() -> None:
    model, _, _ = breaker(Step([], AuthenticationFailed("the key sk-planted0123456789 is refused")), failures=1)
    await fail(model, AuthenticationFailed)
    assert "planted" not in str(await fail(model, Resting)) + str(model.state)


class CircuitMachine(RuleBasedStateMachine):
    """Any order of starts, words, ends and waits, against what must always hold."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.circuit = Circuit(3, 30.0, self.clock)
        self.running: list[Ticket] = []
        self.probe: Ticket | None = None

    @rule()
    def starts(self) -> None:
        before = self.circuit.state
        ticket = self.circuit.admit()
        if before.state == "closed":
            assert ticket is not None
        elif before.state == "open" or self.probe is not None:
            assert ticket is None
        else:
            assert ticket is not None
            self.probe = ticket
        if ticket is not None:
            self.running.append(ticket)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), how=st.sampled_from(["spoke", "succeeded", "failed", "left"]))
    def goes_on(self, data: st.DataObject, how: str) -> None:
        ticket = data.draw(st.sampled_from(self.running))
        before = self.circuit.state
        if how == "failed":
            self.circuit.failed(ticket, Unavailable("down"))
        else:
            getattr(self.circuit, how)(ticket)
        now = self.circuit.state
        if before.state != "closed" and ticket is not self.probe:
            assert now == before
        if ticket is self.probe:
            assert now.state == {"spoke": "closed", "succeeded": "closed", "failed": "open", "left": before.state}[how]
            self.probe = None
        if how != "spoke":
            self.running.remove(ticket)

    @rule(seconds=st.floats(0.1, 400))
    def waits(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def opens_at_its_limit_and_not_before(self) -> None:
        state = self.circuit.state
        assert (state.failures < 3) is (state.state == "closed")
        assert state.next_probe is None or 0 <= state.next_probe <= LONGEST_REST

    def teardown(self) -> None:
        """Whatever happened: once all streams are gone and the time is over, one good turn heals it."""
        for ticket in self.running:
            self.circuit.left(ticket)
        self.clock.now += LONGEST_REST
        ticket = self.circuit.admit()
        assert ticket is not None
        self.circuit.succeeded(ticket)
        assert self.circuit.state == BreakerState()


CircuitMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestCircuit = CircuitMachine.TestCase
