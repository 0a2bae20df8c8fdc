"""The settings file while the program runs: whether it has changed, and what it says now."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant.config_errors import ConfigError, Problem, Where
from assistant.config_file import Loaded
from assistant.settings import Settings

SETTLED = 0.1
"""Seconds without a change after which whoever writes the file is taken to be done."""
LONGEST = 2.0
"""Seconds after which it is read as it is."""

AGAIN = 5.0
"""Seconds after which a wrong file is read once more."""
TAKEN = (
    "organisation", "models", "roles", "voice", "surfaces", "router", "retrieval", "both", "grounding", "links",
    "limits", "collections", "embedder", "chunking",
)  # fmt: skip
"""Settings that are taken over while it runs."""
PINNED = {"access": ("mode", "open_to_network"), "limits": ("store",)}
"""What of a section is not; the rest of it is."""

log = logging.getLogger(__name__)
Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass(slots=True)
class SettingsFile:
    """Watches the files that ``load`` reads: the settings and what they name as ``${file:…}``. Looking costs some
    microseconds, so every turn may."""

    load: Callable[[], Loaded]
    watched: tuple[Path, ...]
    _seen: Signature = field(init=False)
    _there: bool = field(init=False)
    _wrong_at: float | None = None

    def __post_init__(self) -> None:
        self._seen = self._signature()
        self._there = self._seen[0] is not None

    def changed(self) -> bool:
        """Whether a file is another than the one that was read last. What was wrong is looked at again now and then:
        it may lack a file that is not known to be watched, such as one with a key."""
        if self._wrong_at is not None and time.monotonic() - self._wrong_at >= AGAIN:
            return True
        return self._signature() != self._seen

    def forget(self) -> None:
        """Read it again with the next turn, because what was read did not come to count."""
        self._seen = (None,)

    async def read(self) -> Settings:
        """What the settings say now. A file that is being written is left the time to become whole. Raises ConfigError;
        the file then counts as read, until it changes again."""
        self._seen = await self._settled()
        self._wrong_at = time.monotonic()
        if self._there and self._seen[0] is None:
            where = Where(str(self.watched[0]))
            raise ConfigError([Problem("", where, "this file is gone.", "Put it back; the settings are as before.")])
        loaded = await asyncio.to_thread(self.load)
        self._there, self._wrong_at = self._seen[0] is not None, None
        if loaded.watched != self.watched:
            known = dict(zip(self.watched, self._seen, strict=True))
            self.watched = loaded.watched
            self._seen = tuple(known[path] if path in known else _stat(path) for path in self.watched)
        return loaded.settings

    async def _settled(self) -> Signature:
        until = time.monotonic() + LONGEST
        now = self._signature()
        while time.monotonic() < until and (_fresh(now) or _emptied(now, self._seen)):
            await asyncio.sleep(SETTLED / 2)
            now = self._signature()
        return now

    def _signature(self) -> Signature:
        return tuple(map(_stat, self.watched))


def taken(before: Settings, given: Settings) -> Settings:
    """The settings that count while it runs, once others are given. Of ``access`` these are the sign-in and the roles:
    by the mode it was judged, as the server began, where it may listen."""
    found: dict[str, Any] = {name: getattr(given, name) for name in TAKEN}
    for section, names in PINNED.items():
        kept = getattr(before, section)
        found[section] = getattr(given, section).model_copy(update={name: getattr(kept, name) for name in names})
    return before.model_copy(update=found)


def tell_what_changed(before: Settings, now: Settings, given: Settings) -> None:
    """Log what of the given settings counts now, and what waits for a restart."""
    names = type(given).model_fields
    if changed := [name for name in names if getattr(now, name) != getattr(before, name)]:
        log.info("taken over from the settings file: %s", ", ".join(changed))
    if waiting := [name for name in names if getattr(given, name) != getattr(now, name)]:
        log.warning("changed in the settings file, but only a restart takes it over: %s", ", ".join(waiting))


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _fresh(now: Signature) -> bool:
    clock = time.time()
    return any(each is not None and 0 <= clock - each[0] / 1e9 < SETTLED for each in now)


def _emptied(now: Signature, before: Signature) -> bool:
    """Editors write by emptying the file first, and an empty file would be the defaults."""
    return any(
        was is not None and was[1] > 0 and (each is None or each[1] == 0)
        for each, was in zip(now, before, strict=False)
    )
