"""Labels that whoever runs the assistant gives to turns of others: kept as corrections, so that retraining reads them.

A label says what the turn needs. Nothing is run again for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from assistant.conversation.correct import Meant
from assistant.conversation.service import as_history
from assistant.conversation.turn import Message
from assistant.desk.routing import LABEL
from assistant.records.corrections import Correction, Corrections
from assistant.records.models import ConversationRow, TurnRow, now
from assistant.records.repository import Repository, StoredTurn

IDS = ("type", "turn", "conversation")
MEANT: Mapping[str, Meant] = {
    "voice": Meant(False, None),
    "retrieve": Meant(True, False),
    "both": Meant(True, True),
}
"""What a turn is labelled that should go a way."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn as it is shown to whoever labels it, with its conversation before it and the decision that it had."""

    stored: StoredTurn
    person: str
    surface: str
    history: tuple[Message, ...]
    decision: Mapping[str, Any]

    @property
    def made_at(self) -> datetime:
        """When it was said."""
        return self.stored.created_at


class Labels:
    """Reads turns and keeps labels; the records must be open. All methods raise RecordsError."""

    def __init__(self, records: Repository) -> None:
        self._records = records
        self._corrections = Corrections(records)

    async def asked(self, turn: str) -> Asked | None:
        """A turn with what it is to be labelled by; None where it is gone, or was never decided."""
        query = select(ConversationRow.person, ConversationRow.surface).join(
            TurnRow, TurnRow.conversation_id == ConversationRow.id
        )
        async with self._records.session() as session:
            found = (await session.execute(query.where(TurnRow.id == turn))).first()
        stored = await self._records.turn(turn, found.person) if found is not None else None
        if found is None or stored is None or stored.routed is None:
            return None
        decision = {name: value for name, value in stored.routed.items() if name not in IDS}
        return Asked(stored, found.person, found.surface, await self._before(stored), decision)

    async def give(self, asked: Asked, way: str, *, by: str) -> Meant:
        """Label a turn with the way that it should have gone: voice, retrieve or both."""
        meant = MEANT[way]
        stored = asked.stored
        await self._corrections.note(
            Correction(
                turn=stored.id,
                conversation=stored.conversation,
                question=stored.question,
                verdict=LABEL,
                person=by,
                surface=asked.surface,
                text=stored.text,
                history=asked.history,
                information=meant.information,
                voice=meant.voice,
                decision=asked.decision,
                made_at=now(),
            )
        )
        return meant

    async def take_back(self, asked: Asked, *, by: str) -> bool:
        """Forget the label that somebody gave; what the person said of it meanwhile stays."""
        stored = asked.stored
        mine = [
            each
            for each in await self._corrections.listed(stored.conversation)
            if (each.turn, each.verdict, each.person) == (stored.id, LABEL, by)
        ]
        return bool(mine) and await self._corrections.take_back(stored.conversation, stored.question)

    async def _before(self, turn: StoredTurn) -> tuple[Message, ...]:
        """The messages of the turn's own branch, which need not be the one that is shown."""
        there = {each.id: each for each in await self._records.tree(turn.conversation)}
        branch: list[StoredTurn] = []
        parent = turn.parent
        while parent in there:
            branch.append(there[parent])
            parent = there[parent].parent
        return as_history(reversed(branch))
