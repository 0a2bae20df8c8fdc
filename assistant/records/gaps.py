"""Questions that the documents did not answer and that somebody has seen to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from assistant.records.models import Base, TurnRow, now
from assistant.records.repository import Repository

AT_ONCE = 500
"""Ids in one statement."""


class GapDoneRow(Base):
    """A turn whose question counts as answered in the documents by now. It is no foreign key: SQLite alters a table by
    dropping it."""

    __tablename__ = "gaps_done"
    __table_args__ = (Index("ix_gaps_done_conversation", "conversation_id"),)

    turn: Mapped[str] = mapped_column(String(36), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    done_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)


class GapsDone:
    """Reads and writes them in the records database, which must be open. All methods raise RecordsError."""

    def __init__(self, repository: Repository) -> None:
        self._records = repository

    async def turns(self) -> frozenset[str]:
        """The ids of all turns that are done."""
        async with self._records.session() as session:
            return frozenset((await session.execute(select(GapDoneRow.turn))).scalars())

    async def note(self, turns: Collection[str]) -> None:
        """These are done; those that are gone meanwhile, or are done already, stay so."""
        for some in _pieces(turns):
            there = select(TurnRow.id, TurnRow.conversation_id).where(TurnRow.id.in_(some))
            done = select(GapDoneRow.turn).where(GapDoneRow.turn.in_(some))
            async with self._records.session() as session:
                known = set((await session.execute(done)).scalars())
                rows = (await session.execute(there)).all()
                session.add_all(GapDoneRow(turn=row[0], conversation_id=row[1]) for row in rows if row[0] not in known)

    async def take_back(self, turns: Collection[str]) -> None:
        """These are open again."""
        for some in _pieces(turns):
            async with self._records.session() as session:
                await session.execute(delete(GapDoneRow).where(GapDoneRow.turn.in_(some)))


def _pieces(turns: Collection[str]) -> Iterable[list[str]]:
    every = list(turns)
    return (every[place : place + AT_ONCE] for place in range(0, len(every), AT_ONCE))
