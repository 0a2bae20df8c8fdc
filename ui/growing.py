"""An answer as it grows, in steps that a page can follow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from assistant.conversation.ahead import calm
from assistant.conversation.events import TextDelta
from assistant.conversation.service import ChatService
from assistant.conversation.turn import Turn
from assistant.conversation.wire import encode
from ui.encode import Shown

REFRESH = 0.1
"""Seconds between updates of a streaming answer; per token the browser falls behind on long conversations."""
AT_EASE = 7
"""Answers that grow at once with updates as often as that; with twice as many each comes half as often."""
PAUSE = 3
"""How many times as long as a step took until the next one, so that the server is never busy with steps alone."""
PATIENCE = 0.25
"""Seconds that a step waits at most for turns that are being understood: their first word comes before further ones."""


class Growing:
    """Runs a turn from now on, in a task of its own: the model is asked while the page still shows what was said
    before, and the last words are on the page while the answer is being checked. ``aclose`` stops the turn."""

    _at_once = 0

    def __init__(self, service: ChatService, turn: Turn, shown: Shown) -> None:
        self.shown = shown
        self._changed = asyncio.Event()
        self._unseen = False
        self._worded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(service, turn))

    async def steps(self) -> AsyncGenerator[Shown]:
        """What is there of the answer, now and then until it is over. Raises what the turn raises."""
        due, until = 0.0, {self._running, self._worded}
        while await self._changed.wait():
            await asyncio.wait(until, timeout=max(0.0, due - time.monotonic()), return_when=asyncio.FIRST_COMPLETED)
            if self._running.done() or self.shown.checked:
                break  # nothing but its record is missing, and from that the page has all of it in a moment
            self._changed.clear()
            if self._worded not in until:
                await calm(PATIENCE)
            elif self._worded.done():  # the first word waits for nothing, and those after it for everybody's first
                until.discard(self._worded)
            began, self._unseen = time.monotonic(), False
            yield self.shown
            # A step that took long, also because others are served, is followed by a longer pause.
            due = began + max(REFRESH * max(1.0, Growing._at_once / AT_EASE), PAUSE * (time.monotonic() - began))
        if self._unseen and Growing._at_once < AT_EASE:
            # The last words: what follows is read from the records, which takes a while in a long conversation.
            yield self.shown
        await self._running

    async def aclose(self) -> None:
        """Stop the turn, if it is not over, and wait until it is recorded."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self, service: ChatService, turn: Turn) -> None:
        Growing._at_once += 1
        try:
            async with aclosing(service.run(turn)) as events:
                async for event in events:
                    self.shown.take(encode(event))
                    if isinstance(event, TextDelta):
                        self._unseen = True
                        if not self._worded.done():
                            self._worded.set_result(None)
                    self._changed.set()
        finally:
            Growing._at_once -= 1
            self._changed.set()
