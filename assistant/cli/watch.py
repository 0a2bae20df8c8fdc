"""``assistant sources sync --watch``: syncs, then again whenever something changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from assistant.cli.common import console, friendly, stop
from assistant.cli.ingest import syncing
from assistant.cli.remote import RemoteError, Running
from assistant.cli.work import do, opened

if TYPE_CHECKING:
    from assistant.config_file import Loaded
    from assistant.knowledge.watching import Watched

UNITS = {"s": 1, "m": 60, "h": 3600, "": 60}


def seconds(every: str) -> float:
    """``10m``, ``30s`` or ``2h`` in seconds; a number alone is minutes. Ends the program for anything else."""
    match = re.fullmatch(r"(\d+)([smh]?)", every.strip())
    if match is None or not int(match[1]):
        stop(f"--every must be a time such as 30s, 10m or 2h, got '{every}'")
    return int(match[1]) * UNITS[match[2]]


def follow(loaded: Loaded, collection: str | None, source: list[str], force: bool, every: str) -> None:
    """Sync and keep in step until Ctrl+C. A pass that fails is told, and watching goes on."""
    from assistant.cli.progress import Screen
    from assistant.knowledge.watching import keep_in_step

    pause = seconds(every)

    async def work() -> None:
        async with opened(loaded) as worker:
            first = Screen()
            with first.bar():
                await do(syncing(None, collection, source, force), worker, first.tell)
            console(stderr=True).print("[dim]Watching; stop it with Ctrl+C[/]")

            async def sources() -> list[Watched]:
                return await watched(worker, collection, source)

            async def sync(changed: Sequence[Watched]) -> None:
                for name in dict.fromkeys(each.collection for each in changed):
                    ids = [each.id for each in changed if each.collection == name]
                    screen = Screen(quiet=True)
                    try:
                        with screen.bar():
                            await do(syncing(None, name, ids, False), worker, screen.tell)
                    except RemoteError as error:
                        console(stderr=True).print(f"[yellow]{error}[/]", markup=True)

            await keep_in_step(sources, sync, watch=True, every=pause, avoid=[loaded.settings.data])

    with friendly():
        asyncio.run(work())


async def watched(worker: object, collection: str | None, source: list[str]) -> list[Watched]:
    """The sources that are meant, as they are known now."""
    from assistant.app import Assistant
    from assistant.knowledge.watching import Watched

    assert isinstance(worker, Assistant | Running)
    found = await worker.call("GET", "/api/v1/sources") if isinstance(worker, Running) else await worker.list_sources()
    return [
        Watched(row["collection"], row["id"], row["kind"], row["location"])
        for row in found["sources"]
        if not row["left"]
        and collection in (None, row["collection"])
        and (not source or {row["id"], row["location"]} & set(source))
    ]
