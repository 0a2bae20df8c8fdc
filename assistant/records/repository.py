"""Reading and writing the records: conversations and their turns."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Select, Table, event, exists, func, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InvalidRequestError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, aliased

from assistant.records.models import ConversationRow, TurnRow, now

_NEW_CONVERSATION = insert(cast(Table, ConversationRow.__table__))
_NEW_TURN = insert(cast(Table, TurnRow.__table__))
"""On the tables: as objects of the ORM they take twice as long, before the first token of every conversation."""
MIGRATIONS = Path(__file__).parent / "migrations"
TITLE_CHARACTERS = 80


class RecordsError(Exception):
    """The records database cannot be used; the message says why and never holds a password."""


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn as recorded; the event fields are as encoded for the wire, None where the event did not come.

    ``position`` is its place in its conversation; ``version`` counts how often it was run there, from 0.
    ``collection`` is the one that it was to search, None for all.
    """

    id: str
    conversation: str
    position: int
    version: int
    collection: str | None
    text: str
    answer: str
    status: str
    routed: Mapping[str, Any] | None
    retrieved: Mapping[str, Any] | None
    checked: Mapping[str, Any] | None
    ended: Mapping[str, Any] | None
    created_at: datetime


class Repository:
    """The records behind a SQLAlchemy URL. ``open`` migrates the schema and must come first."""

    def __init__(self, url: str) -> None:
        self._shown = _without_password(url)
        self._url = url
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None
        self._placing = asyncio.Lock()

    async def open(self) -> None:
        """Connect and bring the schema up to date. Raises RecordsError."""
        from alembic.util.exc import CommandError

        try:
            self._engine = create_async_engine(self._url, hide_parameters=True)
            if self._engine.dialect.name == "sqlite":
                event.listen(self._engine.sync_engine, "connect", _sqlite_pragmas)
            async with self._engine.begin() as connection:
                await connection.run_sync(migrate)
            self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
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
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction, which ends with it; faults of the database come out as RecordsError."""
        if self._sessions is None:
            raise RuntimeError("the repository is not open")
        try:
            async with self._sessions() as session, session.begin():
                yield session
        except IntegrityError:
            raise
        except (DBAPIError, OSError) as error:
            raise RecordsError(f"the records database failed: {getattr(error, 'orig', error)}") from error

    async def start_conversation(self, person: str, surface: str, first: str) -> str:
        """A new conversation, titled by its first turn; returns its id."""
        row = ConversationRow(id=str(uuid.uuid4()), person=person, surface=surface, title=_title(first))
        async with self.session() as session:
            session.add(row)
        return row.id

    async def begin(self, person: str, surface: str, text: str, collection: str | None = None) -> tuple[str, str]:
        """A new conversation with its first turn, in one transaction; returns the ids of both."""
        conversation, turn = str(uuid.uuid4()), str(uuid.uuid4())

        def write(session: Session) -> None:
            session.execute(
                _NEW_CONVERSATION, {"id": conversation, "person": person, "surface": surface, "title": _title(text)}
            )
            session.execute(
                _NEW_TURN,
                {"id": turn, "conversation_id": conversation, "position": 0, "text": text, "collection": collection},
            )

        async with self.session() as session:
            await session.run_sync(write)
        return conversation, turn

    async def surface_of(self, conversation: str, person: str) -> str | None:
        """The surface of a conversation, None unless it exists and is this person's."""
        async with self.session() as session:
            query = select(ConversationRow.surface).where(
                ConversationRow.id == conversation, ConversationRow.person == person
            )
            return (await session.execute(query)).scalar_one_or_none()

    async def turns(self, conversation: str) -> list[StoredTurn]:
        """The turns of a conversation, oldest first, each in its newest version."""
        newer = aliased(TurnRow)
        superseded = exists().where(
            newer.conversation_id == TurnRow.conversation_id,
            newer.position == TurnRow.position,
            newer.version > TurnRow.version,
        )
        query = select(TurnRow).where(TurnRow.conversation_id == conversation, ~superseded)
        return await self._stored(query.order_by(TurnRow.position))

    async def versions(self, conversation: str, position: int) -> list[StoredTurn]:
        """Every version of the turn at a position, the first one first; the last one is what ``turns`` gives."""
        query = select(TurnRow).where(TurnRow.conversation_id == conversation, TurnRow.position == position)
        return await self._stored(query.order_by(TurnRow.version))

    async def turn(self, turn: str, person: str) -> StoredTurn | None:
        """One version of a turn, None unless it exists in a conversation of this person."""
        query = select(TurnRow).join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
        return next(iter(await self._stored(query.where(TurnRow.id == turn, ConversationRow.person == person))), None)

    async def _stored(self, query: Select[Any]) -> list[StoredTurn]:
        async with self.session() as session:
            return [_turn(row) for row in (await session.execute(query)).scalars()]

    async def start_turn(self, conversation: str, text: str, collection: str | None = None) -> str:
        """Record what was said before anything answers it; returns the turn's id."""
        turn = TurnRow(id=str(uuid.uuid4()), conversation_id=conversation, text=text, collection=collection)
        # The conversation is written first, which holds it.
        touched = update(ConversationRow).where(ConversationRow.id == conversation).values(updated_at=now())
        async with self._placing, self.session() as session:
            await session.execute(touched)
            last = await _last_position(session, conversation)
            turn.position = 0 if last is None else last + 1
            session.add(turn)
        return turn.id

    async def start_version(self, turn: StoredTurn) -> str | None:
        """Record that a turn is run again in its place; returns the new version's id. None, and nothing is recorded,
        where it is not the last turn of its conversation (any more)."""
        again = TurnRow(
            id=str(uuid.uuid4()),
            conversation_id=turn.conversation,
            position=turn.position,
            text=turn.text,
            collection=turn.collection,
        )
        touched = update(ConversationRow).where(ConversationRow.id == turn.conversation).values(updated_at=now())
        async with self._placing, self.session() as session:
            await hold(session, turn.conversation)
            if await _last_position(session, turn.conversation) != turn.position:
                return None
            newest = select(func.max(TurnRow.version)).where(
                TurnRow.conversation_id == turn.conversation, TurnRow.position == turn.position
            )
            again.version = (await session.execute(newest)).scalar_one() + 1
            session.add(again)
            await session.execute(touched)
        return again.id

    async def end_turn(self, turn: str, *, answer: str, status: str, events: Mapping[str, Any]) -> None:
        """Record how a turn ended; ``events`` maps routed, retrieved, checked and ended to encoded events."""
        async with self.session() as session:
            values = {"answer": answer, "status": status, **events}
            await session.execute(update(TurnRow).where(TurnRow.id == turn).values(**values))


async def hold(session: AsyncSession, conversation: str) -> bool:
    """Have whoever else holds this conversation, in any process, wait until the session ends; whether it exists."""
    query = update(ConversationRow).where(ConversationRow.id == conversation)
    held = await session.execute(query.values(updated_at=ConversationRow.updated_at).returning(ConversationRow.id))
    return held.first() is not None


async def _last_position(session: AsyncSession, conversation: str) -> int | None:
    query = select(func.max(TurnRow.position)).where(TurnRow.conversation_id == conversation)
    return (await session.execute(query)).scalar_one()


def _title(first: str) -> str:
    title = " ".join(first.split())
    return title if len(title) <= TITLE_CHARACTERS else title[: TITLE_CHARACTERS - 1].rstrip() + "…"


def _turn(row: TurnRow) -> StoredTurn:
    return StoredTurn(
        id=row.id,
        conversation=row.conversation_id,
        position=row.position,
        version=row.version,
        collection=row.collection,
        text=row.text,
        answer=row.answer,
        status=row.status,
        routed=row.routed,
        retrieved=row.retrieved,
        checked=row.checked,
        ended=row.ended,
        created_at=row.created_at,
    )


def migrate(connection: Connection) -> None:
    """Bring the schema of a database to the newest revision, within the transaction of ``connection``."""
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "sqlite":
        # Python's driver begins no transaction for CREATE TABLE, and a process killed here left half a schema.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _sqlite_pragmas(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=20000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "the address cannot be read"
