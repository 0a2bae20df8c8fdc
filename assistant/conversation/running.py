"""Turns as they run: every event recorded, however they end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any

from assistant.access.limits import RENEWED, Limiter
from assistant.access.limits_ledger import Grant
from assistant.conversation.engine import Engine
from assistant.conversation.events import Event, Failed, Finished
from assistant.conversation.keeping import Keeper
from assistant.conversation.record import Record
from assistant.conversation.spending import Spending
from assistant.conversation.turn import Turn
from assistant.records.repository import RecordsError, Repository
from assistant.telemetry import Metrics

PATIENCE = 0.1
"""Seconds for which the end of an answer waits until its place is free elsewhere, too."""
log = logging.getLogger(__name__)


class Runs:
    """Runs turns and knows which are running."""

    def __init__(self, records: Repository, metrics: Metrics, limiter: Limiter) -> None:
        self._records = records
        self._metrics = metrics
        self._limiter = limiter
        self._spending = Spending()
        self._keeper = Keeper(records)
        self._running: dict[str, set[asyncio.Event]] = {}
        self._saving: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Wait until what is being recorded is. A turn whose stream nobody closes is not waited for."""
        while self._saving:
            await asyncio.gather(*self._saving, return_exceptions=True)

    async def settled(self, conversation: str, seconds: float) -> None:
        """Wait until no turn of a conversation is running, at most so long."""
        waits = [event.wait() for event in self._running.get(conversation, ())]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waits), seconds)

    async def run(self, engine: Engine, turn: Turn) -> AsyncGenerator[Event]:
        """The turn's events, recorded. A stream that is closed early is recorded as stopped, with its text."""
        record = Record()
        watched = self._metrics.turn(turn)
        done = asyncio.Event()
        self._running.setdefault(turn.conversation, set()).add(done)
        self._keeper.watch(turn.id, record)
        holding = asyncio.create_task(self._hold(turn.grant)) if turn.grant.slots else None
        try:
            await self._limiter.runs(turn.grant)
            async with aclosing(engine.run(turn)) as events:
                async for event in events:
                    record.take(event)
                    watched.take(event)
                    if isinstance(event, Finished | Failed):
                        _ended(holding)
                        await self._kept(turn, record)
                    yield event
        finally:
            watched.end()
            self._keeper.release(turn.id)
            _ended(holding)
            try:
                if record.status == "stopped":
                    await self._kept(turn, record)
            finally:
                self._settle(turn.conversation, done)

    async def _hold(self, grant: Grant) -> None:
        """Say again and again that a turn still runs: its model may be silent for longer than its place is held."""
        while True:
            await asyncio.sleep(RENEWED)
            await self._limiter.runs(grant)

    async def drop(self, turn: Turn) -> None:
        """Record a turn that nobody runs as stopped, and give its place back."""
        await self._kept(turn, Record())

    def _settle(self, conversation: str, done: asyncio.Event) -> None:
        done.set()
        running = self._running.get(conversation, set())
        running.discard(done)
        if not running:
            self._running.pop(conversation, None)

    async def _kept(self, turn: Turn, record: Record) -> None:
        """Record the turn, and give its place back before anybody hears of its end. Shielded: whoever stops it must
        not also stop that."""
        await asyncio.shield(self._beside(self._save(turn, record)))

    def _beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)
        return task

    async def _save(self, turn: Turn, record: Record) -> None:
        """What cannot be recorded is logged: the reader has the answer all the same."""
        try:
            await self._records.end_turn(turn.id, answer=record.answer(), status=record.status, events=record.columns)
        except RecordsError:
            log.exception("turn %s could not be recorded", turn.id)
        finally:
            ending = self._beside(self._limiter.ended(turn.grant, self._spending.of(turn, record)))
            await asyncio.wait([ending], timeout=PATIENCE)


def _ended(holding: asyncio.Task[None] | None) -> None:
    if holding is not None:
        holding.cancel()
