"""Long work on the collections, one piece at a time, that goes on whoever looks: a page may come and go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.happenings import Began, Ended, Happening, Mistake, NotDone, Removed, Tell
from assistant.knowledge.outcome import Progress
from assistant.knowledge.store import StoreError
from assistant.records.repository import RecordsError

log = logging.getLogger(__name__)
State = Literal["running", "done", "stopped", "failed"]
SHOWN_FAILURES = 200


@dataclass(slots=True)
class Job:
    """A piece of work and how far it is. ``counts`` are documents by outcome, over all sources; ``done`` of ``total``
    are those of the source at hand, which began at ``since`` (monotonic seconds)."""

    title: str
    admins: bool = False
    """Whether only admins may begin and stop such work."""
    state: State = "running"
    message: str = ""
    source: str = ""
    place: int = 0
    of: int = 0
    done: int = 0
    total: int = 0
    chunks: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    forcible: bool = False
    """It ended without its aim, and can be told to reach it all the same."""
    began: float = field(default_factory=time.monotonic)
    since: float = field(default_factory=time.monotonic)
    over: float | None = None

    @property
    def seconds(self) -> float:
        """Since it began, until it was over."""
        return (self.over or time.monotonic()) - self.began

    @property
    def rate(self) -> float:
        """Documents a second, of the source at hand."""
        return self.done / max((self.over or time.monotonic()) - self.since, 0.001)

    @property
    def remaining(self) -> float | None:
        """Seconds that the source at hand still takes at this rate; None until a few documents are done."""
        return (self.total - self.done) / self.rate if self.done >= 3 else None

    def tell(self, happening: Happening) -> None:
        """Take in the next happening."""
        if isinstance(happening, Progress):
            self.done, self.total = happening.done, happening.total
            self.chunks += happening.chunks
            self.counts[happening.outcome] += 1
            if happening.outcome == "failed" and len(self.failed) < SHOWN_FAILURES:
                self.failed.append((happening.uri, happening.reason))
        elif isinstance(happening, Began):
            self.source = f"{happening.collection}: {happening.label}"
            self.place, self.of = happening.place, happening.of
            self.done, self.total, self.since = 0, 0, time.monotonic()
        elif isinstance(happening, Ended):
            self.ended.append(happening)
        elif isinstance(happening, Removed):
            self.removed.append(happening)
        else:
            self.notes.append(happening.text)


@dataclass(slots=True)
class Jobs:
    """The work that runs, or that ran last."""

    job: Job | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether there is work going on."""
        return self._task is not None and not self._task.done()

    def start(self, title: str, work: Callable[[Tell], Awaitable[None]], *, admins: bool = False) -> Job:
        """Begin it, in a task of its own. Raises Mistake while other work of the desk goes on."""
        if self.running:
            raise Mistake("other work on the documents is still going on: wait for its end, or stop it")
        self.job = job = Job(title, admins)
        self._task = asyncio.create_task(self._run(job, work))
        return job

    def forget(self) -> None:
        """Forget work that is over."""
        if not self.running:
            self.job = None

    async def stop(self) -> None:
        """Stop what runs: what is written stays, and the next sync goes on from there."""
        if self._task is not None and self.running:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, seconds: float) -> None:
        """Until the work is over, or for so long."""
        if self._task is not None and self.running:
            await asyncio.wait([self._task], timeout=seconds)

    async def _run(self, job: Job, work: Callable[[Tell], Awaitable[None]]) -> None:
        try:
            await work(job.tell)
        except asyncio.CancelledError:
            job.state, job.message = "stopped", "Stopped. What was done stays; the next sync goes on from there."
        except (Mistake, NotDone, StoreError, EmbedderError, RecordsError) as error:
            job.state, job.message, job.forcible = "failed", str(error), isinstance(error, NotDone)
        except Exception:  # nobody else waits for this task, and people must hear that it is over
            log.exception("work on the collections failed")
            job.state, job.message = "failed", "something unexpected happened; the server's log has it"
        else:
            job.state = "done"
        finally:
            job.over = time.monotonic()
