"""Who may see the desk, until there is a sign-in: whoever shows a code that a command on this machine has made.

Codes and sessions are kept as hashes, in memory: a restart ends them all.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any

CODE_SECONDS = 600.0
SESSION_SECONDS = 12 * 3600.0
WRONG_CODES = 10
"""Wrong codes that an address may show in a minute. Nobody guesses 256 bits; this keeps them from trying."""
MOST = 1000
"""Codes, sessions and addresses that are remembered: the oldest go first."""


class Keys:
    """One-time codes and the sessions that they open. ``now`` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._codes: dict[bytes, float] = {}
        self._sessions: dict[bytes, float] = {}
        self._wrong: dict[str, list[float]] = {}

    def code(self) -> str:
        """A new code, good once and for ten minutes."""
        return _remember(self._codes, self._now() + CODE_SECONDS)

    def busy(self, address: str) -> bool:
        """Whether this address has shown too many wrong codes just now."""
        recent = [moment for moment in self._wrong.get(address, ()) if moment > self._now() - 60]
        return len(recent) >= WRONG_CODES

    def open(self, code: str, address: str) -> str | None:
        """The id of a new session for a code, which is used up by it; None for a wrong or an old one."""
        until = self._codes.pop(_hash(code), 0.0)
        if until > self._now():
            return _remember(self._sessions, self._now() + SESSION_SECONDS)
        recent = [moment for moment in self._wrong.pop(address, ()) if moment > self._now() - 60]
        self._wrong[address] = [*recent, self._now()][-WRONG_CODES:]
        _forget(self._wrong)
        return None

    def knows(self, session: str) -> bool:
        """Whether a session is open."""
        return self._sessions.get(_hash(session), 0.0) > self._now()

    def close(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(_hash(session), None)


def _remember(kept: dict[bytes, float], until: float) -> str:
    key = secrets.token_urlsafe(32)
    kept[_hash(key)] = until
    _forget(kept)
    return key


def _forget(kept: dict[Any, Any]) -> None:
    while len(kept) > MOST:
        del kept[next(iter(kept))]


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
