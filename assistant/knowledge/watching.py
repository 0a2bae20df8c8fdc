"""Keeps sources in step by themselves: folders and files as they change, all of them every so often.

Folders are watched through the system. Single files are looked at, because an editor that replaces a file ends a
watch of it. Neither sees changes on every network drive; the look at everything does.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)
QUIET_MS = 1600
"""How long changes are gathered, while more come, before they are followed."""
FILE_SECONDS = 2.0
AGAIN_SECONDS = 30.0
"""Between tries to watch what cannot be watched now, such as a drive that is not mounted."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A source, as far as watching needs to know it."""

    collection: str
    id: str
    kind: str
    location: str


ListSources = Callable[[], Awaitable[Sequence[Watched]]]
Follow = Callable[[Sequence[Watched]], Awaitable[None]]


async def keep_in_step(
    sources: ListSources, follow: Follow, *, watch: bool, every: float, avoid: Sequence[Path] = ()
) -> None:
    """Call ``follow`` with the sources that have changed, and each ``every`` seconds (0: never) with all. Runs until
    it is cancelled; what ``follow`` raises is logged, and it goes on. Below ``avoid`` nothing is watched."""

    async def safely(found: Sequence[Watched]) -> None:
        try:
            await follow(found)
        except Exception:  # whatever one pass meets, the next change must still be followed
            log.exception("a sync failed; watching goes on")

    async with asyncio.TaskGroup() as tasks:
        if every:
            tasks.create_task(_again_and_again(lambda: _look_at_all(sources, safely, every)))
        if watch:
            tasks.create_task(_again_and_again(lambda: _watch_folders(sources, safely, avoid)))
            tasks.create_task(_again_and_again(lambda: _watch_files(sources, safely)))


async def _again_and_again(watch: Callable[[], Awaitable[None]]) -> None:
    """A fault, of the records database say, only makes a pause."""
    while True:
        try:
            await watch()
        except Exception:  # a drive that is gone, or the database: both come back
            log.exception("watching the sources failed; it is tried again")
        await asyncio.sleep(AGAIN_SECONDS)


async def _look_at_all(sources: ListSources, follow: Follow, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        await follow(await sources())


async def _watch_files(sources: ListSources, follow: Follow) -> None:
    before: dict[Watched, object] = {}
    while True:
        files = [each for each in await sources() if each.kind == "file"]
        now = dict(zip(files, await asyncio.to_thread(_look, files), strict=True))
        changed = [each for each in files if each in before and now[each] is not None and now[each] != before[each]]
        before = {each: now[each] or before.get(each) for each in files}
        if changed:
            await follow(changed)
        await asyncio.sleep(FILE_SECONDS)


def _look(files: Sequence[Watched]) -> list[tuple[int, int, int] | None]:
    """What tells two states of a file apart; None where there is none."""

    def look(file: Watched) -> tuple[int, int, int] | None:
        try:
            found = os.stat(file.location)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    return list(map(look, files))


async def _watch_folders(sources: ListSources, follow: Follow, avoid: Sequence[Path]) -> None:
    missing: set[str] = set()
    while True:
        folders = await _folders(sources)
        there = {each.location for each in folders}
        if back := [each for each in folders if each.location in missing]:
            await follow(back)
        missing = {each.location for each in await sources() if each.kind == "folder"} - there
        try:
            async for changed in _changes(there, avoid):
                if touched := [each for each in folders if any(_below(path, each.location) for path in changed)]:
                    await follow(touched)
                if {each.location for each in await _folders(sources)} != there:
                    break
        except (OSError, RuntimeError) as error:
            log.warning("folders cannot be watched just now (%s); they are looked at every so often", error)
            missing |= there
            await asyncio.sleep(AGAIN_SECONDS)


async def _folders(sources: ListSources) -> list[Watched]:
    found = [each for each in await sources() if each.kind == "folder"]
    there = await asyncio.to_thread(lambda: [os.path.isdir(each.location) for each in found])
    return [each for each, is_there in zip(found, there, strict=True) if is_there]


async def _changes(folders: Iterable[str], avoid: Sequence[Path]) -> AsyncIterator[set[str]]:
    """Sets of changed paths; an empty one now and then, to look whether the folders are still those."""
    from watchfiles import Change, DefaultFilter, awatch

    usual = DefaultFilter()

    def counts(change: Change, path: str) -> bool:
        return usual(change, path) and not any(_below(path, str(each)) for each in avoid)

    if not folders:
        await asyncio.sleep(FILE_SECONDS)
        yield set()
        return
    options = {"debounce": QUIET_MS, "rust_timeout": 5000, "yield_on_timeout": True, "raise_interrupt": False}
    async for changes in awatch(*folders, watch_filter=counts, **options):  # type: ignore[arg-type]  # mixed values
        yield {path for _, path in changes}


def _below(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)
