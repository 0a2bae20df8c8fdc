"""What the chat page's script asks of Python: one message of JSON in a hidden box. A browser may send anything."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.conversation.service import TurnRejected

Id = Field("", max_length=64)


class Asked(BaseModel):
    """``do`` says what, the rest of what. ``of``, ``before``, ``after`` and ``at`` are counts and a place in a text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    do: str = Field("", max_length=32)
    turn: str = Id
    conversation: str = Id
    file: str = Id
    number: int = Field(0, ge=0, le=1000)
    verdict: str = Field("", max_length=32)
    text: str = ""
    thumb: Literal["up", "down"] | None = None
    comment: str = ""
    title: str = ""
    pinned: bool = False
    form: Literal["markdown", "json"] = "markdown"
    of: int = Field(0, ge=0, le=100_000)
    before: int = Field(0, ge=0, le=20)
    after: int = Field(0, ge=0, le=20)
    at: int | None = Field(None, ge=0)

    @classmethod
    def read(cls, message: str) -> Self:
        """Raises TurnRejected for what no page of ours sends."""
        try:
            return cls.model_validate_json(message)
        except (ValidationError, ValueError) as error:
            raise nothing_like_it() from error


def nothing_like_it() -> TurnRejected:
    """For a request that there is not."""
    return TurnRejected("unknown_request", "The page asked for something that there is not. Load it again.")
