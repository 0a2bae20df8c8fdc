"""What is known of the files that people attach to conversations. Their chunks are in the index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, DateTime, ForeignKey, Index, Integer, String, Text, delete, exists, func, select
from sqlalchemy import update as updating
from sqlalchemy.orm import Mapped, aliased, mapped_column

from assistant.records.models import Base, ConversationRow, TurnRow, now
from assistant.records.repository import Repository, hold

State = Literal["reading", "ready", "failed", "gone"]
LONGEST = timedelta(hours=1)
"""Longer than any file takes to read and embed: what has been being read for longer, a killed process has left."""


class AttachmentRow(Base):
    """A file of a conversation. ``state`` is reading, ready, failed, or gone while its chunks are being deleted;
    ``ready_at`` is when turns could first find it."""

    __tablename__ = "attachments"
    __table_args__ = (Index("ix_attachments_conversation", "conversation_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), default="reading")
    message: Mapped[str] = mapped_column(Text, default="")
    passages: Mapped[int] = mapped_column(Integer, default=0)
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    ready_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """An attachment as recorded."""

    id: str
    conversation: str
    name: str
    bytes: int
    state: State
    message: str = ""
    passages: int = 0


class AttachmentRecords:
    """Reads and writes them in the records database, which must be open. All methods raise RecordsError."""

    def __init__(self, repository: Repository) -> None:
        self._records = repository

    async def add(self, identity: str, conversation: str, name: str, size: int, most: int) -> bool:
        """Remember a file that is being read; False, and nothing is, where the conversation is gone or has ``most``
        already. One that failed is none."""
        row = AttachmentRow(id=identity, conversation_id=conversation, name=name, bytes=size)
        counted = select(func.count()).where(
            AttachmentRow.conversation_id == conversation, AttachmentRow.state.in_(("reading", "ready"))
        )
        async with self._records.session() as session:
            if not await hold(session, conversation) or (await session.execute(counted)).scalar_one() >= most:
                return False
            session.add(row)
            return True

    async def of(self, conversation: str) -> list[StoredAttachment]:
        """Those of a conversation, in the order in which they were attached."""
        return await self._listed(AttachmentRow.conversation_id == conversation)

    async def of_person(self, conversation: str, person: str) -> list[StoredAttachment]:
        """The same, none where the conversation is not this person's."""
        theirs = select(ConversationRow.id).where(ConversationRow.id == conversation, ConversationRow.person == person)
        return await self._listed(AttachmentRow.conversation_id.in_(theirs))

    async def one(self, identity: str, person: str) -> StoredAttachment | None:
        """An attachment, None unless it is in a conversation of this person."""
        theirs = select(ConversationRow.id).where(ConversationRow.person == person)
        found = await self._listed(AttachmentRow.id == identity, AttachmentRow.conversation_id.in_(theirs))
        return next(iter(found), None)

    async def all(self, *states: State) -> list[StoredAttachment]:
        """Those of all conversations, in these states or in any."""
        return await self._listed(*((AttachmentRow.state.in_(states),) if states else ()))

    async def abandoned(self, after: timedelta) -> list[StoredAttachment]:
        """Those that have been being read for longer than any file takes."""
        return await self._listed(AttachmentRow.state == "reading", AttachmentRow.added_at < now() - after)

    async def is_ready(self, conversation: str) -> bool:
        """Whether there is one that turns can find."""
        query = select(exists().where(AttachmentRow.conversation_id == conversation, AttachmentRow.state == "ready"))
        return await self._records.read(lambda session: bool(session.execute(query).scalar_one()))

    async def ready(self, identity: str, passages: int) -> bool:
        """Turns find it from now on; False where it has been deleted meanwhile."""
        return await self._set(identity, state="ready", message="", passages=passages, ready_at=now())

    async def reread(self, identity: str, passages: int) -> bool:
        """It is in another index now."""
        return await self._set(identity, passages=passages)

    async def failed(self, identity: str, message: str) -> bool:
        """It cannot be read."""
        return await self._set(identity, state="failed", message=message, passages=0)

    async def gone(self, identity: str) -> None:
        """Nobody sees it any more: what was stored of it is being deleted."""
        await self._set(identity, state="gone")

    async def delete(self, identity: str) -> None:
        """Forget it."""
        async with self._records.session() as session:
            await session.execute(delete(AttachmentRow).where(AttachmentRow.id == identity))

    async def unsaid(self, after: timedelta) -> list[str]:
        """Conversations with files in which nothing has been said for so long."""
        said = exists().where(TurnRow.conversation_id == ConversationRow.id)
        attached = exists().where(AttachmentRow.conversation_id == ConversationRow.id)
        query = select(ConversationRow.id).where(attached, ~said, ConversationRow.created_at < now() - after)
        async with self._records.session() as session:
            return list((await session.execute(query)).scalars())

    async def delete_unsaid(self, conversation: str) -> None:
        """Delete a conversation in which nothing was said and to which nothing is attached."""
        said = exists().where(TurnRow.conversation_id == conversation)
        attached = exists().where(AttachmentRow.conversation_id == conversation)
        query = delete(ConversationRow).where(ConversationRow.id == conversation, ~said, ~attached)
        async with self._records.session() as session:
            await session.execute(query)

    async def before(self, turn: str, conversation: str) -> list[tuple[str, bool]]:
        """The names of the files that a turn can find, and whether each came after what was said before the turn."""
        this = aliased(TurnRow)
        position = select(this.position).where(this.id == turn).scalar_subquery()
        said = exists().where(
            TurnRow.conversation_id == conversation,
            TurnRow.position < position,
            TurnRow.created_at >= AttachmentRow.ready_at,
        )
        query = (
            select(AttachmentRow.name, ~said)
            .where(AttachmentRow.conversation_id == conversation, AttachmentRow.state == "ready")
            .order_by(AttachmentRow.added_at, AttachmentRow.id)
        )
        return await self._records.read(lambda session: [(name, bool(new)) for name, new in session.execute(query)])

    async def _set(self, identity: str, **values: Any) -> bool:
        query = updating(AttachmentRow).where(AttachmentRow.id == identity, AttachmentRow.state != "gone")
        async with self._records.session() as session:
            changed = await session.execute(query.values(**values).returning(AttachmentRow.id))
            return changed.first() is not None

    async def _listed(self, *where: ColumnElement[bool]) -> list[StoredAttachment]:
        query = select(AttachmentRow).where(*where).order_by(AttachmentRow.added_at, AttachmentRow.id)
        async with self._records.session() as session:
            return [_stored(row) for row in (await session.execute(query)).scalars()]


def _stored(row: AttachmentRow) -> StoredAttachment:
    return StoredAttachment(
        id=row.id,
        conversation=row.conversation_id,
        name=row.name,
        bytes=row.bytes,
        state=row.state,  # type: ignore[arg-type]  # only the methods above write it
        message=row.message,
        passages=row.passages,
    )
