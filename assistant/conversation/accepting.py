"""What of a request is taken, and in which words the rest is refused."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection
from typing import TYPE_CHECKING

from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import RouteName

if TYPE_CHECKING:
    from assistant.access.limits import Refused

COMMENT_CHARACTERS = 2_000


class TurnRejected(Exception):
    """A turn that is not run: ``code`` is stable (empty_turn, not_text, turn_too_long, unknown_surface,
    unknown_collection, unknown_route, unknown_conversation, conversation_full, unknown_turn, unknown_verdict,
    not_answered, nothing_to_look_up, unknown_thumb, comment_too_long, too_many_turns, budget_spent,
    too_many_at_once); the message is for people. ``retry_after`` is in how many seconds it is let in, where it is a
    limit that has refused it."""

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


def no_turn() -> TurnRejected:
    """Where there is no such turn of this person's (any more)."""
    return TurnRejected("unknown_turn", "There is no such turn of yours.")


def no_conversation() -> TurnRejected:
    """Where there is no such conversation of this person's (any more)."""
    return TurnRejected("unknown_conversation", "There is no such conversation of yours. Start a new one.")


def no_collection(name: str, there: Collection[str]) -> TurnRejected:
    """Where somebody may search ``there``, and this one is not among it."""
    names = ", ".join(sorted(there)) or "none yet"
    if len(there) > 1:
        return TurnRejected("unknown_collection", f"There is no collection '{name}' here. There are: {names}.")
    return TurnRejected("unknown_collection", f"There is no collection '{name}' here. There is: {names}.")


def over_limit(refused: Refused) -> TurnRejected:
    """What people are told of a limit."""
    when = _in_about(refused.wait)
    said = {
        "too_many_turns": {
            "yours": f"That is as much as you can ask for now. Please go on in about {when}.",
            "all": f"Very many questions are being asked here just now. Please try again in about {when}.",
        },
        "budget_spent": {
            "yours": f"Your allowance for today is used up. Please go on in about {when}.",
            "all": f"The allowance of this assistant for today is used up. Please try again in about {when}.",
        },
        "too_many_at_once": {
            "yours": "Your other answers are still being written. Please wait until one of them is finished.",
            "all": "Very many answers are being written just now. Please try again in a moment.",
        },
    }
    return TurnRejected(refused.reason, said[refused.reason][refused.whose], retry_after=refused.wait)


def turn_text(text: str, limit: int) -> str:
    """The words of a turn. Raises TurnRejected."""
    text = _text(text)
    if not any(unicodedata.category(letter)[0] not in "CZ" for letter in text):
        raise TurnRejected("empty_turn", "The message is empty. Type a question first.")
    if len(text) > limit:
        raise TurnRejected(
            "turn_too_long", f"The message has {len(text):,} characters; at most {limit:,} can be read at once."
        )
    return text


def comment_text(text: str) -> str:
    """A comment, which may be empty. Raises TurnRejected."""
    text = _text(text)
    if len(text) > COMMENT_CHARACTERS:
        raise TurnRejected("comment_too_long", f"A comment has at most {COMMENT_CHARACTERS:,} characters.")
    return text


def route_named(route: str | None) -> RouteName | None:
    """The route that a person asks for, None for the router's choice. Raises TurnRejected."""
    if route is None or route == "auto":
        return None
    names = [name for name, row in ROUTES.items() if row.on_request]
    for name in names:
        if name == route:
            return name
    raise TurnRejected("unknown_route", f"There is no route '{route}'. There are: auto, {', '.join(names)}.")


def an_id(text: str) -> bool:
    """Whether it can be the id of anything: no database is asked for what it cannot even read."""
    return text.isascii() and text.isprintable()


def storable(text: str) -> str:
    """The text as every database takes it: PostgreSQL has no NUL, and no encoding has lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _in_about(seconds: float) -> str:
    """A while in words, rounded up; always more than one of something."""
    for name, length in (("hours", 3_600), ("minutes", 60)):
        if seconds > 1.5 * length:
            return f"{math.ceil(seconds / length)} {name}"
    return f"{max(2, math.ceil(seconds))} seconds"


def _text(text: str) -> str:
    if any(unicodedata.category(letter) == "Cs" for letter in text):
        raise TurnRejected("not_text", "The message holds something that is not text. Type it again.")
    return storable(text).strip()
