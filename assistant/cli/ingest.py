"""``assistant ingest``, and the progress bar that ``serve`` shows on its first start too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.cli.common import FAILED, MISTAKE, console, friendly, load_settings, prepare_data, stop
from assistant.cli.remote import RemoteError, Running

if TYPE_CHECKING:
    from assistant.app import Assistant
    from assistant.knowledge.ingest import Progress, Report
    from assistant.settings import Settings

COLLECTION = r"[a-z0-9][a-z0-9_-]{0,63}"


def run(config: Path | None, paths: list[Path], collection: str, rebuild: bool) -> None:
    """Ingest and print a summary; exits with 1 if a file could not be read."""
    from assistant.knowledge.ingest import NothingToIngest

    settings = load_settings(config).settings
    prepare_data(settings.data)
    if not re.fullmatch(COLLECTION, collection):
        stop(f"'{collection}' cannot name a collection: use small letters, digits, - and _, as in my-docs")
    work = [(collection, [path.absolute() for path in paths])] if paths else []
    try:
        with friendly():
            failed = asyncio.run(_run(settings, work, rebuild))
    except NothingToIngest as error:
        stop(str(error))
    except RemoteError as error:
        stop(str(error), MISTAKE if error.mistake else FAILED)
    if failed:
        raise SystemExit(FAILED)


async def _run(settings: Settings, work: list[tuple[str, list[Path]]], rebuild: bool) -> bool:
    from assistant.app import build_assistant
    from assistant.knowledge.store import StoreLocked

    try:
        async with build_assistant(settings, rebuild=rebuild) as assistant:
            if rebuild or not work:
                work = [*assistant.work(), *work]
            if not work:
                stop(
                    "there is nothing to ingest: name files or folders, or give a collection `paths` in assistant.yaml"
                )
            failed = await ingest_all(assistant, work)
            if rebuild:
                await assistant.make_live()
            return failed
    except StoreLocked:
        running = Running.read(settings.data)
        if running is None or rebuild:
            raise
        work = work or [(name, list(each.paths)) for name, each in settings.collections.items() if each.paths]
        return any([await _by_server(running, collection, paths) for collection, paths in work])


async def ingest_all(assistant: Assistant, work: list[tuple[str, list[Path]]], *, quiet: bool = False) -> bool:
    """Ingest each collection's paths with a progress bar; says whether any file failed. ``quiet`` keeps still where
    nothing changed."""
    failed = False
    for collection, paths in work:
        with progress_bar(collection, quiet=quiet) as on_progress:
            report = await assistant.ingest(paths, collection, on_progress)
        if not quiet or report.added or report.changed or report.failed:
            summarise(collection, report)
        failed = failed or bool(report.failed)
    return failed


async def _by_server(running: Running, collection: str, paths: list[Path]) -> bool:
    from assistant.knowledge.ingest import Progress, Report

    report = Report()
    body = {"paths": [str(path) for path in paths], "collection": collection}
    with progress_bar(collection) as on_progress:
        async for event in running.stream("/api/ingest", body):
            kind = event.pop("type")
            if kind == "progress":
                on_progress(Progress(**event))
            elif kind == "failed":
                raise RemoteError(event["message"], mistake=False)
            else:
                report = Report(**event)
    summarise(collection, report)
    return bool(report.failed)


@contextmanager
def progress_bar(collection: str, *, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """A bar of files done, with rate and time left; on a terminal only. ``quiet`` shows it from the first file that
    is not unchanged."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[file]}"),
    )
    with Bar(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"Reading {collection}", total=None, file="", visible=not quiet)

        def advance(progress: Progress) -> None:
            shown = not quiet or progress.outcome != "unchanged"
            bar.update(task, completed=progress.done, total=progress.total, file=progress.uri[-50:])
            if shown:
                bar.update(task, visible=True)

        yield advance


def summarise(collection: str, report: Report) -> None:
    """One line of counts, then each file that failed with its reason."""
    from rich.markup import escape

    out = console()
    parts = [("added", report.added), ("changed", report.changed), ("unchanged", report.unchanged)]
    counts = ", ".join(f"{count} {word}" for word, count in parts if count) or "nothing new"
    out.print(f"[bold]{escape(collection)}[/]: {counts}; {report.chunks} passages written")
    if report.failed:
        out.print(f"[yellow]{len(report.failed)} could not be read:[/]")
        for uri, reason in report.failed:
            out.print(f"  {escape(uri)}: {escape(reason)}")
