"""``assistant ingest``: the simple way to bring documents in, and the rebuild of the index."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.common import FAILED, friendly, stop
from assistant.cli.work import Job, do, load, opened

if TYPE_CHECKING:
    from assistant.app import Assistant
    from assistant.cli.progress import Screen
    from assistant.config_file import Loaded
    from assistant.knowledge.happenings import Tell

COLLECTION = r"[a-z0-9][a-z0-9_-]{0,63}"
NOTHING = "there is nothing to ingest: name files or folders, or give a collection `sources` in assistant.yaml"


def run(config: Path | None, given: list[str], collection: str, rebuild: bool, force: bool) -> None:
    """Ingest and print a summary; exits with 1 if anything could not be read."""
    loaded = load(config)
    if not re.fullmatch(COLLECTION, collection):
        stop(f"'{collection}' cannot name a collection: use small letters, digits, - and _, as in my-docs")
    jobs = [rebuilding(force)] if rebuild else []
    if given:
        jobs.append(ingesting([absolute(each) for each in given], collection, force))
    elif not rebuild:
        if not any(each.sources for each in loaded.settings.collections.values()):
            stop(NOTHING)
        jobs.append(syncing(list(loaded.settings.collections), None, [], force))
    finish(loaded, jobs, whatever=rebuild)


def finish(loaded: Loaded, jobs: list[Job], *, whatever: bool = False) -> None:
    """Carry out jobs with a bar and a summary; exits with 1 if anything could not be done."""
    from assistant.cli.progress import Screen

    async def work(screen: Screen) -> None:
        async with opened(loaded, whatever=whatever) as worker:
            for job in jobs:
                await do(job, worker, screen.tell)

    screen = Screen()
    with friendly(), screen.bar():
        asyncio.run(work(screen))
    if screen.failed:
        raise SystemExit(FAILED)


def absolute(given: str) -> str:
    """A path as it is meant wherever it is read; addresses and demo: stay."""
    return given if re.match(r"https?://|demo:$", given) else os.path.abspath(os.path.expanduser(given))


def ingesting(given: list[str], collection: str, force: bool) -> Job:
    """Paths and addresses into a collection."""

    async def here(assistant: Assistant, tell: Tell) -> None:
        await assistant.ingest(given, collection, tell, force=force)

    return Job(here, "/api/v1/ingest", {"paths": given, "collection": collection, "force": force})


def syncing(
    collections: list[str] | None, collection: str | None, source: list[str], force: bool, engine: str = "local"
) -> Job:
    """Sources that are known: of these collections, of one, or some by name."""
    what: dict[str, Any] = {
        "collections": collections,
        "collection": collection,
        "source": source,
        "force": force,
        "engine": engine,
    }

    async def here(assistant: Assistant, tell: Tell) -> None:
        await assistant.sync(tell, **what)

    return Job(here, "/api/v1/sources/sync", what)


def rebuilding(force: bool) -> Job:
    """The index anew."""

    async def here(assistant: Assistant, tell: Tell) -> None:
        await assistant.rebuild(tell, force=force)

    return Job(here, "/api/v1/collections/rebuild", {"force": force})
