"""The tables of the records database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, DateTime, ForeignKey, Index, Integer, String, Text, UniqueConstraint, false
from sqlalchemy import text as sql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

RUNNING = sql("status = 'running'")
"""Said in the very words of the index: else it is not used, and every start reads all turns."""


def now() -> datetime:
    """The present in UTC, with its zone."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """All tables; Alembic compares its metadata with the migrations."""


class ConversationRow(Base):
    """A conversation belongs to a person on a surface. ``leaf`` is the last turn of the branch that is shown, None
    before the first turn; ``title`` is empty where the first turn is to give it."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_person_updated", "person", "updated_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    person: Mapped[str] = mapped_column(String(255))
    surface: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(200))
    leaf: Mapped[str | None] = mapped_column(String(36))
    pinned: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)


class TurnRow(Base):
    """A turn with everything that it yielded. ``status`` is running, finished, stopped or failed; ``written_at`` is the
    last sign of life of a running one.

    Turns make a tree: ``parent`` is the turn before it on its branch, None for a first one, and those of one parent are
    versions of each other. ``position`` is the place on its branch, from 0, and ``version`` counts the turns that were
    made at that place, on whichever branch. ``question`` is the first version with the same words: itself, unless it
    was run again. ``collection`` is the one that the person asked to search, None for all.

    ``parent`` and ``question`` are no foreign keys: turns go only with their conversation, and SQLite cannot follow
    a chain of a thousand.
    """

    __tablename__ = "turns"
    __table_args__ = (
        UniqueConstraint("conversation_id", "position", "version"),
        Index("ix_turns_running", "id", sqlite_where=RUNNING, postgresql_where=RUNNING),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    parent: Mapped[str | None] = mapped_column(String(36))
    question: Mapped[str] = mapped_column(String(36), default="", server_default="")
    text: Mapped[str] = mapped_column(Text)
    collection: Mapped[str | None] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(16), default="running")
    routed: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    retrieved: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    checked: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    ended: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    written_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), default=now)


class CorrectionRow(Base):
    """What a person said of the route of a turn: one a question, with the conversation before it as it was.

    ``turn`` is the version that was corrected and ``decision`` the one that it had. It is no foreign key: SQLite
    alters a table by dropping it, and what was said of the turns must outlive that.
    """

    __tablename__ = "corrections"
    __table_args__ = (UniqueConstraint("conversation_id", "question"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    question: Mapped[str] = mapped_column(String(36), server_default="")
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


class FeedbackRow(Base):
    """What a person thinks of an answer: ``thumb`` is up or down. ``turn`` is no foreign key, as above."""

    __tablename__ = "feedback"
    __table_args__ = (UniqueConstraint("turn", "person"), Index("ix_feedback_conversation", "conversation_id"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    turn: Mapped[str] = mapped_column(String(36))
    person: Mapped[str] = mapped_column(String(255))
    thumb: Mapped[str] = mapped_column(String(8))
    comment: Mapped[str] = mapped_column(Text, default="")
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
