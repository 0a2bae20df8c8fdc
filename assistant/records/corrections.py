"""What people said of the route of turns, kept as turns that the router can learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from assistant.conversation.turn import Message
from assistant.records.models import CorrectionRow
from assistant.records.repository import Gone, Repository, hold
from assistant.records.stored import aware
from assistant.routing.labelled import LabelledTurn

KIND = "correction"


@dataclass(frozen=True, slots=True)
class Correction:
    """One turn with what it should have been. ``turn`` is the id of the version that was corrected, ``question`` that
    of the first one with its words, ``decision`` its decision (the fields of the ``routed`` event but the ids);
    ``history`` ends before the turn."""

    turn: str
    conversation: str
    question: str
    verdict: str
    person: str
    surface: str
    text: str
    history: tuple[Message, ...]
    information: bool
    voice: bool | None
    decision: Mapping[str, Any]
    made_at: datetime

    def labelled(self) -> LabelledTurn:
        """As the router learns from it."""
        return LabelledTurn(
            turn=self.text,
            history=self.history,
            information=self.information,
            voice=self.voice,
            kind=KIND,
            domain=self.surface,
            conversation=self.conversation,
            id=self.turn,
        )


class Corrections:
    """Reads and writes them in the records database, which must be open. All methods raise RecordsError."""

    def __init__(self, repository: Repository) -> None:
        self._records = repository

    async def note(self, correction: Correction) -> None:
        """Keep it in place of what was said of the same question before. Raises Gone."""
        async with self._records.session() as session:
            if not await hold(session, correction.conversation):
                raise Gone
            await session.execute(_of(correction.conversation, correction.question))
            session.add(_row(correction))

    async def take_back(self, conversation: str, question: str) -> bool:
        """Forget what was said of a question; whether there was anything."""
        async with self._records.session() as session:
            gone = await session.execute(_of(conversation, question).returning(CorrectionRow.id))
            return gone.first() is not None

    async def listed(self, conversation: str | None = None) -> list[Correction]:
        """Those of all conversations or of one, the earliest first."""
        query = select(CorrectionRow).order_by(CorrectionRow.made_at, CorrectionRow.id)
        if conversation is not None:
            query = query.where(CorrectionRow.conversation_id == conversation)
        return await self._records.read(lambda session: [_correction(row) for row in session.execute(query).scalars()])


async def labelled(records: Repository) -> list[LabelledTurn]:
    """Every correction as a labelled turn, for retraining. Raises RecordsError."""
    return [each.labelled() for each in await Corrections(records).listed()]


def _of(conversation: str, question: str) -> Any:
    return delete(CorrectionRow).where(
        CorrectionRow.conversation_id == conversation, CorrectionRow.question == question
    )


def _row(correction: Correction) -> CorrectionRow:
    return CorrectionRow(
        conversation_id=correction.conversation,
        question=correction.question,
        turn=correction.turn,
        verdict=correction.verdict,
        person=correction.person,
        surface=correction.surface,
        text=correction.text,
        history=[{"role": each.role, "content": each.content} for each in correction.history],
        information=correction.information,
        voice=correction.voice,
        decision=dict(correction.decision),
        made_at=correction.made_at,
    )


def _correction(row: CorrectionRow) -> Correction:
    return Correction(
        turn=row.turn,
        conversation=row.conversation_id,
        question=row.question,
        verdict=row.verdict,
        person=row.person,
        surface=row.surface,
        text=row.text,
        history=tuple(Message(each["role"], each["content"]) for each in row.history),  # type: ignore[arg-type]
        information=row.information,
        voice=row.voice,
        decision=row.decision,
        made_at=aware(row.made_at),
    )
