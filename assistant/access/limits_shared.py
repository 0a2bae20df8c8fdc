"""Counts in a Redis, and in this process as long as that is away: limits become looser then, and nobody is shut out."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from assistant.access.limits_ledger import MemoryLedger, Purse, Shortage, Slots, Window
from assistant.access.limits_redis import LedgerAway, RedisLedger

AGAIN = 5.0
"""Seconds for which a Redis that did not answer is not asked: turns would wait for it. After them one turn tries."""
ResultT = TypeVar("ResultT")
log = logging.getLogger(__name__)


class SharedLedger:
    """``shared`` counts for all replicas; what it lets in is counted in ``own``, too, which knows enough to go on with
    while it is away. ``told`` hears whether it is."""

    def __init__(
        self,
        shared: RedisLedger,
        own: MemoryLedger,
        told: Callable[[bool], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared, self._own, self._told, self._clock = shared, own, told, clock
        self._away_until: float | None = None

    async def take(
        self, windows: Sequence[Window], slots: Sequence[Slots], lease: str, seconds: float
    ) -> Shortage | None:
        try:
            short = await self._ask(lambda: self._shared.take(windows, slots, lease, seconds), tries=True)
        except LedgerAway:
            return await self._own.take(windows, slots, lease, seconds)
        if short is None:
            self._own.note(windows, [each.key for each in slots], lease, seconds)
        return short

    async def hold(self, slots: Sequence[str], lease: str, seconds: float) -> None:
        await self._own.hold(slots, lease, seconds)
        await self._try(lambda: self._shared.hold(slots, lease, seconds))

    async def free(self, slots: Sequence[str], lease: str) -> None:
        await self._own.free(slots, lease)
        await self._try(lambda: self._shared.free(slots, lease))

    async def add(self, amounts: Sequence[tuple[Purse, float]]) -> None:
        await self._own.add(amounts)
        await self._try(lambda: self._shared.add(amounts))

    async def aclose(self) -> None:
        await self._shared.aclose()

    async def _try(self, call: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._ask(call)
        except LedgerAway:
            return

    async def _ask(self, call: Callable[[], Awaitable[ResultT]], *, tries: bool = False) -> ResultT:
        """Ask it; while it is away only who ``tries``, one at a time: the others would all wait with it."""
        if self._away_until is not None:
            if not tries or self._clock() < self._away_until:
                raise LedgerAway("asked a moment ago")
            self._away_until = self._clock() + AGAIN
        try:
            found = await call()
        except LedgerAway as error:
            if self._away_until is None:
                log.error("limits.store does not answer (%s): until it does, this process counts for itself", error)
                self._told(True)
            self._away_until = self._clock() + AGAIN
            raise
        if self._away_until is not None:
            log.warning("limits.store answers again")
            self._told(False)
            self._away_until = None
        return found
