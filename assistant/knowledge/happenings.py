"""What can be told of work on the collections while it goes on: values for progress bars, here or over the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from assistant.knowledge.outcome import Progress, Report

Outcome = Literal["ok", "failed", "refused"]


class Mistake(Exception):
    """What was asked for cannot be meant; the message says what there is instead."""


class NotDone(Exception):
    """The work ended without its aim; what there was before is as it was, and the message says what to do."""


@dataclass(frozen=True, slots=True)
class Began:
    """The sync of a source begins, the ``place``-th of ``of``; the progress that follows is its."""

    collection: str
    label: str
    place: int
    of: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The sync of a source is over. ``report`` is None where it did not come to one, and then ``message`` says why."""

    collection: str
    label: str
    outcome: Outcome
    message: str = ""
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """The documents of a source have left the collection, and why."""

    collection: str
    label: str
    documents: int
    reason: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Anything else that people should read."""

    text: str


Happening = Began | Progress | Ended | Removed | Noted
Tell = Callable[[Happening], None]

_KINDS: dict[str, type] = {
    "began": Began, "progress": Progress, "ended": Ended, "removed": Removed, "noted": Noted
}  # fmt: skip
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode(happening: Happening) -> dict[str, Any]:
    """As JSON values, with ``type``."""
    return {"type": _NAMES[type(happening)], **asdict(happening)}


def decode(found: dict[str, Any]) -> Happening:
    """The happening that ``encode`` made JSON of."""
    values = dict(found)
    kind = _KINDS[values.pop("type")]
    if isinstance(values.get("report"), dict):
        values["report"] = Report(**values["report"])
        values["report"].failed = [(uri, reason) for uri, reason in values["report"].failed]
    made: Happening = kind(**values)
    return made
