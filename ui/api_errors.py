"""How the native API refuses: one shape, a status for each code, and what the OpenAPI document says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from assistant.conversation.accepting import TurnRejected

STATUS: Mapping[str, int] = {
    "turn_too_long": 413,
    "attachment_too_large": 413,
    "unknown_surface": 404,
    "unknown_collection": 404,
    "unknown_conversation": 404,
    "unknown_turn": 404,
    "unknown_document": 404,
    "unknown_attachment": 404,
    "conversation_full": 409,
    "not_answered": 409,
    "too_many_attachments": 409,
    "in_progress": 409,
    "attachment_failed": 503,
    "attachment_removed": 409,
    "too_many_turns": 429,
    "too_many_at_once": 429,
    "budget_spent": 429,
    "too_many_guests": 429,
    "too_many_attempts": 429,
}
"""The status of a refusal by its code; every other is 422."""


class Fault(BaseModel):
    """What went wrong: ``code`` is stable, ``message`` is for people."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(examples=["unknown_conversation"])
    message: str = Field(examples=["There is no such conversation of yours. Start a new one."])


class Refusal(BaseModel):
    """Every error has this shape."""

    model_config = ConfigDict(extra="forbid")

    error: Fault


SAYS: Mapping[int, str] = {
    400: "The body cannot be read.",
    401: "Who asks is not known: a credential is missing, or is not (any more) right.",
    403: "This credential, or a page of this origin, may not do that.",
    404: "There is none, or it is somebody else's.",
    408: "The body did not arrive in time.",
    409: "Not as things are now.",
    413: "Too large.",
    421: "The name of the host is not in `server.allowed_hosts`.",
    422: "The request does not fit.",
    429: "Too much in too little time; `Retry-After` says how many seconds to wait.",
    503: "Something that this needs cannot be used right now.",
}
EVERYWHERE = (400, 401, 403, 408, 413, 421, 422, 429, 503)
"""What any route may answer, beside what it declares itself."""


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that can refuse so, beside what any route can."""
    return {status: {"model": Refusal, "description": SAYS[status]} for status in (*EVERYWHERE, *statuses)}


def retry_after(refused: TurnRejected) -> dict[str, str]:
    """The header of a refusal by a limit; empty for any other."""
    return {} if refused.retry_after is None else {"Retry-After": str(max(1, math.ceil(refused.retry_after)))}


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response of a refusal; what no encoding takes is left out of the message."""
    sendable = message.encode("utf-8", "replace").decode()
    return JSONResponse({"error": {"code": code, "message": sendable}}, status, headers)
