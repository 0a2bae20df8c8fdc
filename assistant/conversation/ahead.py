"""What is found out about a turn while it is being recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from assistant.knowledge.retrieve import Found
    from assistant.routing.classifier import Embedded, Scores

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """Work on a turn that runs already: its vector, its scores, and what was found with the fault that kept the search
    from it, None where the search waits for the turn's files. ``by`` is the engine that does it, ``began`` the moment
    of ``time.perf_counter`` since when. Faults wait for whoever asks; where nobody does, since the turn is not run,
    they are nobody's."""

    by: object
    began: float
    embedding: Awaitable[Embedded]
    scores: Awaitable[Scores]
    found: Awaitable[tuple[Found, Exception | None]] | None

    def of(self, engine: object) -> Self | None:
        """Itself for the engine that does the work; another one, by newer settings, begins anew."""
        return self if self.by is engine else None


_at_work: set[asyncio.Future[Any]] = set()


def begun(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """``work`` as a task whose fault is lost where nobody asks for it."""
    task = asyncio.create_task(work)
    _at_work.add(task)
    task.add_done_callback(_over)
    return task


def taken_in(prepare: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """While ``prepare`` reads, lets in and records a turn, that is being understood, too."""

    @wraps(prepare)
    async def prepared(*args: P.args, **kwargs: P.kwargs) -> T:
        until: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _at_work.add(until)
        try:
            return await prepare(*args, **kwargs)
        finally:
            _at_work.discard(until)
            until.set_result(None)

    return prepared


def _over(task: asyncio.Task[Any]) -> None:
    _at_work.discard(task)
    if not task.cancelled():
        task.exception()


async def calm(most: float) -> None:
    """Let those go first who wait for their first word: returns when no turn is being understood, after ``most``
    seconds at the latest."""
    if _at_work:
        await asyncio.wait(set(_at_work), timeout=most)
