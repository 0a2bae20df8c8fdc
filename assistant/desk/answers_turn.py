"""One turn as it was: what had been said before, what was answered and why, and what people said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from assistant.conversation.service import as_history
from assistant.conversation.turn import Message
from assistant.desk.answers import Answers, Found, Wanted
from assistant.records.corrections import Correction, Corrections
from assistant.records.feedback import Feedback, Feedbacks
from assistant.records.models import ConversationRow, TurnRow
from assistant.records.repository import Repository, StoredTurn

EVENTS = ("routed", "retrieved", "checked", "ended")


@dataclass(frozen=True, slots=True)
class Opened:
    """A turn with its surroundings; ``history`` is its own branch, which need not be the one that is shown."""

    stored: StoredTurn
    person: str
    surface: str
    history: tuple[Message, ...]
    feedback: Feedback | None
    correction: Correction | None


async def opened(records: Repository, turn: str) -> Opened | None:
    """A turn by its id, None where there is none (any more). Raises RecordsError."""
    query = select(ConversationRow.person, ConversationRow.surface).join(
        TurnRow, TurnRow.conversation_id == ConversationRow.id
    )
    async with records.session() as session:
        of = (await session.execute(query.where(TurnRow.id == turn))).first()
    stored = await records.turn(turn, of.person) if of is not None else None
    if of is None or stored is None:
        return None
    feedback = await Feedbacks(records).of(stored.conversation, of.person)
    said = [each for each in await Corrections(records).listed(stored.conversation) if each.turn == turn]
    history = await _before(records, stored)
    return Opened(stored, of.person, of.surface, history, feedback.get(turn), said[-1] if said else None)


async def _before(records: Repository, turn: StoredTurn) -> tuple[Message, ...]:
    there = {each.id: each for each in await records.tree(turn.conversation)}
    branch: list[StoredTurn] = []
    parent = turn.parent
    while parent in there:
        branch.append(there[parent])
        parent = there[parent].parent
    return as_history(reversed(branch))


async def whole(records: Repository, wanted: Wanted) -> AsyncIterator[list[tuple[Found, Mapping[str, Any]]]]:
    """All turns that are wanted, in batches, each with its events as on the wire. Raises RecordsError."""
    async for batch in Answers(records).all(wanted):
        events = await _events(records, [each.id for each in batch])
        yield [(each, events.get(each.id, {})) for each in batch]


async def _events(records: Repository, turns: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    columns = [getattr(TurnRow, name) for name in EVENTS]
    async with records.session() as session:
        rows = (await session.execute(select(TurnRow.id, *columns).where(TurnRow.id.in_(turns)))).all()
    return {row[0]: dict(zip(EVENTS, row[1:], strict=True)) for row in rows}
