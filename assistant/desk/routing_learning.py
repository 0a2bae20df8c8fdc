"""Learning from the desk: one task at a time, in a process of its own, watched by whoever looks."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from assistant.records.corrections import labelled
from assistant.records.repository import Repository
from assistant.routing import retrain
from assistant.settings import Settings

log = logging.getLogger(__name__)
Task = Literal["retrain", "compare", "measure"]
Then = Literal["use", "shadow", "try"]
LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of a line that the process may send: two versions may differ in many turns."""
LOOK = 0.3
"""Seconds between two looks at how far it is."""
NOTHING_SAID = "Nobody has corrected a route yet, so there is nothing to learn from. Label some turns first."
BUSY = "Something is being learnt or measured already. Wait until that is done."
ENDED = "The process that learns ended before it was done. The log says why."


@dataclass(frozen=True, slots=True)
class State:
    """How far the task is: ``done`` of ``of`` (0 where unknown), then what was ``found``, or the message of why it
    ``failed``. ``task`` is None before the first one."""

    task: Task | None = None
    running: bool = False
    what: str = ""
    done: int = 0
    of: int = 0
    found: Mapping[str, Any] | None = None
    failed: str = ""


class LearningError(Exception):
    """A task cannot be begun; the message says why."""


class Learning:
    """Runs tasks for a data folder. What runs goes on when whoever began it leaves, and ends with the server."""

    def __init__(self, records: Repository) -> None:
        self._records = records
        self._state = State()
        self._last: dict[str, Mapping[str, Any]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """Of the task that runs or ran last."""
        return self._state

    def found(self, task: Task) -> Mapping[str, Any] | None:
        """What the last such task found, since the server began."""
        return self._last.get(task)

    async def retrain(self, settings: Settings, then: Then, accepted: list[str]) -> None:
        """Begin to fit heads to all corrections. Raises LearningError and RecordsError."""
        turns = await labelled(self._records)
        if not turns:
            raise LearningError(NOTHING_SAID)
        self._begin("retrain", settings, corrections=[each.to_json() for each in turns], then=then, accepted=accepted)

    def compare(self, settings: Settings, old: str, new: str) -> None:
        """Begin to hold two versions against each other on turns held apart. Raises LearningError."""
        self._begin("compare", settings, old=old, new=new)

    def measure(self, settings: Settings, version: str) -> None:
        """Begin to measure a version on turns held apart. Raises LearningError."""
        self._begin("measure", settings, version=version)

    async def watch(self) -> AsyncGenerator[State]:
        """The state now and whenever it changes, until nothing runs."""
        shown = None
        while True:
            state = self._state
            if state != shown:
                shown = state
                yield state
            if not state.running:
                return
            await asyncio.sleep(LOOK)

    def _begin(self, task: Task, settings: Settings, **needs: Any) -> None:
        if self._state.running:
            raise LearningError(BUSY)
        costs = settings.router.costs
        given = {
            "task": task,
            "data": str(settings.data),
            "missed_lookup": float(costs.missed_lookup),
            "needless_lookup": float(costs.needless_lookup),
            "voice_threshold": float(settings.router.voice_threshold),
            "examples": str(retrain.EXAMPLES),
            "held_apart": str(retrain.HELD_APART),
            **needs,
        }
        self._state = State(task, running=True, what="Starting")
        self._task = asyncio.create_task(self._run(task, given))

    async def _run(self, task: Task, given: Mapping[str, Any]) -> None:
        try:
            await self._worked(given)
        except Exception:  # nobody else waits for this task: it is logged, and the page says that it ended
            log.exception("the router's %s failed", task)
        finally:
            found, failed = self._state.found, self._state.failed
            if found is None and not failed:
                failed = ENDED
            if found is not None:
                self._last[task] = found
            self._state = replace(self._state, running=False, failed=failed)

    async def _worked(self, given: Mapping[str, Any]) -> None:
        """The module is started by its name, as this program was; what it logs goes where this program's log goes."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "assistant.desk.routing_work",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(given).encode() + b"\n")
            process.stdin.close()
            async for line in process.stdout:
                self._state = replace(self._state, **json.loads(line))
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
