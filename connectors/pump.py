"""Reads a stream in a task of its own, so that whoever waits for it can stop waiting whatever the stream does.

A stream that is awaited directly can only be left by cancelling it, and one that swallows the cancellation, or hangs
while it cleans up, would hold its reader for ever. It also starts, runs and ends in one task here, as cancel scopes and
context variables inside of a provider's library want it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable

from connectors.base import Delta
from connectors.errors import ProtocolError
from connectors.wrapper import Closing

AHEAD = 32
"""Deltas that may wait for the reader; then the stream waits."""
MANY, BREATH, WAITED = 10, 0.01, 0.001
"""With more streams than ``MANY`` at once, one whose delta had to be waited for (``WAITED`` seconds) is left alone for
``BREATH`` seconds for each of them: what has come by then is read in one go, half the work of a token at a time."""
LONGEST_BREATH = 0.3
CLOSING = 2.0
"""Seconds that a stream has to close; then it is left behind, cancelled once more."""

log = logging.getLogger(__name__)
_closing: set[asyncio.Task[None]] = set()


class Late(Exception):
    """The deadline passed, and nothing came."""


class Pump:
    """One stream being read. Made in a running loop; ``aclose`` is owed.

    Cheap on purpose: deltas that are there are taken without a switch of tasks, and one timer serves all the waiting.
    """

    _at_once = 0

    def __init__(self, name: str, start: Callable[[], AsyncIterator[Delta]]) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._deltas: deque[Delta] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None
        self._over = self._left = False
        self._task = self._loop.create_task(self._run(start))

    def now(self) -> float:
        """Seconds of the loop's clock, which deadlines are measured on."""
        return self._loop.time()

    def take(self) -> Delta | None:
        """The next delta if one is there."""
        if not self._deltas:
            return None
        if self._room is not None and len(self._deltas) <= AHEAD // 2:
            _set(self._room)
        return self._deltas.popleft()

    async def wait(self, deadline: float) -> Delta | None:
        """The next delta, or None at the end. Raises Late at ``deadline``, and whatever the stream raised."""
        while not self._deltas:
            if self._over:
                if self._error is not None:
                    raise self._error
                return None
            if self._loop.time() >= deadline:
                raise Late
            self._ring_at(deadline)
            self._wake = self._loop.create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        return self.take()

    async def aclose(self) -> None:
        """Stop the stream; returns after ``CLOSING`` seconds at the latest."""
        self._left = True
        if self._timer is not None:
            self._timer.cancel()
        task = self._task
        if task.done():
            return
        _closing.add(task)
        task.add_done_callback(_closing.discard)
        task.cancel()
        await asyncio.wait({task}, timeout=CLOSING)
        if not task.done():
            task.cancel()
            log.warning("%s: a stream did not close within %g seconds and was left behind", self._name, CLOSING)

    async def _run(self, start: Callable[[], AsyncIterator[Delta]]) -> None:
        Pump._at_once += 1
        try:
            async with Closing(start()) as stream:
                asked = self._loop.time()
                async for delta in stream:
                    if not isinstance(delta, Delta):
                        raise ProtocolError(f"{self._name}: its connector yields {type(delta).__name__}, not Delta")
                    self._deltas.append(delta)
                    _set(self._wake)
                    if len(self._deltas) >= AHEAD:
                        await self._wait_for_room()
                    elif Pump._at_once > MANY and self._loop.time() - asked >= WAITED:
                        await asyncio.sleep(min(BREATH * Pump._at_once, LONGEST_BREATH))
                    asked = self._loop.time()
        except Exception as error:
            self._error = error
        except BaseException as error:  # a library that cancels its own work, or raises a group that holds such
            if self._left or isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
                raise
            self._error = ProtocolError(f"{self._name}: the provider's library gave up on its own. Ask again")
            self._error.__cause__ = error
        finally:
            Pump._at_once -= 1
            self._over = True
            _set(self._wake)

    async def _wait_for_room(self) -> None:
        self._room = self._loop.create_future()
        try:
            await self._room
        finally:
            self._room = None

    def _ring_at(self, deadline: float) -> None:
        """A timer that rings too early is left as it is: ``wait`` looks at the clock and sets it again."""
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        _set(self._wake)


def _set(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
