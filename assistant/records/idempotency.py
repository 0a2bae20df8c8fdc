"""Which requests have been carried out already, so that whoever sends one again gets the answer and not the deed.

Keys and requests are kept as hashes; the answer is kept where it is small, and where it is a turn's, the turn's id.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from assistant.records.models import RUNNING, Base, TurnRow, now
from assistant.records.repository import Repository

KEPT = timedelta(hours=24)
"""How long the same key gives the same answer."""
LONGEST = timedelta(minutes=1)
"""How long a claim without an answer counts: whoever holds it renews it, so that one that is older was left."""
PRUNED = 60.0
"""Seconds after which a process forgets again what is too old."""
_pruned: WeakKeyDictionary[Repository, float] = WeakKeyDictionary()


class IdempotencyRow(Base):
    """A request that was sent with a key. ``key`` is the SHA-256 of person and key, ``request`` that of all that was
    asked for. ``turn`` is no foreign key: SQLite alters a table by dropping it."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("ix_idempotency_made", "made_at"), Index("ix_idempotency_conversation", "conversation_id"))

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    turn: Mapped[str | None] = mapped_column(String(36))
    conversation_id: Mapped[str | None] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    answer: Mapped[str | None] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)


_ROWS = cast(Table, IdempotencyRow.__table__)
_OPEN = and_(_ROWS.c.turn.is_(None), _ROWS.c.answer.is_(None))


@dataclass(frozen=True, slots=True)
class Earlier:
    """A request of the same key: the hash of what it asked for, and its turn or its answer, neither where it is being
    carried out."""

    request: str
    turn: str | None = None
    answer: str | None = None


class Idempotency:
    """Reads and writes them in the records database, which must be open. All methods raise RecordsError."""

    def __init__(self, repository: Repository) -> None:
        self._records = repository

    async def claim(self, person: str, key: str, request: str) -> Earlier | None:
        """Take a key for a request; of any number that try, one gets None and carries it out, the others what it
        was taken for. What is too old to count is forgotten by the way."""
        hashed, prune = _hashed(person, key), self._due()

        def claimed(session: Session) -> None:
            moment = now()
            if prune:
                session.execute(delete(_ROWS).where(_ROWS.c.made_at < moment - KEPT))
            session.execute(delete(_ROWS).where(_ROWS.c.key == hashed, _over(moment)))
            session.execute(insert(_ROWS).values(key=hashed, request=request))

        def found(session: Session) -> Earlier | None:
            row = session.get(IdempotencyRow, hashed)
            return Earlier(row.request, row.turn, row.answer) if row is not None else None

        for _ in range(3):
            try:
                await self._records.write(claimed)
            except IntegrityError:
                earlier = await self._records.read(found)
                if earlier is not None:
                    return earlier
            else:
                return None
        return Earlier(request)  # it is claimed and released again and again: whoever asks tries once more, too

    async def renew(self, person: str, key: str) -> None:
        """Say that the request of a claim is still being carried out."""
        query = update(_ROWS).where(_ROWS.c.key == _hashed(person, key), _OPEN)
        await self._records.write(lambda session: session.execute(query.values(made_at=now())))

    async def runs(self, turn: str) -> bool:
        """Whether a turn has given a sign of life within ``LONGEST``."""
        sign = func.coalesce(TurnRow.written_at, TurnRow.created_at)
        query = select(TurnRow.id).where(TurnRow.id == turn, RUNNING, sign >= now() - LONGEST)
        return await self._records.read(lambda session: session.execute(query).first() is not None)

    async def keep(
        self,
        person: str,
        key: str,
        *,
        turn: str | None = None,
        conversation: str | None = None,
        answer: str | None = None,
    ) -> None:
        """Remember what came of a request. With its ``conversation`` it is forgotten."""
        query = update(_ROWS).where(_ROWS.c.key == _hashed(person, key))
        query = query.values(turn=turn, conversation_id=conversation, answer=answer)
        try:
            await self._records.write(lambda session: session.execute(query))
        except IntegrityError:  # the conversation was deleted meanwhile
            await self.release(person, key)

    async def release(self, person: str, key: str) -> None:
        """Forget a key: nothing came of its request."""
        query = delete(_ROWS).where(_ROWS.c.key == _hashed(person, key))
        await self._records.write(lambda session: session.execute(query))

    def _due(self) -> bool:
        moment = time.monotonic()
        if moment - _pruned.get(self._records, -PRUNED) < PRUNED:
            return False
        _pruned[self._records] = moment
        return True


def _over(moment: datetime) -> ColumnElement[bool]:
    """What does not count any more."""
    return or_(_ROWS.c.made_at < moment - KEPT, and_(_OPEN, _ROWS.c.made_at < moment - LONGEST))


def _hashed(person: str, key: str) -> str:
    return hashlib.sha256(f"{person}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()
