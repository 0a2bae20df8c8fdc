"""What people see of work on the collections: a bar while it goes on, a summary by outcome at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assistant.cli.common import console
from assistant.cli.remote import RemoteError
from assistant.knowledge.happenings import Began, Ended, Happening, Mistake, Noted, Removed
from assistant.knowledge.outcome import Progress, Report

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

OUTCOMES = ("added", "changed", "moved", "deleted", "unchanged")
SHOWN_FAILURES = 50


@dataclass(slots=True)
class Screen:
    """Shows what happens. ``quiet`` keeps still about what has not changed."""

    quiet: bool = False
    ended: list[Ended] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    failed: bool = False
    """Whether anything could not be done."""
    _bar: Bar | None = None
    _task: Any = None
    _began: tuple[float, int] = (0.0, 0)

    def tell(self, happening: Happening) -> None:
        """Take in the next happening."""
        if isinstance(happening, Began):
            self._begin(happening)
        elif isinstance(happening, Progress):
            self._advance(happening)
        elif isinstance(happening, Ended):
            self.ended.append(happening)
            bad = happening.outcome != "ok" or (happening.report is not None and happening.report.failed)
            self.failed = self.failed or bool(bad)
        elif isinstance(happening, Removed):
            self.removed.append(happening)
        else:
            self._note(happening)

    @contextmanager
    def bar(self) -> Iterator[Screen]:
        """With a bar on a terminal: source, documents done, rates, time left. Afterwards the summary, also of what
        broke off, but not of what was a mistake to ask."""
        with progress_bar() as self._bar:
            try:
                yield self
            except Mistake:
                self.ended, self.removed = [], []
                raise
            except RemoteError as error:
                if error.mistake:
                    self.ended, self.removed = [], []
                raise
            finally:
                self._bar.stop()
                self._bar = None
                self.summarise()

    def summarise(self) -> None:
        """A line of counts a collection, then what could not be done, with reasons; and begin anew."""
        named = [each.collection for each in self.ended] + [each.collection for each in self.removed]
        for collection in dict.fromkeys(named):
            self._collection(
                collection,
                [each for each in self.ended if each.collection == collection],
                [each for each in self.removed if each.collection == collection],
            )
        self.ended, self.removed = [], []

    def _begin(self, began: Began) -> None:
        if self._bar is None:
            return
        if self._task is not None:
            self._bar.remove_task(self._task)
        place = f" {began.place}/{began.of}" if began.of > 1 else ""
        what = f"{began.collection}{place}: {began.label}"
        self._task = self._bar.add_task(what, total=None, phase="Looking", rate="", visible=not self.quiet)
        self._began = (time.monotonic(), 0)

    def _advance(self, progress: Progress) -> None:
        if self._bar is None or self._task is None:
            return
        since, passages = self._began
        passages += progress.chunks
        self._began = (since, passages)
        seconds = max(time.monotonic() - since, 0.001)
        rate = f"{progress.done / seconds:.0f} docs/s · {passages / seconds:.0f} passages/s"
        self._bar.update(self._task, completed=progress.done, total=progress.total, phase="Syncing", rate=rate)
        if progress.outcome != "unchanged":
            self._bar.update(self._task, visible=True)

    def _note(self, noted: Noted) -> None:
        from rich.markup import escape

        out = self._bar.console if self._bar is not None else console(stderr=True)
        out.print(f"[dim]{escape(noted.text)}[/]")

    def _collection(self, collection: str, ended: list[Ended], removed: list[Removed]) -> None:
        from rich.markup import escape

        out = console()
        reports = [each.report for each in ended if each.report is not None]
        bad = [each for each in ended if each.outcome != "ok"]
        failed = [failure for report in reports for failure in report.failed]
        changed = removed or bad or failed or any(changes(report) for report in reports)
        if self.quiet and not changed:
            return
        if reports:
            out.print(f"[bold]{escape(collection)}[/]: {counts(reports)}")
        for gone in removed:
            out.print(f"  {escape(gone.label)} {escape(gone.reason)}: {some(gone.documents, 'document')} removed")
        for each in bad:
            word = "refused" if each.outcome == "refused" else "failed"
            out.print(f"[yellow]{escape(collection)}, {escape(each.label)}: {word}[/]: {escape(each.message)}")
        if failed:
            out.print(f"[yellow]{len(failed)} could not be read:[/]")
        for uri, reason in failed[:SHOWN_FAILURES]:
            out.print(f"  {escape(uri)}: {escape(reason)}")
        if len(failed) > SHOWN_FAILURES:
            out.print(f"  and {len(failed) - SHOWN_FAILURES} more")


def changes(report: Report) -> bool:
    """Whether a sync found anything to do."""
    return bool(report.added or report.changed or report.moved or report.deleted)


def counts(reports: list[Report]) -> str:
    """Documents by outcome and passages written, in words."""
    totals = {name: sum(getattr(report, name) for report in reports) for name in OUTCOMES}
    found = ", ".join(f"{count} {name}" for name, count in totals.items() if count) or "nothing in it"
    written, reused = sum(report.chunks for report in reports), sum(report.reused for report in reports)
    again = f" ({reused} of them known already)" if reused else ""
    return f"{found}; {some(written, 'passage')} written{again}"


def some(count: int, word: str) -> str:
    """A number with its word."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def progress_bar() -> Bar:
    """On a terminal only, and gone when it is done."""
    screen = console(stderr=True)
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    return Bar(
        TextColumn("[bold]{task.fields[phase]}", table_column=Column(no_wrap=True)),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        BarColumn(bar_width=10),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("[dim]{task.fields[rate]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        console=screen,
        disable=not screen.is_terminal,
        transient=True,
        expand=True,
    )
