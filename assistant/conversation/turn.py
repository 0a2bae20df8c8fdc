"""What a person says, with the conversation that it is said in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from assistant.access.limits_ledger import UNBOUND, Grant

if TYPE_CHECKING:
    from assistant.conversation.ahead import Ahead
    from assistant.conversation.page import OpenPage

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
    None to let the router decide; ``history`` is oldest first and ends before this turn. ``instructions`` are what the
    caller's program asks of the form of the answer; ``page`` is the one that the person has open; ``grant`` is the
    turn's place among those that run at once, ``ahead`` what is being found out about it already."""

    text: str
    history: tuple[Message, ...] = ()
    surface: str = "portal"
    collections: frozenset[str] = field(default_factory=frozenset)
    route: RouteName | None = None
    id: str = ""
    conversation: str = ""
    attached: Attached | None = None
    instructions: str = ""
    page: OpenPage | None = None
    grant: Grant = UNBOUND
    ahead: Ahead | None = field(default=None, compare=False, repr=False)


class Answered(Protocol):
    """What was said, and the answer, empty where there is none."""

    @property
    def text(self) -> str: ...

    @property
    def answer(self) -> str: ...


def as_history(turns: Iterable[Answered]) -> tuple[Message, ...]:
    """A conversation as messages, for the next turn. Unanswered turns count as said."""
    messages: list[Message] = []
    for turn in turns:
        messages.append(Message("user", turn.text))
        if turn.answer.strip():
            messages.append(Message("assistant", turn.answer))
    return tuple(messages)
