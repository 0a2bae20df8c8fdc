"""What the caller of a turn brings along, beside the words."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.conversation.page import OpenPage
from assistant.conversation.turn import Message


@dataclass(frozen=True, slots=True)
class Given:
    """The caller's word, believed as what was said and for nothing else: who may read what never follows from it.
    ``history`` is oldest first and ends before the turn; ``instructions`` say how the answer is to look; ``page``
    is the one that the person has open."""

    history: tuple[Message, ...] = ()
    instructions: str = ""
    page: OpenPage | None = None
