"""Turns that are run again, and the step from databases that knew no versions."""

import asyncio
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from assistant.records.models import Base, TurnRow
from assistant.records.repository import MIGRATIONS, Repository, StoredTurn


async def end(records: Repository, turn: str, answer: str) -> None:
    await records.end_turn(turn, answer=answer, status="finished", events={"routed": {"route": "voice"}})


async def the(records: Repository, turn: str) -> StoredTurn:
    found = await records.turn(turn, "ada")
    assert found is not None
    return found


async def test_a_turn_that_is_run_again_takes_its_place_and_the_old_one_is_kept(database: Repository) -> None:
    conversation = await database.start_conversation("ada", "portal", "hello")
    first = await database.start_turn(conversation, "hello")
    last = await database.start_turn(conversation, "the cap?", "demo")
    await end(database, first, "Hi.")
    await end(database, last, "No idea.")
    again = await database.start_version(await the(database, last))
    third = await database.start_version(await the(database, last))
    assert again is not None and third is not None
    await end(database, third, "£165.")

    turns = await database.turns(conversation)
    assert [(turn.id, turn.position, turn.version, turn.answer) for turn in turns] == [
        (first, 0, 0, "Hi."),
        (third, 1, 2, "£165."),
    ]
    versions = await database.versions(conversation, 1)
    assert [(turn.id, turn.version, turn.answer) for turn in versions] == [
        (last, 0, "No idea."),
        (again, 1, ""),
        (third, 2, "£165."),
    ]
    assert {turn.text for turn in versions} == {"the cap?"} and {turn.collection for turn in versions} == {"demo"}
    assert [turn.id for turn in await database.versions(conversation, 0)] == [first]
    assert await database.versions(conversation, 2) == []


async def test_only_the_last_turn_is_run_again(database: Repository) -> None:
    conversation = await database.start_conversation("ada", "portal", "hello")
    first = await database.start_turn(conversation, "hello")
    before = await the(database, first)
    await database.start_turn(conversation, "more")
    assert await database.start_version(before) is None
    assert [turn.text for turn in await database.turns(conversation)] == ["hello", "more"]
    assert len(await database.versions(conversation, 0)) == 1


async def test_a_turn_is_its_persons_alone(database: Repository) -> None:
    conversation = await database.start_conversation("ada", "portal", "hello")
    turn = await database.start_turn(conversation, "hello")
    assert (await the(database, turn)).conversation == conversation
    assert await database.turn(turn, "eve") is None and await database.turn("nothing", "ada") is None


async def test_turns_and_versions_at_once_never_share_a_place_nor_orphan_one(url: str) -> None:
    """From two processes, as two repositories are: a version is made only of what is still last."""
    one, other = Repository(url), Repository(url)
    await one.open()
    await other.open()
    conversation = await one.start_conversation("ada", "portal", "hello")
    last = await the(one, await one.start_turn(conversation, "hello"))
    work: list[Any] = []
    for records in (one, other) * 4:
        work += [records.start_version(last), records.start_turn(conversation, "more")]
    made = await asyncio.gather(*work)
    assert [turn.position for turn in await one.turns(conversation)] == list(range(9))
    versions = await one.versions(conversation, 0)
    assert [turn.version for turn in versions] == list(range(1 + sum(each is not None for each in made[::2])))
    after = await one.versions(conversation, 1)
    assert max(turn.created_at for turn in versions) <= after[0].created_at or len(versions) == 1
    await one.close()
    await other.close()


def upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    (command.downgrade if revision < "0003" and _present(connection) == "0003" else command.upgrade)(config, revision)


def _present(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


AT = "'2026-11-01 10:00:00+00:00'"
OLD = [
    "INSERT INTO conversations (id, person, surface, title, created_at, updated_at)"
    f" VALUES ('c', 'ada', 'portal', 'hello', {AT}, {AT})",
    *(
        "INSERT INTO turns (id, conversation_id, position, text, answer, status, routed, created_at)"
        f" VALUES ('t{place}', 'c', {place}, 'said {place}', 'answer {place}', 'finished',"
        f""" '{{"route": "voice"}}', {AT})"""
        for place in range(3)
    ),
]


async def old_database(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, "0002")
        for statement in OLD:
            await connection.execute(text(statement))
    await engine.dispose()


async def test_a_database_of_the_version_before_is_taken_over_with_all_it_holds(url: str) -> None:
    await old_database(url)
    records = Repository(url)
    await records.open()
    turns = await records.turns("c")
    assert [(turn.id, turn.position, turn.version, turn.answer) for turn in turns] == [
        (f"t{place}", place, 0, f"answer {place}") for place in range(3)
    ]
    assert turns[2].routed == {"route": "voice"} and turns[2].collection is None
    again = await records.start_version(turns[2])
    assert [turn.id for turn in await records.turns("c")] == ["t0", "t1", again]

    with pytest.raises(IntegrityError):
        async with records.session() as session:
            session.add(TurnRow(id="x", conversation_id="c", position=2, version=1, text="twice"))
    with pytest.raises(IntegrityError):
        async with records.session() as session:
            session.add(TurnRow(id="x", conversation_id="nowhere", position=0, text="of nothing"))
    async with records.session() as session:
        connection = await session.connection()
        assert await connection.run_sync(differences) == []
        await session.execute(text("DELETE FROM conversations"))
        assert (await session.execute(text("SELECT count(*) FROM turns"))).scalar_one() == 0
    await records.close()


async def test_the_step_back_keeps_the_newest_version_of_each_turn(url: str) -> None:
    await old_database(url)
    records = Repository(url)
    await records.open()
    again = await records.start_version((await records.turns("c"))[2])
    await records.close()
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, "0002")
        rows = await connection.execute(text("SELECT id FROM turns ORDER BY position"))
        assert list(rows.scalars()) == ["t0", "t1", again]
        await connection.run_sync(upgrade, "0003")
    await engine.dispose()


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))
