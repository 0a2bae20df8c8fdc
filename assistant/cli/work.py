"""Work on the collections: in this process, or by the server that runs on the same data folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.common import friendly, load_settings, prepare_data
from assistant.cli.remote import RemoteError, Running

if TYPE_CHECKING:
    from assistant.app import Assistant
    from assistant.config_file import Loaded
    from assistant.knowledge.happenings import Tell


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do: how it is done here, and the request that has a server do it."""

    here: Callable[[Assistant, Tell], Awaitable[None]]
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    whatever: bool = False
    """It can be done where the index does not fit the settings."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something to look up or to change at once; its answer is JSON."""

    here: Callable[[Assistant], Awaitable[dict[str, Any]]]
    method: str
    path: str
    body: dict[str, Any] | None = None
    whatever: bool = False


def load(config: Path | None, *, level: str | None = None) -> Loaded:
    """The settings, with their data folder made."""
    loaded = load_settings(config, level=level)
    prepare_data(loaded.settings.data)
    return loaded


def build(loaded: Loaded, *, whatever: bool = False) -> Assistant:
    """The assistant of a command."""
    from assistant.app import build_assistant

    return build_assistant(loaded.settings, own_files=[loaded.path] if loaded.path else [], whatever=whatever)


@asynccontextmanager
async def opened(loaded: Loaded, *, whatever: bool = False) -> AsyncIterator[Assistant | Running]:
    """An assistant of our own, or the running server that has it."""
    from assistant.knowledge.store import StoreLocked

    running = Running.read(loaded.settings.data)
    if running is not None and await running.answers():
        yield running
        return
    assistant = build(loaded, whatever=whatever)
    try:
        await assistant.__aenter__()
    except StoreLocked:
        running = Running.read(loaded.settings.data)
        if running is None:
            raise
        yield running
        return
    try:
        yield assistant
    finally:
        await assistant.__aexit__(None, None, None)


async def do(job: Job, worker: Assistant | Running, tell: Tell) -> None:
    """Carry a job out. Raises what it raises here, and RemoteError for what a server says."""
    from assistant.knowledge.happenings import decode

    if not isinstance(worker, Running):
        await job.here(worker, tell)
        return
    async for event in worker.stream(job.path, job.body):
        if event["type"] == "failed":
            raise RemoteError(event["message"], mistake=event["mistake"])
        if event["type"] != "done":
            tell(decode(event))


def ask(config: Path | None, question: Question) -> dict[str, Any]:
    """The answer to a question; ends the program where there is none."""
    loaded = load(config, level="error")

    async def answer() -> dict[str, Any]:
        async with opened(loaded, whatever=question.whatever) as worker:
            if isinstance(worker, Running):
                found: dict[str, Any] = await worker.call(question.method, question.path, question.body)
                return found
            return await question.here(worker)

    with friendly():
        return asyncio.run(answer())
