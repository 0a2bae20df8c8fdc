"""What the settings say of turns, and who may search what by it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from assistant.access.identity import Identity
from assistant.config_limits import Amounts
from assistant.conversation.accepting import TurnRejected, no_collection
from assistant.conversation.correct import Voiced, voiced_by
from assistant.conversation.engine import Engine

DEFAULT_SURFACE = "portal"
API_PERSON = "api"
"""Whoever comes by the API or by a command: one person, as long as nobody signs in."""
COMMAND_PERSON = "command"
"""Whoever asks as somebody of other groups: only commands on this machine may, and nobody else sees the answers."""

Readable = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""The collections that somebody of these groups may search."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a turn may be, in characters, and how many turns a conversation may have."""

    turn_characters: int = 20_000
    conversation_turns: int = 200


@dataclass(frozen=True, slots=True)
class Front:
    """What the settings say of turns, exchanged as one when they change. ``surfaces`` maps a surface to the collections
    that people of given groups may search on it, as a function, because collections come and go while the program runs.
    ``voiced`` is the router's rule for the voice, for turns that people say should have been looked up; ``amounts`` is
    how much people may ask on a surface, the settings' defaults where it is not named."""

    engine: Engine
    surfaces: Mapping[str, Readable]
    limits: Limits = Limits()
    voiced: Voiced = field(default_factory=lambda: voiced_by({}, 0.5))
    amounts: Mapping[str, Amounts] = field(default_factory=dict)

    async def searched(
        self, surface: str, collection: str | None, who: Identity, attached: Collection[str] = ()
    ) -> frozenset[str]:
        """What a turn may search: what is readable, or one collection of it, and what is ``attached``. A surface or a
        collection that is not for this person is refused in the very words of one that does not exist. Raises
        TurnRejected."""
        if surface not in self.surfaces or not who.on(surface):
            raise TurnRejected("unknown_surface", f"There is no surface '{surface}'.")
        readable = who.within(await self.surfaces[surface](who.groups))
        if collection is None:
            return readable.union(attached)
        if collection not in readable:
            raise no_collection(collection, readable)
        return frozenset({collection}).union(attached)


def asker(groups: Collection[str]) -> str:
    """Who it is that asks by the API or by a command, as somebody of these groups."""
    return COMMAND_PERSON if groups else API_PERSON


def new_person() -> str:
    """An unguessable name for somebody who has not signed in."""
    return f"guest-{uuid.uuid4().hex}"
