"""API keys in both databases: made, found again, ended, and never kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from assistant.access import api_keys
from assistant.access.api_keys import ApiKeys
from assistant.records.api_keys import ApiKeyRow, KeyTable
from assistant.records.repository import Repository
from tests.records.test_migrations import run


async def test_a_key_is_found_by_itself_alone_and_kept_as_a_hash(database: Repository) -> None:
    keys = ApiKeys(database)
    key, known = await keys.add("intranet", surfaces=["b", "a"], groups=["staff"], role="editor", days=30)
    assert re.fullmatch(r"sy_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", key) and key.startswith(f"sy_{known.id}_")
    again = ApiKeys(database)
    for found in (await keys.find(key), await again.find(key)):
        assert found is not None and replace(found, used_at=None) == known
    assert (known.surfaces, known.collections, known.groups) == (frozenset("ab"), None, frozenset({"staff"}))
    assert known.expires_at == known.made_at + timedelta(days=30) and known.made_at.tzinfo is UTC
    other, _ = await keys.add("other")
    assert await keys.find(key[:16] + other[16:]) is None and await keys.find(key[:-1]) is None
    async with database.session() as session:
        held = str((await session.execute(text("SELECT * FROM api_keys"))).all())
    assert key[16:] not in held and other[16:] not in held and known.id in held


async def test_keys_are_listed_in_order_with_those_that_have_ended(database: Repository) -> None:
    keys = ApiKeys(database)
    made = [(await keys.add(name, days=days))[1] for name, days in (("a", None), ("b", -1), ("c", 1))]
    assert await keys.revoke(made[2].id)
    found = await keys.listed()
    assert [(each.name, each.ended) for each in found] == [("a", False), ("b", True), ("c", True)]
    assert found[2].revoked_at is not None and found[1].revoked_at is None
    assert not await keys.revoke(made[2].id) and not await keys.revoke("nowhere")


async def test_bounds_that_are_empty_are_not_taken_for_none(database: Repository) -> None:
    await ApiKeys(database).add("nothing", surfaces=[], collections=[])
    await ApiKeys(database).add("all")
    nothing, everything = await ApiKeys(database).listed()
    assert (nothing.surfaces, nothing.collections) == (frozenset(), frozenset())
    assert (everything.surfaces, everything.collections) == (None, None)


class Statements:
    """What is asked of the databases while it is open."""

    def __init__(self) -> None:
        self.reads, self.writes = 0, 0

    def note(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        if "api_keys" in statement:
            self.reads += statement.startswith("SELECT")
            self.writes += statement.startswith("UPDATE")


@pytest.fixture
def statements() -> Iterator[Statements]:
    from sqlalchemy import Engine

    found = Statements()
    event.listen(Engine, "before_cursor_execute", found.note)
    yield found
    event.remove(Engine, "before_cursor_execute", found.note)


async def test_a_key_that_is_used_often_is_read_once_and_noted_once(
    database: Repository, statements: Statements
) -> None:
    keys = ApiKeys(database)
    key, known = await keys.add("stream")
    before = datetime.now(UTC)
    for _ in range(50):
        assert await keys.find(key) is not None
    await keys.aclose()
    assert (statements.reads, statements.writes) == (1, 1)
    (found,) = await keys.listed()
    assert found.used_at is not None and before <= found.used_at <= datetime.now(UTC)
    async with aclosing(ApiKeys(database)) as other:
        assert await other.find(key) is not None
    assert statements.writes == 1, "another process has noted it just now"
    old = before - timedelta(hours=1)
    async with database.session() as session:
        row = await session.get(ApiKeyRow, known.id)
        assert row is not None
        row.used_at = old
    statements.writes = 0
    async with aclosing(ApiKeys(database)) as other:
        assert await other.find(key) is not None
    assert statements.writes == 1


async def test_many_that_come_at_once_with_a_key_read_it_once(database: Repository, statements: Statements) -> None:
    async with aclosing(ApiKeys(database)) as keys:
        key, known = await keys.add("busy")
        first = asyncio.create_task(keys.find(key))
        await asyncio.sleep(0)
        others = [asyncio.create_task(keys.find(key)) for _ in range(50)]
        await asyncio.sleep(0)
        first.cancel()  # the others wait for what it began
        assert {each and each.id for each in await asyncio.gather(*others)} == {known.id}
        with pytest.raises(asyncio.CancelledError):
            await first
    assert (statements.reads, statements.writes) == (1, 1)


async def test_the_use_of_a_key_is_noted_beside_the_request(database: Repository, monkeypatch: Any) -> None:
    keys, free = ApiKeys(database), asyncio.Event()
    key, _ = await keys.add("k")
    used = KeyTable.used

    async def slow(*arguments: Any) -> None:
        await free.wait()
        await used(*arguments)

    monkeypatch.setattr(KeyTable, "used", slow)
    async with asyncio.timeout(20):
        assert await keys.find(key) is not None
    free.set()
    await keys.aclose()
    (found,) = await keys.listed()
    assert found.used_at is not None, "closing waits for it"


async def test_a_key_that_is_revoked_as_it_is_read_is_not_remembered(database: Repository, monkeypatch: Any) -> None:
    async with aclosing(ApiKeys(database)) as keys:
        key, known = await keys.add("k")
        one, read, free = KeyTable.one, asyncio.Event(), asyncio.Event()

        async def slow(*arguments: Any) -> ApiKeyRow | None:
            row = await one(*arguments)
            read.set()
            await free.wait()
            return row

        monkeypatch.setattr(KeyTable, "one", slow)
        asking = asyncio.create_task(keys.find(key))
        await read.wait()
        await keys.revoke(known.id)
        free.set()
        await asking
        assert await keys.find(key) is None


async def test_ids_that_somebody_makes_up_do_not_have_keys_forgotten(
    database: Repository, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "MOST_REMEMBERED", 10)
    monkeypatch.setattr(api_keys, "REMEMBERED", 600)
    async with aclosing(ApiKeys(database)) as keys:
        key, _ = await keys.add("k")
        assert await keys.find(key) is not None
        for number in range(35):
            assert await keys.find(f"sy_{number:012x}_{43 * 'A'}") is None
        statements.reads = 0
        assert await keys.find(key) is not None and statements.reads == 0


async def test_guesses_of_one_id_ask_the_database_once(database: Repository, statements: Statements) -> None:
    keys = ApiKeys(database)
    assert not any([await keys.find(f"sy_{12 * '0'}_{number:043}") for number in range(50)])
    assert statements.reads == 1


async def test_revoking_counts_here_at_once_and_elsewhere_soon(
    database: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "REMEMBERED", 0.3)
    here, there = ApiKeys(database), ApiKeys(database)
    key, known = await here.add("k")
    assert await here.find(key) and await there.find(key)
    await asyncio.gather(here.aclose(), there.aclose())
    await here.revoke(known.id)
    assert await here.find(key) is None
    await asyncio.sleep(0.35)
    assert await there.find(key) is None


async def test_a_key_expires_while_it_is_remembered(database: Repository) -> None:
    keys = ApiKeys(database)
    key, _ = await keys.add("k", days=0.5 / 86_400)
    assert await keys.find(key) is not None
    await asyncio.sleep(0.6)
    assert await keys.find(key) is None


async def test_what_is_remembered_is_bounded(database: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MOST_REMEMBERED", 10)
    keys = ApiKeys(database)
    for number in range(35):
        await keys.find(f"sy_{number:012x}_{43 * 'A'}")
        key, _ = await keys.add(str(number))
        assert await keys.find(key) is not None
    assert len(keys._remembered) == len(keys._unknown) == 10
    await keys.aclose()


async def test_the_step_to_keys_and_back_leaves_the_rest(url: str) -> None:
    made = "INSERT INTO conversations (id, person, surface, title, created_at, updated_at, pinned) VALUES "
    row = "('c', 'ada', 'portal', 'hello', '2026-11-01 10:00:00+00:00', '2026-11-01 10:00:00+00:00', false)"
    await run(url, "0006", made + row)
    records = Repository(url)
    await records.open()
    await ApiKeys(records).add("k")
    await records.close()
    (kept,) = await run(url, "0006", "SELECT id FROM conversations")
    assert kept == [("c",)]
    (keys,) = await run(url, "0007", "SELECT id FROM api_keys")
    assert keys == []
    await run(url, "head")
