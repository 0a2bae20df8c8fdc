"""A candidate version that decides every turn silently, after the answer has begun, and what it would do otherwise.

Nothing of a turn's text is kept here: a difference is one line of ids, scores and routes, and the report reads the
texts from the records.

    router/shadow-<name>.jsonl    one line a difference, until the file is full
    router/shadow-<name>.seen     one byte a turn: "." agreed, "!" differed
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.conversation.turn import Turn
from assistant.knowledge.retrieve import Found
from assistant.routing.classifier import Embedded
from assistant.routing.router import Decision, Router, VoicePolicy
from assistant.routing.versions import Ready, Versions

log = logging.getLogger(__name__)
MOST_BYTES = 2_000_000
"""A file of differences grows no further; turns are counted all the same."""
NOTHING_FOUND = Found("")
MakeRouter = Callable[[Ready], Router]
"""A router of a version, made as the one in use is, but without a second opinion: that would cost a call."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a candidate saw. ``differences`` are the lines of the file, the newest last; ``full`` says that later ones
    were only counted."""

    version: str
    running: bool
    seen: int
    differ: int
    differences: tuple[dict[str, Any], ...]
    full: bool


class Shadow:
    """Runs the candidate that `router/shadow.json` names; a change of that file counts from the next turn on. One turn
    is judged at a time. ``make`` builds its router."""

    def __init__(self, versions: Versions, make: MakeRouter) -> None:
        self._versions = versions
        self._make = make
        self._turn = asyncio.Lock()
        self._stamp: tuple[int, ...] | None = None
        self._candidate: tuple[str, Router] | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is a candidate to run: one ``stat``, so that a turn without a shadow starts no task."""
        return _stamp(self._versions) != ()

    async def observe(
        self,
        turn: Turn,
        decision: Decision,
        *,
        policy: VoicePolicy = "on_request",
        found: Found = NOTHING_FOUND,
        embedded: Embedded | None = None,
    ) -> None:
        """Decide the turn as the candidate would, from what was found for it, and note a difference. Turns whose route
        a person chose are left out. Run it as a task of its own: it raises nothing, what goes wrong is logged."""
        if decision.requested:
            return
        try:
            async with self._turn:
                running = await asyncio.to_thread(self._running)
                if running is None or running[1].version == decision.version:
                    return
                name, router = running
                scores = await router.scores(turn, embedded)
                other = router.decide(turn, scores, policy, found.query, found.similarity, fresh=found.fresh)
                await asyncio.to_thread(note, self._versions.folder, name, turn, decision, other)
        except Exception:  # whatever a candidate does, the chat goes on
            log.warning("the router's shadow could not judge turn %s", turn.id, exc_info=True)

    def _running(self) -> tuple[str, Router] | None:
        stamp = _stamp(self._versions)
        if stamp != self._stamp:
            self._stamp, self._candidate = stamp, None
            name = self._versions.shadow()
            if name is not None:
                self._candidate = name, self._make(self._versions.load(name))
        return self._candidate


def note(folder: Path, name: str, turn: Turn, decision: Decision, other: Decision) -> None:
    """Count a turn, and keep a line where the candidate's route is another."""
    differs = other.route != decision.route
    with _seen(folder, name).open("a", encoding="ascii") as seen:
        seen.write("!" if differs else ".")
    file = _file(folder, name)
    if not differs or (file.exists() and file.stat().st_size >= MOST_BYTES):
        return
    line = {
        "turn": turn.id,
        "conversation": turn.conversation,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": decision.version,
        "route": decision.route,
        "scores": {"information": decision.information, "voice": decision.voice},
        "shadow_route": other.route,
        "shadow_scores": {"information": other.information, "voice": other.voice},
    }
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")


def start(versions: Versions, name: str) -> None:
    """Begin to run a version as the shadow, with counts from nothing. Raises VersionError."""
    versions.set_shadow(name)
    for file in [*versions.folder.glob("shadow-*.jsonl"), *versions.folder.glob("shadow-*.seen")]:
        file.unlink(missing_ok=True)


def stop(versions: Versions) -> str | None:
    """End it and tell which ran; what it saw stays to be reported."""
    name = versions.shadow()
    versions.set_shadow(None)
    return name


def report(versions: Versions) -> Report | None:
    """What the candidate saw, or the last one did; None where none ever ran."""
    running = versions.shadow()
    ran = sorted(versions.folder.glob("shadow-*.seen"), key=lambda each: each.stat().st_mtime)
    name = running or (ran[-1].stem.removeprefix("shadow-") if ran else None)
    if name is None:
        return None
    seen, file = _seen(versions.folder, name), _file(versions.folder, name)
    marks = seen.read_bytes() if seen.exists() else b""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = tuple(found for line in lines if (found := _parsed(line)) is not None)
    differ = marks.count(b"!")
    return Report(name, running is not None, len(marks), differ, kept, len(kept) < differ)


def _parsed(line: str) -> dict[str, Any] | None:
    """A line's object; None for the half of one that a killed process leaves."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _seen(folder: Path, name: str) -> Path:
    return folder / f"shadow-{name}.seen"


def _file(folder: Path, name: str) -> Path:
    return folder / f"shadow-{name}.jsonl"


def _stamp(versions: Versions) -> tuple[int, ...]:
    try:
        found = (versions.folder / "shadow.json").stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size
