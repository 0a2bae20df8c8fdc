"""Who is held to which limits, what they are told, and what is booked."""

import logging
import math
from typing import Any

import pytest
from pydantic import ValidationError

from assistant.access.identity import Identity
from assistant.access.limits import PREPARED, RUNNING, Limiter, Refused, Spent
from assistant.access.limits_attempts import ADDRESSES, Attempts
from assistant.access.limits_ledger import DAY, UNBOUND, MemoryLedger
from assistant.config_limits import Allowance, Amounts, SurfaceLimits
from assistant.conversation.accepting import over_limit
from assistant.telemetry import Metrics
from tests.access.test_limits_ledger import Clock
from ui.words import words

ADA = Identity("token:portal:ada", via="token")
BEN = Identity("sign_in:1234:ben", via="sign_in")
GUEST, OTHER_GUEST = Identity("guest-1", via="guest"), Identity("guest-2", via="guest")
PROGRAM = Identity("key:k1", via="key", key="k1")
MACHINE = Identity("machine", via="machine", role="admin")
NOBODY = Identity("guest-of-the-page")


def limiter(clock: Clock | None = None) -> Limiter:
    return Limiter(MemoryLedger(clock or Clock()))


async def refused(limiter: Limiter, who: Identity, amounts: Amounts, surface: str = "portal") -> Refused | None:
    try:
        await limiter.ended(await limiter.admit(who, surface, amounts))
    except Refused as error:
        return error
    return None


async def let_in(limiter: Limiter, who: Identity, amounts: Amounts, surface: str = "portal", tries: int = 50) -> int:
    """How many of so many turns in one moment."""
    return sum([await refused(limiter, who, amounts, surface) is None for _ in range(tries)])


async def test_by_default_only_guests_are_held_to_anything() -> None:
    one = limiter()
    for who in (ADA, BEN, PROGRAM, PROGRAM.user("x"), MACHINE, NOBODY):
        assert await one.admit(who, "portal", Amounts()) == UNBOUND
    assert await let_in(one, GUEST, Amounts()) == 20
    assert await let_in(one, OTHER_GUEST, Amounts()) == 20
    assert len(one.ledger) == 2 * 2 + 2  # type: ignore[arg-type]  # two windows each, and two for all of them


async def test_every_person_and_every_surface_counts_by_itself() -> None:
    one, amounts = limiter(), Amounts(person={"turns_per_minute": 4})
    assert await let_in(one, ADA, amounts) == 4
    assert await let_in(one, ADA, amounts, "shop") == 4
    assert await let_in(one, BEN, amounts) == 4
    assert await let_in(one, NOBODY, amounts) == 4
    assert await let_in(one, MACHINE, amounts) == 50


async def test_a_key_counts_for_all_whom_it_asks_for() -> None:
    one, amounts = limiter(), Amounts(key={"turns_per_day": 10}, person={"turns_per_day": 3})
    assert await let_in(one, PROGRAM.user("x"), amounts) == 3
    assert await let_in(one, PROGRAM.user("y"), amounts) == 3
    assert await let_in(one, PROGRAM, amounts) == 4  # what is left of the key's; no person's limit is the program's
    other = Identity("key:k2", via="key", key="k2")
    assert await let_in(one, other, amounts) == 10


async def test_guests_count_together_whoever_they_say_they_are() -> None:
    one, amounts = limiter(), Amounts(guest={"turns_per_minute": 5}, guests={"turns_per_minute": 12})
    guests = [Identity(f"guest-{number}", via="guest") for number in range(4)]
    assert [await let_in(one, each, amounts) for each in guests] == [5, 5, 2, 0]
    assert await let_in(one, ADA, amounts) == 50
    error = await refused(one, guests[3], amounts)
    assert error is not None and error.whose == "all"


async def test_everybody_counts_together_but_this_machine() -> None:
    one, amounts = limiter(), Amounts(everybody={"turns_per_day": 6}, guests={"turns_per_day": 2})
    assert [await let_in(one, each, amounts) for each in (ADA, GUEST, BEN, MACHINE)] == [6, 0, 0, 50]


async def test_a_surface_says_only_what_differs_there() -> None:
    usual = Amounts(person={"turns_per_minute": 5, "at_once": 2}, currency="EUR")
    here = usual.on(SurfaceLimits(person={"turns_per_minute": 7}, guest={"turns_per_day": 9}))
    assert (here.person.turns_per_minute, here.person.at_once, here.currency) == (7, 2, "EUR")
    assert (here.guest.turns_per_minute, here.guest.turns_per_day, here.guest.at_once) == (20, 9, 3)
    assert usual.on(SurfaceLimits()) == usual
    assert Amounts(guest={"turns_per_minute": 5}).guest.at_once == 3  # what is not named stays as it is


async def test_another_limit_counts_from_the_next_turn_on_for_what_was_before() -> None:
    one = limiter()
    assert await let_in(one, ADA, Amounts(person={"turns_per_minute": 5})) == 5
    assert await let_in(one, ADA, Amounts(person={"turns_per_minute": 8})) == 3
    assert await let_in(one, ADA, Amounts(person={"turns_per_minute": 2})) == 0
    assert await let_in(one, ADA, Amounts()) == 50


async def test_places_are_free_again_when_a_turn_ends_and_when_it_never_begins() -> None:
    clock = Clock()
    one, amounts = limiter(clock), Amounts(person={"at_once": 2})
    first, second = await one.admit(ADA, "portal", amounts), await one.admit(ADA, "portal", amounts)
    error = await refused(one, ADA, amounts)
    assert error is not None and (error.reason, error.whose) == ("too_many_at_once", "yours") and 0 < error.wait < 60
    await one.ended(first)
    assert await refused(one, ADA, amounts) is None
    await one.runs(second)
    clock.now += PREPARED + 1
    third = await one.admit(ADA, "portal", amounts)
    assert await refused(one, ADA, amounts) is not None
    await one.ended(third)
    await one.admit(ADA, "portal", amounts)  # a client that went away before its turn began
    clock.now += PREPARED + 1
    assert await refused(one, ADA, amounts) is None
    clock.now += RUNNING  # a server that was killed in the middle of a turn
    await one.admit(ADA, "portal", amounts)
    assert await refused(one, ADA, amounts) is None


async def test_tokens_and_costs_are_booked_to_all_that_are_bounded() -> None:
    clock = Clock()
    one = limiter(clock)
    amounts = Amounts(person={"tokens_per_day": 100}, everybody={"cost_per_day": 0.5})
    await one.ended(await one.admit(ADA, "portal", amounts), Spent(60, 0.2, "USD", "gpt"))
    await one.ended(await one.admit(ADA, "portal", amounts), Spent(60, 0.2, "USD", "gpt"))
    error = await refused(one, ADA, amounts)
    assert error is not None and (error.reason, error.whose) == ("budget_spent", "yours")
    await one.ended(await one.admit(BEN, "portal", amounts), Spent(1, 0.2, "USD", "gpt"))
    error = await refused(one, GUEST, amounts)
    assert error is not None and (error.reason, error.whose) == ("budget_spent", "all")
    assert DAY - 1 <= error.wait <= 1.02 * DAY
    clock.now += error.wait + 0.1
    assert await refused(one, ADA, amounts) is None


async def test_what_has_no_price_in_the_currency_is_said_once_and_not_booked(caplog: Any) -> None:
    one, amounts = limiter(), Amounts(person={"cost_per_day": 0.001}, currency="EUR")
    with caplog.at_level(logging.WARNING):
        for spent in (Spent(9, 5.0, "USD", "gpt"), Spent(9, None, "", "local"), Spent(9, None, "", "local"), Spent(0)):
            await one.ended(await one.admit(ADA, "portal", amounts), spent)
    assert [record.getMessage() for record in caplog.records] == [
        "model gpt does not count towards cost_per_day: its price is in USD. Set models.gpt.price in EUR, or "
        "tokens_per_day.",
        "model local does not count towards cost_per_day: no price of it is known. Set models.local.price in EUR, or "
        "tokens_per_day.",
    ]


async def test_what_fails_as_it_is_recorded_keeps_no_place() -> None:
    one, amounts = limiter(), Amounts(person={"at_once": 1})
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with one.admitted(ADA, "portal", amounts):
                raise RuntimeError("no records")


async def test_refusals_are_counted_without_names() -> None:
    one, amounts = Limiter(MemoryLedger(Clock()), Metrics()), Amounts(person={"turns_per_minute": 1})
    assert await let_in(one, ADA, amounts, tries=4) == 1
    told = one.metrics.text().decode()
    assert 'switchyard_refused_turns_total{reason="too_many_turns",surface="portal"} 3.0' in told
    assert "ada" not in told


@pytest.mark.parametrize("reason", ["too_many_turns", "budget_spent", "too_many_at_once"])
@pytest.mark.parametrize("whose", ["yours", "all"])
@pytest.mark.parametrize(
    ("wait", "said"),
    [(0.2, "2 seconds"), (42.1, "43 seconds"), (90, "90 seconds"), (91, "2 minutes"), (5_401, "2 hours"),
     (80_000, "23 hours")],
)  # fmt: skip
def test_people_are_told_when_to_go_on(reason: Any, whose: Any, wait: float, said: str) -> None:
    rejected = over_limit(Refused(reason, wait, whose))
    assert (rejected.code, rejected.retry_after) == (reason, wait)
    if reason != "too_many_at_once":
        assert f"in about {said}." in str(rejected)


def test_the_address_of_the_store_hides_its_password() -> None:
    amounts = Amounts(store="redis://user:geheim@cache:6379/1")
    assert amounts.store == "redis://user:geheim@cache:6379/1"
    assert "geheim" not in repr(amounts) and "geheim" not in amounts.model_dump_json()
    with pytest.raises(ValidationError) as caught:
        Amounts(store="memcached://user:geheim@cache")
    assert "geheim" not in str(caught.value) and "redis://" in str(caught.value)


@pytest.mark.parametrize("wrong", [{"turns_per_minute": 0}, {"cost_per_day": 0}, {"at_once": True}, {"turns": 5}])
def test_an_allowance_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Allowance(**wrong)


def test_wrong_tries_of_an_address_are_bounded_and_so_is_what_is_remembered() -> None:
    clock = Clock()
    attempts = Attempts(3, clock)
    assert [attempts.again("10.0.0.1") for _ in range(3)] == [None] * 3
    wait = attempts.again("10.0.0.1")
    assert wait is not None and 59 <= wait <= 61 and attempts.again("::ffff:10.0.0.1") is not None
    assert attempts.again("10.0.0.2") is None
    assert [attempts.again(f"2001:db8::{number}") is None for number in range(5)] == [True] * 3 + [False] * 2
    assert [attempts.again(odd) is None for odd in ("", "not an address", "fe80::1%eth0", "/run/x.sock")] == [True] * 4
    attempts.most = 5
    assert attempts.again("10.0.0.1") is None
    clock.now += 61.1
    assert attempts.again("10.0.0.1") is None
    for number in range(ADDRESSES + 500):
        attempts.again(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
    assert len(attempts) == ADDRESSES


def test_every_refusal_is_said_in_german() -> None:
    for reason in ("too_many_turns", "budget_spent", "too_many_at_once"):
        for whose in ("yours", "all"):
            for wait in (30.0, 300.0, 30_000.0):
                english = str(over_limit(Refused(reason, wait, whose)))  # type: ignore[arg-type]
                german = words("de").say(english)
                assert german != english and "{" not in german
                assert words("en").say(english) == english
                assert (
                    reason == "too_many_at_once"
                    or str(math.ceil(wait / {30: 1, 300: 60, 30_000: 3_600}[wait])) in german
                )
