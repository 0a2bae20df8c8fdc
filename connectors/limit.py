"""No more at once than a model may have: the others wait their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from connectors.base import ChatModel, ChatRequest, Delta
from connectors.errors import ConfigurationError, Resting
from connectors.wrapper import Closing, Wrapper

LONGEST_WAIT = 30.0


class LimitedModel(Wrapper):
    """At most ``places`` streams of ``inner`` at once; the others wait in the order in which they came, and raise
    Resting after ``longest_wait`` seconds. A stream holds its place from its first step until it ends or is closed."""

    def __init__(self, inner: ChatModel, *, places: int, longest_wait: float = LONGEST_WAIT) -> None:
        if places < 1:
            raise ConfigurationError(f"models.{inner.name}.concurrency must be 1 or more, or null for no limit")
        super().__init__(inner)
        self.places = places
        self.busy = 0
        self.waiting = 0
        self._longest_wait = longest_wait
        self._free = asyncio.Semaphore(places)

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        await self._take_place()
        self.busy += 1
        try:
            async with Closing(self.inner.stream(request)) as stream:
                async for delta in stream:
                    yield delta
        finally:
            self.busy -= 1
            self._free.release()

    async def _take_place(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        self.waiting += 1
        try:
            async with asyncio.timeout(self._longest_wait):
                await self._free.acquire()
        except TimeoutError:
            raise Resting(
                f"{self.name} has as much to do as it may ({self.places} answers at once), and no place came free in "
                f"{self._longest_wait:g} seconds. Try again in a moment; models.{self.name}.concurrency sets how many"
            ) from None
        finally:
            self.waiting -= 1
