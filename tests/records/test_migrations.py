"""The steps between the versions of the schema, forth and back, on databases that hold something."""

import subprocess
import sys
from subprocess import PIPE
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from assistant.records.corrections import Corrections
from assistant.records.database import MIGRATIONS
from assistant.records.models import Base, TurnRow
from assistant.records.repository import Repository
from tests.conftest import ROOT
from tests.records.test_tree import again, the


def step(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    present = MigrationContext.configure(connection).get_current_revision() or ""
    (command.downgrade if revision < present else command.upgrade)(config, revision)


async def run(url: str, revision: str, *statements: str) -> list[list[Any]]:
    """The database at a revision, and what the statements give there."""
    engine = create_async_engine(url)
    found = []
    async with engine.begin() as connection:
        await connection.run_sync(step, revision)
        for statement in statements:
            result = await connection.execute(text(statement))
            found.append([tuple(row) for row in result.all()] if result.returns_rows else [])
    await engine.dispose()
    return found


AT = "'2026-11-01 10:00:00+00:00'"
CONVERSATION = (
    "INSERT INTO conversations (id, person, surface, title, created_at, updated_at)"
    f" VALUES ('c', 'ada', 'portal', 'hello', {AT}, {AT})"
)


def turn(identity: str, place: int, status: str = "finished", **more: int) -> str:
    names, values = ", ".join(["", *more]), ", ".join(["", *map(str, more.values())])
    return (
        f"INSERT INTO turns (id, conversation_id, position, text, answer, status, routed, created_at{names})"
        f" VALUES ('{identity}', 'c', {place}, 'said {place}', 'answer {place}', '{status}',"
        f""" '{{"route": "voice"}}', {AT}{values})"""
    )


def correction(identity: str, place: int) -> str:
    return (
        "INSERT INTO corrections (conversation_id, position, turn, verdict, person, surface, text, history,"
        f" information, decision, made_at) VALUES ('c', {place}, '{identity}', 'look_up', 'ada', 'portal',"
        f" 'said {place}', '[]', true, '{{}}', {AT})"
    )


async def test_a_database_of_the_first_version_is_taken_over_with_all_it_holds(url: str) -> None:
    await run(url, "0002", CONVERSATION, *(turn(f"t{place}", place) for place in range(3)))
    records = Repository(url)
    await records.open()
    turns = await records.turns("c")
    assert [(each.id, each.position, each.version, each.parent, each.answer) for each in turns] == [
        ("t0", 0, 0, None, "answer 0"),
        ("t1", 1, 0, "t0", "answer 1"),
        ("t2", 2, 0, "t1", "answer 2"),
    ]
    assert turns[2].routed == {"route": "voice"} and turns[2].collection is None
    assert [each.id for each in turns] == ["t0", "t1", "t2"] == [each.question for each in turns]
    new = await again(records, "t2")
    assert [each.id for each in await records.turns("c")] == ["t0", "t1", new]

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


VERSIONS = (
    CONVERSATION,
    turn("a0", 0, version=0),
    turn("a1", 0, version=1),
    turn("b0", 1, version=0),
    turn("c0", 2, version=0),
    turn("c1", 2, version=1),
    turn("c2", 2, "running", version=2),
    correction("a1", 0),
    correction("c0", 2),
)


async def test_versions_become_siblings_and_corrections_hang_on_their_question(url: str) -> None:
    await run(url, "0003", *VERSIONS)
    records = Repository(url)
    await records.open()
    tree = await records.tree("c")
    assert {each.id: (each.parent, each.question) for each in tree} == {
        "a0": (None, "a0"),
        "a1": (None, "a0"),
        "b0": ("a1", "b0"),
        "c0": ("b0", "c0"),
        "c1": ("b0", "c0"),
        "c2": ("b0", "c0"),
    }
    shown = await records.turns("c")
    assert [(each.id, each.status) for each in shown] == [("a1", "finished"), ("b0", "finished"), ("c2", "stopped")]
    assert shown[2].siblings == ("c0", "c1", "c2")
    kept = await Corrections(records).listed()
    assert [(each.question, each.turn, each.verdict) for each in kept] == [
        ("a0", "a1", "look_up"),
        ("c0", "c0", "look_up"),
    ]
    await records.close()


async def test_the_step_back_keeps_the_shown_branch_with_its_versions_and_what_was_said_of_them(url: str) -> None:
    await run(url, "0003", *VERSIONS)
    records = Repository(url)
    await records.open()
    edited = await again(records, "b0", "other words")
    await records.start_turn("c", "and on")
    await records.show(await the(records, "c1"))
    (branch,) = [[each.id for each in await records.turns("c")]]
    assert branch == ["a1", "b0", "c1"] and edited not in branch
    await records.close()
    query = "SELECT id FROM turns ORDER BY position, version"
    turns, corrections = await run(url, "0003", query, "SELECT position, turn FROM corrections ORDER BY position")
    assert [each for (each,) in turns] == ["a0", "a1", "b0", "c0", "c2", "c1"], "what is shown is the newest"
    assert corrections == [(0, "a1"), (2, "c0")]
    (kept,) = await run(url, "head", "SELECT leaf FROM conversations")
    assert kept == [("c1",)]


async def test_the_step_back_to_the_first_version_keeps_what_is_shown(url: str) -> None:
    await run(url, "0002", CONVERSATION, *(turn(f"t{place}", place) for place in range(3)))
    records = Repository(url)
    await records.open()
    new = await again(records, "t2")
    await records.close()
    (rows,) = await run(url, "0002", "SELECT id FROM turns ORDER BY position")
    assert [each for (each,) in rows] == ["t0", "t1", new]
    await run(url, "head")


REPLICA = """
import asyncio, sys
from assistant.records.repository import Repository

async def main():
    records = Repository(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    await records.open()
    await records.close()

asyncio.run(main())
"""


async def test_replicas_that_start_together_after_an_upgrade_all_come_up(url: str) -> None:
    await run(url, "0006", CONVERSATION.replace("updated_at)", "updated_at, pinned)")[:-1] + ", false)")
    command = [sys.executable, "-c", REPLICA, url]
    starting = [subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, cwd=ROOT) for _ in range(3)]
    for each in starting:
        assert each.stdout is not None and each.stdout.readline() == "ready\n"
    for each in starting:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    told = [each.communicate(timeout=60)[1] for each in starting]
    assert [each.returncode for each in starting] == [0] * 3, told
    assert await run(url, "head", "SELECT id FROM conversations") == [[("c",)]]


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))
