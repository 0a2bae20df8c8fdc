"""API keys in the records database: what each may do, and no more of its secret than a hash."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import JSON, DateTime, String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from assistant.records.models import Base, now
from assistant.records.repository import Repository


class ApiKeyRow(Base):
    """An API key. ``hashed`` is the SHA-256 of its secret in hexadecimal; ``surfaces`` and ``collections`` are what it
    is held to, None is no bound. A key that is revoked stays, so that what it asked has a name."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    hashed: Mapped[str] = mapped_column(String(64))
    surfaces: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    collections: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    groups: Mapped[list[str]] = mapped_column(JSON)
    role: Mapped[str] = mapped_column(String(16))
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class KeyTable:
    """Reads and writes them in the records database, which must be open. All methods raise RecordsError."""

    def __init__(self, repository: Repository) -> None:
        self._records = repository

    async def add(self, row: ApiKeyRow) -> None:
        """A new key."""
        await self._records.write(lambda session: session.add(row))

    async def one(self, identifier: str) -> ApiKeyRow | None:
        """The key of an id, also one that is revoked."""
        return await self._records.read(lambda session: session.get(ApiKeyRow, identifier))

    async def every(self) -> list[ApiKeyRow]:
        """All keys, in the order in which they were made."""
        query = select(ApiKeyRow).order_by(ApiKeyRow.made_at, ApiKeyRow.id)
        return await self._records.read(lambda session: list(session.execute(query).scalars()))

    async def revoke(self, identifier: str) -> bool:
        """End a key; whether there was one that had not ended so."""

        def ended(session: Session) -> bool:
            row = session.get(ApiKeyRow, identifier)
            if row is None or row.revoked_at is not None:
                return False
            row.revoked_at = now()
            return True

        return await self._records.write(ended)

    async def used(self, identifier: str, at: datetime, between: timedelta) -> None:
        """Note that a key was used, unless that was noted less than ``between`` ago."""
        due = ApiKeyRow.used_at.is_(None) | (ApiKeyRow.used_at < at - between)
        query = update(ApiKeyRow).where(ApiKeyRow.id == identifier, due).values(used_at=at)
        await self._records.write(lambda session: session.execute(query))
