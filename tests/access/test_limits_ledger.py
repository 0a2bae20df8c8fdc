"""Counting turns and spending: the same in this process and in a Redis, and never more than was allowed."""

import asyncio
import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.access.limits_ledger import DAY, MINUTE, STEPS, Ledger, MemoryLedger, Purse, Shortage, Slots, Window
from assistant.access.limits_redis import RedisLedger
from tests.access.redis_server import Server
from tests.access.redis_server import redis_server as redis_server


@dataclass
class Clock:
    now: float = 1_700_000_000.3

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def ledger_of(url: str | None, clock: Clock) -> AsyncIterator[Ledger]:
    ledger: Ledger = MemoryLedger(clock) if url is None else RedisLedger(url, clock)
    try:
        yield ledger
    finally:
        await ledger.aclose()


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "memory":
        return None
    server: Server = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger(url: str | None, clock: Clock) -> AsyncIterator[Ledger]:
    async with ledger_of(url, clock) as opened:
        yield opened


def key() -> str:
    return uuid.uuid4().hex


async def turn(ledger: Ledger, *windows: Window, slots: tuple[Slots, ...] = (), lease: str = "") -> Shortage | None:
    return await ledger.take(windows, slots, lease or key(), 30.0)


async def test_what_is_full_says_when_it_is_not_any_more(ledger: Ledger, clock: Clock) -> None:
    window = Window(key(), 3, MINUTE)
    for _ in range(3):
        assert await turn(ledger, window) is None
        clock.now += 10
    short = await turn(ledger, window)
    assert short is not None and short.index == 0 and 30 <= short.wait <= 31
    clock.now += short.wait - 0.01
    assert await turn(ledger, window) is not None
    clock.now += 0.02
    assert await turn(ledger, window) is None
    assert await turn(ledger, window) is not None


async def test_what_is_refused_counts_nowhere(ledger: Ledger, clock: Clock) -> None:
    wide, narrow, slots = Window(key(), 2, DAY), Window(key(), 1, MINUTE), (Slots(key(), 2),)
    assert await turn(ledger, wide, narrow, slots=slots) is None
    for _ in range(5):
        refused = await turn(ledger, wide, narrow, slots=slots)
        assert refused is not None and refused.index == 1
    clock.now += 62
    assert await turn(ledger, wide, narrow) is None
    short = await turn(ledger, wide, narrow)
    assert short is not None and short.index == 0 and short.wait > 80_000  # that which lasts longest


async def test_a_budget_is_open_until_it_is_spent(ledger: Ledger, clock: Clock) -> None:
    budget = Window(key(), 1.5, DAY, "cost", takes=0)
    purse = Purse(budget.key, DAY, "cost", "USD")
    for _ in range(3):
        assert await turn(ledger, budget) is None
        await ledger.add([(purse, 0.5)])
        clock.now += 3_600
    short = await turn(ledger, budget)
    assert short is not None and 75_600 <= short.wait <= 75_600 + DAY / STEPS
    clock.now += short.wait + 0.01
    assert await turn(ledger, budget) is None
    await ledger.add([(purse, 40.25)])  # what is known only afterwards may go beyond it
    short = await turn(ledger, budget)
    assert short is not None and short.wait <= DAY + DAY / STEPS


async def test_a_place_is_free_when_it_is_given_back_or_its_time_is_over(ledger: Ledger, clock: Clock) -> None:
    slots = (Slots(key(), 2),)
    assert await turn(ledger, slots=slots, lease="a") is None
    assert await turn(ledger, slots=slots, lease="b") is None
    short = await turn(ledger, slots=slots, lease="c")
    assert short is not None and 0 < short.wait < 10
    await ledger.free([slots[0].key], "a")
    await ledger.free([slots[0].key], "a")
    await ledger.free([key()], "a")
    assert await turn(ledger, slots=slots, lease="c") is None
    await ledger.hold([slots[0].key], "c", 120.0)
    clock.now += 31
    assert await turn(ledger, slots=slots, lease="d") is None  # b's is over
    assert await turn(ledger, slots=slots, lease="e") is not None
    clock.now += 100
    assert await turn(ledger, slots=slots, lease="e") is None


async def test_people_who_are_not_there_any_more_are_forgotten() -> None:
    clock = Clock()
    ledger = MemoryLedger(clock)
    for number in range(1_000):
        windows = Window(f"{number} minute", 5, MINUTE), Window(f"{number} day", 5, DAY)
        assert await turn(ledger, *windows, slots=(Slots(f"{number} now", 1),)) is None
    assert len(ledger) == 3_000
    clock.now += 120
    await turn(ledger)
    assert len(ledger) == 1_000
    clock.now += DAY + DAY / STEPS
    await turn(ledger)
    assert len(ledger) == 0


STEP = st.tuples(st.floats(0, 40, width=32), st.integers(0, 2), st.sampled_from(["take", "spend", "free", "hold"]))


def in_both(server: Server, clock: Clock, call: Callable[[Ledger, Ledger], Awaitable[None]]) -> None:
    async def run() -> None:
        async with ledger_of(None, clock) as one, ledger_of(server.url, clock) as other:
            await call(one, other)

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=60), most=st.integers(1, 5), at_once=st.integers(1, 3))
def test_never_more_than_allowed_in_any_window_and_the_same_in_both(
    redis_server: Server, steps: list[tuple[float, int, str]], most: int, at_once: int
) -> None:
    clock, prefix = Clock(), key()
    let_in: list[float] = []

    async def play(one: Ledger, other: Ledger) -> None:
        window, budget = Window(f"{prefix}m", most, MINUTE), Window(f"{prefix}b", 4, 3 * MINUTE, "tokens", takes=0)
        slots, purse = (Slots(f"{prefix}s", at_once),), Purse(budget.key, budget.seconds, "tokens")
        for pause, lease, do in steps:
            clock.now += pause
            found = []
            for ledger in (one, other):
                if do == "take":
                    found.append(await ledger.take([window, budget], slots, str(lease), 50.0))
                elif do == "spend":
                    await ledger.add([(purse, lease + 0.25)])
                elif do == "free":
                    await ledger.free([slots[0].key], str(lease))
                else:
                    await ledger.hold([slots[0].key], str(lease), 90.0)
            if do != "take":
                continue
            mine, theirs = found
            assert (mine is None) == (theirs is None)
            if mine is None or theirs is None:
                let_in.append(clock.now)
                assert sum(clock.now - MINUTE <= each for each in let_in) <= most
                continue
            assert mine.index == theirs.index and math.isclose(mine.wait, theirs.wait, abs_tol=1e-4)
            if mine.index == 0:  # nobody is refused for what is long past
                assert sum(clock.now - MINUTE * (1 + 1 / STEPS) <= each for each in let_in) >= most
            if mine.index < 2:
                clock.now += mine.wait + 0.001
                again = await one.take([[window], [budget]][mine.index], (), str(lease), 50.0)
                assert again is None and await other.take([[window], [budget]][mine.index], (), str(lease), 1.0) is None
                if mine.index == 0:
                    let_in.append(clock.now)

    in_both(redis_server, clock, play)


@settings(max_examples=200, deadline=None)
@given(
    pauses=st.lists(st.one_of(st.just(0.0), st.floats(0, 90, width=32)), max_size=120),
    most=st.integers(1, 20),
    seconds=st.sampled_from([1, 7, MINUTE, DAY]),
)
def test_no_window_holds_more_than_allowed(pauses: list[float], most: int, seconds: int) -> None:
    async def play() -> None:
        clock = Clock()
        ledger, let_in = MemoryLedger(clock), list[float]()
        for pause in pauses:
            clock.now += pause * seconds / MINUTE
            if await turn(ledger, Window("one", most, seconds)) is None:
                let_in.append(clock.now)
        for first, last in zip(let_in, let_in[most:], strict=False):
            assert last - first > seconds

    asyncio.run(play())


async def test_many_at_once_get_exactly_what_there_is(url: str | None, clock: Clock) -> None:
    async with ledger_of(url, clock) as ledger:
        window, slots = Window(key(), 40, MINUTE), (Slots(key(), 7),)
        found = await asyncio.gather(*(turn(ledger, window, slots=slots) for _ in range(60)))
        assert sum(each is None for each in found) == 7
        found = await asyncio.gather(*(turn(ledger, window) for _ in range(60)))
        assert sum(each is None for each in found) == 33


async def test_no_name_reaches_the_redis(redis_server: Server) -> None:
    import redis

    async with ledger_of(redis_server.url, Clock()) as ledger:
        await turn(ledger, Window("person sign_in:grete@example.com portal", 1, MINUTE), slots=(Slots("grete now", 1),))
    with redis.Redis(port=redis_server.port) as client:
        assert client.dbsize() >= 2
        names = list(client.scan_iter())
        assert not [name for name in names if b"grete" in name]
        assert all(client.ttl(name) > 0 for name in names)
