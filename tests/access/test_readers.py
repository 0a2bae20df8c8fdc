"""Which collections there are for somebody, while the store comes and goes."""

import asyncio
from collections.abc import Collection
from typing import Any, cast

from assistant.access.readers import Readers
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
