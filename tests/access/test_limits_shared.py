"""Replicas that count in one Redis, and what happens when it is gone."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import redis

from assistant.access import limits_redis, limits_shared
from assistant.access.identity import Identity
from assistant.access.limits import Limiter, Refused, Spent
from assistant.access.limits_ledger import MemoryLedger
from assistant.access.limits_redis import LedgerAway, RedisLedger
from assistant.access.limits_shared import AGAIN, SharedLedger
from assistant.app import Assistant
from assistant.config_limits import Amounts
from assistant.conversation.events import Finished, TextDelta
from assistant.conversation.front import Front
from assistant.conversation.service import ChatService
from assistant.settings import Settings
from assistant.settings_file import taken, tell_what_changed
from assistant.telemetry import Metrics
from connectors.scripted import ScriptedModel, Step
from tests.access import redis_server as redis_of_ours
from tests.access.redis_server import Server
from tests.access.redis_server import redis_server as redis_server
from tests.access.test_limits_ledger import Clock, key
from tests.access.test_limits_turns import readable
from tests.conftest import ROOT, answer_with

ADA = Identity("token:portal:ada", via="token")
REPLICA = """
import asyncio, sys
from assistant.access.identity import Identity
from assistant.access.limits import Limiter, Refused
from assistant.config_limits import Amounts
from assistant.telemetry import Metrics

async def main(url, person, surface):
    limiter = Limiter.of(url, Metrics())
    who, amounts = Identity(person, via="token"), Amounts(person={"turns_per_day": 50, "at_once": 9})
    async def one(_):
        try:
            grant = await limiter.admit(who, surface, amounts)
        except Refused as refused:
            return refused.reason
        await asyncio.sleep(0.001)
        await limiter.ended(grant)
        return "ok"
    found = []
    for _ in range(10):
        found += await asyncio.gather(*map(one, range(12)))
    await limiter.aclose()
    print(found.count("ok"))

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def replica(url: str) -> AsyncIterator[Limiter]:
    limiter = Limiter.of(url, Metrics())
    try:
        yield limiter
    finally:
        await limiter.aclose()


async def let_in(limiter: Limiter, amounts: Amounts, surface: str) -> bool:
    try:
        await limiter.ended(await limiter.admit(ADA, surface, amounts), Spent(10))
    except Refused:
        return False
    return True


def test_processes_together_let_in_no_more_than_one_may(redis_server: Server) -> None:
    command = [sys.executable, "-c", REPLICA, redis_server.url, "token:portal:ada", key()]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    counts = [int(process.communicate(timeout=120)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sum(counts) == 50


async def test_replicas_share_budgets_and_places(redis_server: Server) -> None:
    surface, amounts = key(), Amounts(person={"tokens_per_day": 35, "at_once": 1})
    async with replica(redis_server.url) as one, replica(redis_server.url) as other:
        grant = await one.admit(ADA, surface, amounts)
        assert not await let_in(other, amounts, surface)
        await one.ended(grant)
        found = [await let_in(each, amounts, surface) for each in (one, other, one, other, one, other)]
        assert found == [True] * 4 + [False] * 2


async def test_without_its_redis_a_replica_counts_on_by_itself(monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(limits_shared, "AGAIN", 0.0)
    surface, amounts = key(), Amounts(person={"turns_per_day": 5, "at_once": 1})
    with redis_of_ours.running() as server:
        async with replica(server.url) as one, replica(server.url) as other:
            assert [await let_in(each, amounts, surface) for each in (one, one, other)] == [True] * 3
            held = await one.admit(ADA, surface, amounts)
            server.kill()
            with caplog.at_level(logging.WARNING):
                await one.ended(held, Spent(5))  # a turn in the middle of which it fell
                # One has let in three itself and knows of no more, the other one of one.
                assert [await let_in(one, amounts, surface) for _ in range(4)] == [True] * 2 + [False] * 2
                assert [await let_in(other, amounts, surface) for _ in range(6)] == [True] * 4 + [False] * 2
                told = [record.getMessage() for record in caplog.records]
                assert len(told) == 2 and all("this process counts for itself" in each for each in told)
                assert "switchyard_limits_store_away 1.0" in one.metrics.text().decode()
                server.start()  # it has forgotten all
                found = [await let_in(each, amounts, surface) for each in (one, other) * 4]
                assert found == [True] * 5 + [False] * 3
            assert "switchyard_limits_store_away 0.0" in one.metrics.text().decode()


async def test_a_redis_that_hangs_is_waited_for_once_and_then_left_alone(monkeypatch: Any) -> None:
    monkeypatch.setattr(limits_redis, "SECONDS", 0.1)
    connections = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()
        writer.close()

    clock = Clock()
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        shared = SharedLedger(RedisLedger(f"redis://127.0.0.1:{port}/0"), MemoryLedger(clock), clock=clock)
        limiter, amounts = Limiter(shared), Amounts(person={"turns_per_day": 3})
        assert [await let_in(limiter, amounts, "portal") for _ in range(4)] == [True] * 3 + [False]
        tried = connections
        clock.now += AGAIN - 0.1
        assert not await let_in(limiter, amounts, "portal") and connections == tried
        clock.now += 0.2
        assert not await let_in(limiter, amounts, "portal") and connections > tried
        await limiter.aclose()


@asynccontextmanager
async def hanging(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> AsyncIterator[tuple[SharedLedger, list[int]]]:
    """A ledger whose Redis takes connections and never answers, and how many are open."""
    monkeypatch.setattr(limits_redis, "SECONDS", 0.5)
    opened: list[int] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ledger = SharedLedger(RedisLedger(f"redis://127.0.0.1:{port}/0"), MemoryLedger(clock), clock=clock)
        yield ledger, opened
        await ledger.aclose()


async def test_of_many_turns_one_asks_whether_a_redis_that_hangs_is_back(monkeypatch: Any) -> None:
    clock = Clock()
    async with hanging(monkeypatch, clock) as (ledger, opened):
        limiter, amounts = (
            Limiter(ledger),
            Amounts(person={"turns_per_day": 1_000, "at_once": 9, "tokens_per_day": 10**6}),
        )
        assert await let_in(limiter, amounts, "portal") and len(opened) == 1, "it is not asked twice"
        for _ in range(2):
            clock.now += AGAIN + 0.1
            opened.clear()
            grants = await asyncio.gather(*(limiter.admit(ADA, "portal", amounts) for _ in range(9)))
            assert len(opened) == 1, "whoever does not ask does not wait either"
            clock.now += AGAIN + 0.1  # it could be asked again: but what ends a turn never waits for that
            for grant in grants:
                await limiter.ended(grant)
            assert len(opened) == 1


async def test_the_end_of_an_answer_does_not_wait_for_a_redis_that_hangs(demo: Assistant, monkeypatch: Any) -> None:
    monkeypatch.setattr(limits_redis, "SECONDS", 60.0)
    answer_with(demo, ScriptedModel([Step(["hi"])], loop=True))
    surface, amounts = {"portal": readable}, {"portal": Amounts(person={"at_once": 1, "tokens_per_day": 1_000_000})}
    with redis_of_ours.running() as server:
        service = ChatService(
            Front(demo.service.engine, surface, amounts=amounts),
            demo.records,
            limiter=Limiter.of(server.url, Metrics()),
        )
        turn = await service.prepare("hello", person=ADA, route="voice")
        finished = False
        async with asyncio.timeout(30), aclosing(service.run(turn)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    server.hang()
                finished = finished or isinstance(event, Finished)
        assert finished
        server.kill()
        await service.aclose()


async def test_a_connection_that_was_closed_meanwhile_is_no_redis_that_is_away(caplog: Any) -> None:
    surface, amounts = key(), Amounts(person={"turns_per_day": 5, "at_once": 1})
    with redis_of_ours.running() as server:
        async with replica(server.url) as one:
            assert await let_in(one, amounts, surface)
            server.kill()
            server.start()
            assert await let_in(one, amounts, surface)
    assert "does not answer" not in caplog.text


def test_only_what_counts_is_said_to_be_taken_over(caplog: Any) -> None:
    before = Settings()
    stored = Settings.model_validate({"limits": {"store": "redis://localhost:6379/0"}})
    both = Settings.model_validate({"limits": {"store": "redis://localhost:6379/0", "person": {"at_once": 1}}})
    for given, counts in ((stored, False), (both, True)):
        caplog.clear()
        with caplog.at_level(logging.INFO, "assistant.settings_file"):
            now = taken(before, given)
            tell_what_changed(before, now, given)
        assert now.limits.store is None and (now.limits.person.at_once == 1) is counts
        assert ("taken over from the settings file: limits" in caplog.text) is counts
        assert "only a restart takes it over: limits" in caplog.text


async def test_a_password_is_shown_to_the_redis_alone() -> None:
    with redis_of_ours.running() as server:
        with redis.Redis(port=server.port) as client:
            client.config_set("requirepass", "richtig")
        right, wrong = (RedisLedger(server.url.replace("//", f"//:{each}@")) for each in ("richtig", "geheim"))
        await right.hold([key()], "lease", 1.0)
        with pytest.raises(LedgerAway) as caught:
            await wrong.hold([key()], "lease", 1.0)
        assert "geheim" not in str(caught.value) and "password" in str(caught.value).lower()
        await right.aclose()
        await wrong.aclose()
