"""How much may be asked and spent, and by whom: what lets a turn in before anything of it is recorded."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from assistant.access.identity import Identity
from assistant.access.limits_ledger import DAY, MINUTE, UNBOUND, Grant, Ledger, MemoryLedger, Purse, Slots, Window
from assistant.access.limits_redis import RedisLedger
from assistant.access.limits_shared import SharedLedger
from assistant.config_limits import Allowance, Amounts
from assistant.telemetry import Metrics

PREPARED = 30.0
"""Seconds in which a turn that was let in begins; else its place is free again."""
RUNNING, RENEWED = 120.0, 30.0
"""Seconds for which a running turn holds its place, and after which it says that it still runs: a replica that was
killed keeps nobody's place for longer."""
Reason = Literal["too_many_turns", "budget_spent", "too_many_at_once"]
Whose = Literal["yours", "all"]

log = logging.getLogger(__name__)


class Refused(Exception):
    """A turn that is not let in: ``reason`` is stable, ``wait`` is in seconds; ``whose`` says whether others have used
    it up as well."""

    def __init__(self, reason: Reason, wait: float, whose: Whose) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.whose = whose


@dataclass(frozen=True, slots=True)
class Spent:
    """What a turn took. ``cost`` is None where no price is known; ``model`` is the name in the settings."""

    tokens: int = 0
    cost: float | None = None
    currency: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class _Scope:
    """Somebody, or several together, for whom an allowance counts."""

    key: str
    allowance: Allowance
    whose: Whose

    def windows(self) -> Iterator[Window]:
        given = self.allowance
        if given.turns_per_minute is not None:
            yield Window(f"{self.key} minute", given.turns_per_minute, MINUTE)
        if given.turns_per_day is not None:
            yield Window(f"{self.key} day", given.turns_per_day, DAY)
        if given.tokens_per_day is not None:
            yield Window(f"{self.key} tokens", given.tokens_per_day, DAY, "tokens", takes=0)
        if given.cost_per_day is not None:
            yield Window(f"{self.key} cost", given.cost_per_day, DAY, "cost", takes=0)


def scopes(who: Identity, surface: str, amounts: Amounts) -> list[_Scope]:
    """Whose allowances a turn of somebody uses. Commands on this machine are not held to any."""
    if who.via == "machine":
        return []
    found = [_Scope(f"everybody {surface}", amounts.everybody, "all")]
    if who.key is not None:
        found.append(_Scope(f"key {who.key} {surface}", amounts.key, "yours"))
        if who.person == f"key:{who.key}":
            return found  # the program itself, which is no person
    if who.via == "guest":
        found.append(_Scope(f"guests {surface}", amounts.guests, "all"))
    own = amounts.guest if who.via == "guest" else amounts.person
    return [*found, _Scope(f"person {who.person} {surface}", own, "yours")]


@dataclass(slots=True)
class Limiter:
    """Lets turns in by what ``ledger`` has counted. ``metrics`` count those that are refused."""

    ledger: Ledger = field(default_factory=MemoryLedger)
    metrics: Metrics = field(default_factory=Metrics)
    _unpriced: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, store: str | None, metrics: Metrics) -> Limiter:
        """One that counts in the Redis of the settings, or in this process."""
        if store is None:
            return cls(MemoryLedger(), metrics)
        return cls(SharedLedger(RedisLedger(store), MemoryLedger(), metrics.limits_away), metrics)

    async def admit(self, who: Identity, surface: str, amounts: Amounts) -> Grant:
        """Let a turn in, and hold its place until it begins. Raises Refused, and then nothing of it counts."""
        asked = scopes(who, surface, amounts)
        windows = [(scope, each) for scope in asked for each in scope.windows()]
        slots = [(each, Slots(f"{each.key} now", each.allowance.at_once)) for each in asked if each.allowance.at_once]
        if not windows and not slots:
            return UNBOUND
        lease = uuid.uuid4().hex
        places = [each for _, each in slots]
        short = await self.ledger.take([each for _, each in windows], places, lease, PREPARED)
        if short is not None:
            scope, what = [*windows, *slots][short.index]
            reason: Reason = "too_many_at_once"
            if isinstance(what, Window):
                reason = "too_many_turns" if what.unit == "turns" else "budget_spent"
            self.metrics.refused_turn(reason, surface)
            raise Refused(reason, short.wait, scope.whose)
        purses = tuple(
            Purse(each.key, each.seconds, each.unit, amounts.currency) for _, each in windows if not each.takes
        )
        return Grant(lease, tuple(each.key for each in places), purses)

    @asynccontextmanager
    async def admitted(self, who: Identity, surface: str, amounts: Amounts) -> AsyncIterator[Grant]:
        """``admit`` around what records the turn: where that fails, its place is free again."""
        grant = await self.admit(who, surface, amounts)
        try:
            yield grant
        except BaseException:
            await self.ended(grant)
            raise

    async def runs(self, grant: Grant) -> None:
        """Hold the place of a turn that begins, or that still runs."""
        if grant.slots:
            await self.ledger.hold(grant.slots, grant.lease, RUNNING)

    async def ended(self, grant: Grant, spent: Spent | None = None) -> None:
        """Give the place back, and book what was spent."""
        if grant.slots:
            await self.ledger.free(grant.slots, grant.lease)
        booked = [(purse, self._amount(purse, spent)) for purse in grant.purses] if spent is not None else []
        if found := [(purse, amount) for purse, amount in booked if amount > 0]:
            await self.ledger.add(found)

    async def aclose(self) -> None:
        """Release connections."""
        await self.ledger.aclose()

    def _amount(self, purse: Purse, spent: Spent) -> float:
        if purse.unit == "tokens":
            return spent.tokens
        if spent.cost is not None and spent.currency == purse.currency:
            return spent.cost
        if spent.tokens:
            self._warn(spent, purse.currency)
        return 0.0

    def _warn(self, spent: Spent, currency: str) -> None:
        """Once for each model, that a budget does not see what it costs."""
        if not spent.model or (spent.model, currency) in self._unpriced:
            return
        self._unpriced.add((spent.model, currency))
        why = "no price of it is known" if spent.cost is None else f"its price is in {spent.currency}"
        log.warning(
            "model %s does not count towards cost_per_day: %s. Set models.%s.price in %s, or tokens_per_day.",
            *(spent.model, why, spent.model, currency),
        )
