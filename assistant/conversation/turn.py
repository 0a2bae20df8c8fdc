"""What a person says, with the conversation that it is said in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

RouteName = Literal["voice", "retrieve", "both", "ask"]


@dataclass(frozen=True, slots=True)
class Message:
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. ``collections`` are those that may be searched for it; ``route`` is what the person asked for, or
    None to let the router decide; ``history`` is oldest first and ends before this turn."""

    text: str
    history: tuple[Message, ...] = ()
    surface: str = "portal"
    collections: frozenset[str] = field(default_factory=frozenset)
    route: RouteName | None = None
    id: str = ""
    conversation: str = ""
