"""What a sync says while it runs and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["added", "changed", "moved", "unchanged", "deleted", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One document done, and safe from now on: ``done`` of ``total``, what became of it, if it failed why, and how
    many chunks were written. ``total`` falls by one when a document turns out to have moved."""

    done: int
    total: int
    uri: str
    outcome: Outcome
    reason: str = ""
    chunks: int = 0


@dataclass(slots=True)
class Report:
    """What a sync did: documents by outcome, chunks written, how many of them with a vector that was stored
    already, and (uri, reason) of what failed; what the index held of that stays."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    deleted: int = 0
    chunks: int = 0
    reused: int = 0
    seconds: float = 0.0
    failed: list[tuple[str, str]] = field(default_factory=list)


OnProgress = Callable[[Progress], None]


class SyncRefused(Exception):
    """The source looks empty or lost most of its documents. None was deleted; the message has the numbers."""


class Tally:
    """Counts documents into a report and tells of each."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.report = Report()
        self.total = 0
        self._done = 0
        self._on_progress = on_progress

    def tell(self, uri: str, outcome: Outcome, reason: str = "", *, chunks: int = 0, reused: int = 0) -> None:
        """One document is done."""
        self._done += 1
        if outcome == "failed":
            self.report.failed.append((uri, reason))
        else:
            setattr(self.report, outcome, getattr(self.report, outcome) + 1)
        self.report.chunks += chunks
        self.report.reused += reused
        self._on_progress(Progress(self._done, self.total, uri, outcome, reason, chunks))
