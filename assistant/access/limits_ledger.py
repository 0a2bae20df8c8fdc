"""What has been asked and spent of late, counted in this process; the values that every ledger speaks in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Unit = Literal["turns", "tokens", "cost"]
MINUTE, DAY = 60, 86_400
STEPS = 60
"""Parts of a window that are counted one by one: a minute is kept by seconds, a day by 24 minutes. What happened
counts until its whole part is past, so that a window is at most one part longer than it says, and never shorter."""
SLOT_WAIT = 3.0
"""Seconds after which to try again where too many turns are being answered: nobody knows when one ends."""
_SWEEP = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``most`` in any ``seconds`` of what is counted as ``key``. ``takes`` is what is to be counted now, 0 for
    what is only known later: then there must be something left."""

    key: str
    most: float
    seconds: int
    unit: Unit = "turns"
    takes: int = 1


@dataclass(frozen=True, slots=True)
class Slots:
    """At most ``most`` of ``key`` at the same time."""

    key: str
    most: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """What there is too much of: the place in what was asked for, windows first; and in how many seconds it has
    passed."""

    index: int
    wait: float


@dataclass(frozen=True, slots=True)
class Purse:
    """Where to book, when it is known, how much was spent; ``currency`` is that of a cost."""

    key: str
    seconds: int
    unit: Unit
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A turn that was let in: the slots that it holds under its ``lease``, and where its spending is booked."""

    lease: str = ""
    slots: tuple[str, ...] = ()
    purses: tuple[Purse, ...] = ()


UNBOUND = Grant()
"""Of a turn for which there is nothing to count."""


class Ledger(Protocol):
    """Keeps count. Whatever ``take`` is asked for it grants or refuses as a whole: what is refused counts nowhere."""

    async def take(
        self, windows: Sequence[Window], slots: Sequence[Slots], lease: str, seconds: float
    ) -> Shortage | None:
        """Count one turn, holding the slots for so long; or what there is too much of, that which lasts longest."""

    async def hold(self, slots: Sequence[str], lease: str, seconds: float) -> None:
        """Hold slots for so long from now on."""

    async def free(self, slots: Sequence[str], lease: str) -> None:
        """Give slots back; those that are not held stay as they are."""

    async def add(self, amounts: Sequence[tuple[Purse, float]]) -> None:
        """Book what was spent."""

    async def aclose(self) -> None:
        """Release connections."""


class Counts:
    """Amounts of the last ``seconds``, in ``STEPS`` parts: its size is bounded, however much is counted."""

    __slots__ = ("_parts", "grain")

    def __init__(self, seconds: int) -> None:
        self.grain = seconds / STEPS
        self._parts: dict[int, float] = {}

    def add(self, amount: float, now: float) -> None:
        """Count an amount."""
        part = math.floor(now / self.grain)
        self._parts[part] = self._parts.get(part, 0) + amount

    def wait(self, most: float, takes: int, now: float) -> float:
        """Seconds until ``takes`` more are within ``most``; 0 where they are now."""
        self.forget(now)
        total = takes + sum(self._parts.values())
        if not short(total, takes, most):
            return 0.0
        for part in sorted(self._parts):
            total -= self._parts[part]
            if not short(total, takes, most):
                return (part + 1 + STEPS) * self.grain - now
        return STEPS * self.grain

    def forget(self, now: float) -> bool:
        """Drop what is past; whether anything is left."""
        first = math.floor(now / self.grain) - STEPS
        for part in [each for each in self._parts if each < first]:
            del self._parts[part]
        return bool(self._parts)


def short(total: float, takes: int, most: float) -> bool:
    """Whether a total, what is to be taken counted in, is too much."""
    return total > most if takes else total >= most


class MemoryLedger:
    """Counts for this process alone. ``clock`` is in seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, Counts] = {}
        self._leases: dict[str, dict[str, float]] = {}
        self._swept = clock()

    async def take(
        self, windows: Sequence[Window], slots: Sequence[Slots], lease: str, seconds: float
    ) -> Shortage | None:
        now = self._clock()
        self._sweep(now)
        waits = [self._wait(each, now) for each in windows]
        waits += [SLOT_WAIT if self._held(each.key, now) >= each.most else 0.0 for each in slots]
        longest = max(waits, default=0.0)
        if longest > 0:
            return Shortage(waits.index(longest), longest)
        self.note(windows, [each.key for each in slots], lease, seconds)
        return None

    def note(self, windows: Iterable[Window], slots: Iterable[str], lease: str, seconds: float) -> None:
        """Count one turn, whether or not it is too much: somebody else has let it in."""
        now = self._clock()
        self._sweep(now)
        for each in windows:
            if each.takes:
                self._of(each.key, each.seconds).add(each.takes, now)
        for key in slots:
            self._leases.setdefault(key, {})[lease] = now + seconds

    async def hold(self, slots: Sequence[str], lease: str, seconds: float) -> None:
        self.note((), slots, lease, seconds)

    async def free(self, slots: Sequence[str], lease: str) -> None:
        for key in slots:
            if key in self._leases:
                self._leases[key].pop(lease, None)
                if not self._leases[key]:
                    del self._leases[key]

    async def add(self, amounts: Sequence[tuple[Purse, float]]) -> None:
        now = self._clock()
        for purse, amount in amounts:
            self._of(purse.key, purse.seconds).add(amount, now)

    async def aclose(self) -> None:
        """Nothing is open."""

    def __len__(self) -> int:
        return len(self._counts) + len(self._leases)

    def _of(self, key: str, seconds: int) -> Counts:
        return self._counts.setdefault(key, Counts(seconds))

    def _wait(self, window: Window, now: float) -> float:
        counts = self._counts.get(window.key)
        return 0.0 if counts is None else counts.wait(window.most, window.takes, now)

    def _held(self, key: str, now: float) -> int:
        return sum(until > now for until in self._leases.get(key, {}).values())

    def _sweep(self, now: float) -> None:
        """Now and then forget whoever has not been here for long."""
        if now - self._swept < _SWEEP:
            return
        self._swept = now
        self._counts = {key: each for key, each in self._counts.items() if each.forget(now)}
        left = {
            key: {lease: until for lease, until in held.items() if until > now} for key, held in self._leases.items()
        }
        self._leases = {key: held for key, held in left.items() if held}
