"""Who is looking at the chat page, and at which conversation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import gradio as gr

from assistant.access.identity import Denied, Identity
from assistant.conversation.front import new_person

SHOWN_TURNS = 30
"""Turns that are on the page; earlier ones come when they are asked for."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks, the conversation that their browser has open ("" for a new one), and how many of its turns it shows.

    Whoever has signed in is who the front door says; anybody else is a stranger, by the name that their browser keeps.
    """

    who: Identity
    conversation: str = ""
    turns: int = SHOWN_TURNS

    @classmethod
    def read(cls, kept: Any, request: gr.Request | None = None) -> Self:
        """What a browser sends, whatever it is; a stranger without a name gets one."""
        known = signed_in(request)
        if not isinstance(kept, list) or len(kept) not in (2, 3) or not all(isinstance(each, str) for each in kept[:2]):
            return cls(known or stranger(new_person(), request))
        if known is None and not kept[0].startswith("guest-"):
            return cls(stranger(new_person(), request))
        turns = kept[2] if len(kept) == 3 and isinstance(kept[2], int) else SHOWN_TURNS
        return cls(known or stranger(kept[0], request), kept[1], max(SHOWN_TURNS, min(turns, 1000)))

    @property
    def person(self) -> str:
        """Whose the conversations are."""
        return self.who.person

    def to(self, conversation: str = "", turns: int = SHOWN_TURNS) -> Self:
        """The same person at another conversation."""
        return replace(self, conversation=conversation, turns=turns)

    def at(self, conversation: str, turns: int = SHOWN_TURNS) -> list[Any]:
        """What the browser is to keep once it shows this conversation."""
        return [self.person, conversation, turns]

    @property
    def kept(self) -> list[Any]:
        """What the browser is to keep as things are."""
        return self.at(self.conversation, self.turns)


def guest(person: str) -> Identity:
    """Somebody who has not signed in, where people are to."""
    return Identity(person, via="guest")


def stranger(person: str, request: gr.Request | None) -> Identity:
    """Somebody who has not signed in. Where the settings let anybody in they are no guest, whom limits bound unasked:
    they count as one person each, as whoever asks on their own computer."""
    nobody: Callable[[], Identity] | None = _state(request).get("nobody")
    if nobody is None:
        return guest(person)
    try:
        return replace(nobody(), person=person)
    except Denied:
        return guest(person)


def signed_in(request: gr.Request | None) -> Identity | None:
    """Who the front door has found; None for a stranger."""
    found: Identity | None = _state(request).get("identity")
    return found


def _state(request: gr.Request | None) -> dict[str, Any]:
    """What the front door has put into the request."""
    if request is None or request.request is None:
        return {}
    found: dict[str, Any] = request.request.scope.get("state", {})
    return found
