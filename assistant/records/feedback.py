"""What people think of answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast, get_args

from sqlalchemy import delete, select

from assistant.records.models import FeedbackRow
from assistant.records.repository import Gone, Repository, hold
from assistant.records.stored import aware

Thumb = Literal["up", "down"]
THUMBS: tuple[Thumb, ...] = get_args(Thumb)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's word on one answer; ``turn`` is the version that it is said of."""

    turn: str
    conversation: str
    person: str
    thumb: Thumb
    comment: str
    made_at: datetime


class Feedbacks:
    """Reads and writes them in the records database, which must be open. All methods raise RecordsError."""

    def __init__(self, repository: Repository) -> None:
        self._records = repository

    async def note(self, feedback: Feedback) -> None:
        """Keep it in place of what the same person said of the same answer before. Raises Gone."""
        async with self._records.session() as session:
            if not await hold(session, feedback.conversation):
                raise Gone
            await session.execute(_of(feedback.turn, feedback.person))
            session.add(
                FeedbackRow(
                    conversation_id=feedback.conversation,
                    turn=feedback.turn,
                    person=feedback.person,
                    thumb=feedback.thumb,
                    comment=feedback.comment,
                    made_at=feedback.made_at,
                )
            )

    async def take_back(self, turn: str, person: str) -> bool:
        """Forget what a person said of an answer; whether there was anything."""
        async with self._records.session() as session:
            gone = await session.execute(_of(turn, person).returning(FeedbackRow.id))
            return gone.first() is not None

    async def of(self, conversation: str, person: str) -> dict[str, Feedback]:
        """What a person said of the answers of a conversation, by turn."""
        query = select(FeedbackRow).where(FeedbackRow.conversation_id == conversation, FeedbackRow.person == person)
        return {each.turn: each for each in await self._read(query)}

    async def listed(
        self, thumb: Thumb | None = None, since: datetime | None = None, limit: int = 1000
    ) -> list[Feedback]:
        """Those of everybody, the newest first, for whoever runs this."""
        query = select(FeedbackRow).order_by(FeedbackRow.made_at.desc(), FeedbackRow.id.desc()).limit(limit)
        if thumb is not None:
            query = query.where(FeedbackRow.thumb == thumb)
        if since is not None:
            query = query.where(FeedbackRow.made_at >= since)
        return await self._read(query)

    async def _read(self, query: Any) -> list[Feedback]:
        return await self._records.read(lambda session: [_feedback(row) for row in session.execute(query).scalars()])


def _of(turn: str, person: str) -> Any:
    return delete(FeedbackRow).where(FeedbackRow.turn == turn, FeedbackRow.person == person)


def _feedback(row: FeedbackRow) -> Feedback:
    thumb = cast(Thumb, row.thumb)
    return Feedback(row.turn, row.conversation_id, row.person, thumb, row.comment, aware(row.made_at))
