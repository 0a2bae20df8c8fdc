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
class Attached:
    """The files of a conversation that a turn can find, by the collection that holds them. ``new`` are those that came
    after what was said before; ``meant`` those that the turn is about, none where it does not refer to any. ``asked``
    is the turn without the words for the file, which say nothing of what is in it; ``whole`` says that it asks for
    nothing in particular ("what is this about?"), ``summary`` that it asks for one, be it of a part."""

    collection: str
    names: tuple[str, ...]
    new: tuple[str, ...] = ()
    meant: tuple[str, ...] = ()
    asked: str = ""
    whole: bool = False
    summary: bool = False


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
    attached: Attached | None = None
