"""Running turns are recorded as they grow, so that a killed server has lost none of what people saw."""

from __future__ import annotations

import asyncio
import logging

from assistant.conversation.record import Record
from assistant.records.repository import Partial, Repository

log = logging.getLogger(__name__)
SECONDS = 1.0


class Keeper:
    """Records all running turns once every ``SECONDS``, in one transaction and beside their streams: nobody who reads
    an answer waits for it."""

    def __init__(self, records: Repository) -> None:
        self._records = records
        self._running: dict[str, Record] = {}
        self._kept: dict[str, set[str]] = {}
        self._task: asyncio.Task[None] | None = None
        self._writing = False

    def watch(self, turn: str, record: Record) -> None:
        """From now on, record what this turn has yielded."""
        self._running[turn] = record
        self._kept[turn] = set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep())

    def release(self, turn: str) -> None:
        """The turn has ended, and somebody else records how."""
        self._running.pop(turn, None)
        self._kept.pop(turn, None)
        if not self._running and self._task is not None and not self._writing:
            self._task.cancel()
            self._task = None

    async def _keep(self) -> None:
        while self._running:
            await asyncio.sleep(SECONDS)
            self._writing = True
            try:
                await self._write()
            except Exception:  # whatever it is, the answers go on, and their ends are recorded by somebody else
                log.exception("running turns could not be recorded")
            finally:
                self._writing = False

    async def _write(self) -> None:
        partials = [
            Partial(
                turn,
                record.answer(),
                {name: each for name, each in record.columns.items() if name not in self._kept[turn]},
            )
            for turn, record in self._running.items()
        ]
        await self._records.keep(partials)
        for each in partials:
            self._kept.get(each.turn, set()).update(each.events)
