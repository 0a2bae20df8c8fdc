"""Who is signed in on the pages, as rows of the records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Index, String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from assistant.records.models import Base, now
from assistant.records.repository import Repository
from assistant.records.stored import aware


class SignInRow(Base):
    """A sign-in until it ends. ``id`` is the SHA-256 of what the cookie says: who reads this table cannot use it."""

    __tablename__ = "sign_ins"
    __table_args__ = (Index("ix_sign_ins_expires", "expires_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    person: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(200))
    groups: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in as it was made; ``groups`` are those of that moment."""

    person: str
    name: str
    groups: frozenset[str]
    created_at: datetime
    expires_at: datetime


class SignInRows:
    """Reads and writes them in the records database, which must be open. All methods raise RecordsError."""

    def __init__(self, records: Repository) -> None:
        self._records = records

    async def add(
        self, id: str, signed_in: SignedIn, in_place_of: str | None = None, until: datetime | None = None
    ) -> None:
        """Keep one; those that have expired go, and so does the one whose place it takes: at once where it is another
        person's, else it ends at ``until`` or when it would have ended anyway."""

        def kept(session: Session) -> None:
            session.execute(delete(SignInRow).where(SignInRow.expires_at < now()))
            if in_place_of is not None:
                old, theirs = SignInRow.id == in_place_of, SignInRow.person == signed_in.person
                session.execute(delete(SignInRow).where(old, ~theirs))
                session.execute(update(SignInRow).where(old, SignInRow.expires_at > until).values(expires_at=until))
            session.add(
                SignInRow(
                    id=id,
                    person=signed_in.person,
                    name=signed_in.name,
                    groups=sorted(signed_in.groups),
                    created_at=signed_in.created_at,
                    expires_at=signed_in.expires_at,
                )
            )

        await self._records.write(kept)

    async def find(self, id: str) -> SignedIn | None:
        """One, whether it has expired or not."""

        def found(session: Session) -> SignedIn | None:
            row = session.execute(select(SignInRow).where(SignInRow.id == id)).scalar()
            if row is None:
                return None
            groups, made, ends = frozenset(row.groups), aware(row.created_at), aware(row.expires_at)
            return SignedIn(row.person, row.name, groups, made, ends)

        return await self._records.read(found)

    async def remove(self, id: str) -> None:
        """Forget one, if it is there."""
        await self._records.write(lambda session: session.execute(_of(id)))


def _of(id: str) -> Any:
    return delete(SignInRow).where(SignInRow.id == id)
