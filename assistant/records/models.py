"""The tables of the records database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def now() -> datetime:
    """The present in UTC, with its zone."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """All tables; Alembic compares its metadata with the migrations."""


class ConversationRow(Base):
    """A conversation belongs to a person on a surface."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_person_updated", "person", "updated_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    person: Mapped[str] = mapped_column(String(255))
    surface: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)


class TurnRow(Base):
    """A turn with everything that it yielded. ``status`` is running, finished, stopped or failed; a turn that was
    running when the process died is found as running and counts as stopped."""

    __tablename__ = "turns"
    __table_args__ = (UniqueConstraint("conversation_id", "position"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(16), default="running")
    routed: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    retrieved: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    checked: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    ended: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
