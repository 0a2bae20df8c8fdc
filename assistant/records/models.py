"""The tables of the records database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, DateTime, ForeignKey, Index, Integer, String, Text, UniqueConstraint
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
    running when the process died is found as running and counts as stopped.

    A turn that is run again gets another row at the same ``position`` with the next ``version`` (from 0); the newest
    one counts. ``collection`` is the one that the person asked to search, None for all.
    """

    __tablename__ = "turns"
    __table_args__ = (UniqueConstraint("conversation_id", "position", "version"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    text: Mapped[str] = mapped_column(Text)
    collection: Mapped[str | None] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(16), default="running")
    routed: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    retrieved: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    checked: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    ended: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)


class CorrectionRow(Base):
    """What a person said of the route of a turn: one a position, with the conversation before it as it was.

    ``turn`` is the version that was corrected and ``decision`` the one that it had. It is no foreign key: SQLite
    alters a table by dropping it, and what was said of the turns must outlive that.
    """

    __tablename__ = "corrections"
    __table_args__ = (UniqueConstraint("conversation_id", "position"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    turn: Mapped[str] = mapped_column(String(36))
    verdict: Mapped[str] = mapped_column(String(16))
    person: Mapped[str] = mapped_column(String(255))
    surface: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    history: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    information: Mapped[bool] = mapped_column(Boolean)
    voice: Mapped[bool | None] = mapped_column(Boolean)
    decision: Mapped[dict[str, Any]] = mapped_column(JSON)
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)


class SourceRow(Base):
    """A source of a collection, in the order of ``id``, and how its last sync ended. ``source`` is its spec's id."""

    __tablename__ = "sources"
    __table_args__ = (UniqueConstraint("collection", "source"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    collection: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(32))
    location: Mapped[str] = mapped_column(Text)
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    origin: Mapped[str] = mapped_column(String(16))
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    synced_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str] = mapped_column(String(16), default="")
    message: Mapped[str] = mapped_column(Text, default="")
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class VersionRow(Base):
    """The version of a document that an index holds, as its source names versions. ``key`` is the SHA-256 of the
    uri, which can be longer than a database takes as a key."""

    __tablename__ = "document_versions"

    index_name: Mapped[str] = mapped_column(String(100), primary_key=True)
    collection: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    uri: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text)
