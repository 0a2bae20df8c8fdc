"""The records database: opened and migrated, and asked from wherever is fastest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Table, event, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InvalidRequestError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from assistant.records.models import RUNNING, TurnRow, now
from assistant.records.stored import SILENCE
from assistant.records.threads import Threads, in_a_file

T = TypeVar("T")

_TURNS = cast(Table, TurnRow.__table__)
MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATING = 0x53776974_63687964
"""The lock under which a PostgreSQL is migrated; any number that nobody else uses there."""


class RecordsError(Exception):
    """The records database cannot be used; the message says why and never holds a password."""


class Database:
    """The database behind a SQLAlchemy URL. ``open`` migrates the schema and must come first."""

    def __init__(self, url: str) -> None:
        self._shown = _without_password(url)
        self._url = url
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None
        self._threads: Threads | None = None

    async def open(self) -> None:
        """Connect and bring the schema up to date. Raises RecordsError."""
        from alembic.util.exc import CommandError

        try:
            self._engine = create_async_engine(self._url, hide_parameters=True)
            if self._engine.dialect.name == "sqlite":
                event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            async with self._engine.begin() as connection:
                await connection.run_sync(migrate)
                await connection.run_sync(_end_the_silent)
            self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
            file = in_a_file(self._url)
            self._threads = Threads(file, _prepare_sqlite) if file is not None else None
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, InvalidRequestError) as error:
            raise RecordsError(
                f"records.url is not a database address this program can use: {self._shown}. It needs an "
                "asynchronous driver that is installed, as in sqlite+aiosqlite:// or postgresql+asyncpg://"
                ' (pip install "switchyard[postgres]")'
            ) from error
        except CommandError as error:
            await self.close()
            raise RecordsError(
                f"the records database ({self._shown}) was made by a newer version of Switchyard: {error}"
            ) from error
        except (DBAPIError, OSError) as error:
            await self.close()
            reason = str(getattr(error, "orig", error))
            raise RecordsError(f"the records database cannot be used ({self._shown}): {reason}") from error

    async def close(self) -> None:
        """Release the connections; nothing is lost by it."""
        if self._threads is not None:
            await self._threads.close()
            self._threads = None
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction, which ends with it; faults of the database come out as RecordsError."""
        if self._sessions is None:
            raise RuntimeError("the repository is not open")
        with _faults():
            async with self._sessions() as session, session.begin():
                yield session

    async def write(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a transaction; where many write at once, the fastest way. Raises RecordsError."""
        if self._threads is None:
            async with self.session() as session:
                return await session.run_sync(work)
        with _faults():
            return await self._threads.write(work)

    async def read(self, work: Callable[[Session], T]) -> T:
        """Run ``work``, which only reads. Raises RecordsError."""
        if self._threads is None:
            async with self.session() as session:
                return await session.run_sync(work)
        with _faults():
            return await self._threads.read(work)


@contextmanager
def _faults() -> Iterator[None]:
    """Faults of the database come out as RecordsError; what breaks a rule of the tables is for whoever wrote it."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, OSError) as error:
        raise RecordsError(f"the records database failed: {getattr(error, 'orig', error)}") from error


def _end_the_silent(connection: Connection) -> None:
    """What ran when its process died has stopped."""
    silent = (_TURNS.c.written_at < now() - SILENCE) | _TURNS.c.written_at.is_(None)
    connection.execute(update(_TURNS).where(RUNNING, silent).values(status="stopped"))


def migrate(connection: Connection) -> None:
    """Bring the schema of a database to the newest revision, within the transaction of ``connection``."""
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "sqlite":
        # Python's driver begins no transaction for CREATE TABLE, and a process killed here left half a schema.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        # Of replicas that start together the first migrates; to the others, which wait, there is nothing left to do.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=20000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    # SQLite's own knows the letters of English only.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(text: Any) -> str | None:
    return None if text is None else str(text).lower()


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "the address cannot be read"
