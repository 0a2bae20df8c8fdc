"""Which collections there are for somebody, while the store comes and goes."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest

from assistant.access import readers as module
from assistant.access.readers import AWAY, SECONDS, Readers
from assistant.knowledge.store import StoreUnavailable
from assistant.settings import Settings


class Base:
    """A document base whose store can be away; it counts how often it is asked."""

    def __init__(self) -> None:
        self.away, self.asked = False, 0
        self.live = self.index = self

    async def look_again(self) -> None:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.away:
            raise StoreUnavailable("away")

    async def collections(self) -> Any:
        return {"demo": 3}


class Made:
    changes = 0

    async def of_commands(self) -> Collection[str]:
        return ()


async def test_whoever_comes_first_together_is_not_told_that_there_is_nothing() -> None:
    readers = Readers(cast(Any, Base()), cast(Any, Made()))
    found = await asyncio.gather(*(readers.of(Settings(), "portal", ()) for _ in range(5)))
    assert found == [frozenset({"demo"})] * 5


async def test_while_the_store_is_away_what_was_known_counts_and_nobody_waits_in_line() -> None:
    base, made = Base(), Made()
    readers, settings = Readers(cast(Any, base), cast(Any, made)), Settings()
    await readers.of(settings, "portal", ())
    base.away, made.changes = True, 1
    found = await asyncio.gather(*(readers.of(settings, "portal", ()) for _ in range(5)))
    assert found == [frozenset({"demo"})] * 5 and base.asked == 2


async def test_those_who_come_while_it_is_read_again_go_on_together() -> None:
    """One after the other, each would wait for what those before do next."""
    base, settings = Base(), Settings()
    readers = Readers(cast(Any, base), cast(Any, Made()))
    await readers.of(settings, "portal", ())
    readers._at -= SECONDS
    going = 0

    async def come() -> int:
        nonlocal going
        await readers.of(settings, "portal", ())
        going += 1
        await asyncio.sleep(0)
        return going

    assert await asyncio.gather(*(come() for _ in range(5))) == [5] * 5 and base.asked == 2


async def test_what_changes_while_it_is_read_is_read_again_and_the_older_reading_does_not_count() -> None:
    base, made, settings = Base(), Made(), Settings()
    held, there = asyncio.Event(), {"demo": 3}

    async def collections() -> Any:
        found = dict(there)
        if base.asked == 1:
            await held.wait()
        return found

    base.collections = collections  # type: ignore[method-assign]
    readers = Readers(cast(Any, base), cast(Any, made))
    early = asyncio.create_task(readers.of(settings, "portal", ()))
    await asyncio.sleep(0.05)
    there.clear()
    made.changes = 1
    async with asyncio.timeout(5):
        assert await readers.of(settings, "portal", ()) == frozenset()
    held.set()
    assert await early == {"demo"}, "what there was when it came"
    assert await readers.of(settings, "portal", ()) == frozenset() and base.asked == 2


async def test_one_who_goes_does_not_take_the_reading_along_and_a_fault_is_told_to_all() -> None:
    base, settings = Base(), Settings()
    readers = Readers(cast(Any, base), cast(Any, Made()))
    gone, waits = (asyncio.create_task(readers.of(settings, "portal", ())) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await waits == {"demo"} and base.asked == 1
    base.away = True
    fresh = Readers(cast(Any, base), cast(Any, Made()))
    told = await asyncio.gather(*(fresh.of(settings, "portal", ()) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [StoreUnavailable] * 3 and base.asked == 2
    base.away = False
    assert await fresh.of(settings, "portal", ()) == {"demo"}


@pytest.mark.parametrize("groups", [(), ("staff",)])
async def test_what_is_remembered_is_not_read_again(groups: Collection[str]) -> None:
    base, settings = Base(), Settings()
    readers = Readers(cast(Any, base), cast(Any, Made()))
    for _ in range(3):
        assert await readers.of(settings, "portal", groups) == {"demo"}
    assert base.asked == 1


async def test_a_store_that_takes_long_to_say_that_it_is_away_is_not_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hanging(Base):
        async def look_again(self) -> None:
            clock.now += 2 * AWAY if self.away else 0.0
            await super().look_again()

    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    base, settings = Hanging(), Settings()
    readers = Readers(cast(Any, base), cast(Any, Made()))
    await readers.of(settings, "portal", ())
    base.away = True
    clock.now += SECONDS
    for _ in range(3):
        assert await readers.of(settings, "portal", ()) == {"demo"}
    assert base.asked == 2
