"""Records on both databases: SQLite always, PostgreSQL where there is one on this machine."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from assistant.records.repository import Repository
from tests.records import postgres


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    pytest.importorskip("asyncpg", reason="needs asyncpg")
    programs = postgres.programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's initdb and pg_ctl")
    with postgres.running(programs) as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"
    import asyncpg

    socket, name = request.getfixturevalue("postgres_socket"), f"records_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(host=str(socket), user="tests", database="postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"postgresql+asyncpg://tests@/{name}?host={socket}"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Repository]:
    """Open records on it."""
    records = Repository(url)
    await records.open()
    yield records
    await records.close()
