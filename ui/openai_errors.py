"""Refusals and failures below ``/v1`` as OpenAI words them, so that its clients raise what they always raise."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from assistant.access.identity import Denied
from assistant.conversation.events import Failed
from assistant.conversation.service import TurnRejected
from assistant.knowledge.store import StoreError
from assistant.records.repository import RecordsError
from ui.body_shapes import wrong

log = logging.getLogger(__name__)
PATIENCE = 60
"""Seconds that the SDK waits at most, as ``Retry-After`` asks; it goes its own way where that is more."""
_KINDS = {403: "permission_error", 429: "rate_limit_error"}
_REJECTED = {"unknown_surface": 404, "unknown_collection": 404, "unknown_conversation": 404}
_PARAMS = {
    "unknown_surface": "switchyard.surface",
    "unknown_collection": "switchyard.collection",
    "unknown_conversation": "switchyard.conversation",
    "conversation_full": "switchyard.conversation",
}
_SAID_SO = {
    "turn_too_long": "context_length_exceeded",
    "model_context_length": "context_length_exceeded",
    "too_many_turns": "rate_limit_exceeded",
    "too_many_at_once": "rate_limit_exceeded",
    "budget_spent": "insufficient_quota",
}
"""Where OpenAI has a code for the very thing that clients know."""
_FAILED = {
    "model_context_length": 400,
    "model_content_filter": 400,
    "model_rate_limit": 429,
    "model_timeout": 504,
    "model_resting": 503,
    "model_unavailable": 503,
    "embedder_error": 503,
    "knowledge_unavailable": 503,
    "internal_error": 500,
}
"""Any other fault of a model: 502. Never 401 or 403: those would be said of the caller's own key."""
_ONCE = {"x-should-retry": "false"}
"""The SDK would ask again, and the whole turn with it; retries and fallbacks are behind us."""


class Refused(Exception):
    """A request that cannot be served: ``code`` is stable, ``param`` the part of the body that is wrong."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


def refusal(code: str, message: str, status: int, param: str | None = None) -> dict[str, Any]:
    """The body of a refusal: ``{"error": {"message", "type", "param", "code"}}``."""
    kind = _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = "invalid_api_key" if status == 401 else _SAID_SO.get(code, code)
    sendable = message.encode("utf-8", "replace").decode()
    return {"error": {"message": sendable, "type": kind, "param": param, "code": code}}


def failure(failed: Failed) -> tuple[int, dict[str, Any]]:
    """The status and the body of a turn that failed; in mid-stream the body alone is said."""
    status = _FAILED.get(failed.code, 502)
    return status, refusal(failed.code, failed.message, status)


def failed_response(failed: Failed) -> JSONResponse:
    """The answer where nothing was said before the turn failed."""
    status, body = failure(failed)
    return JSONResponse(body, status, _ONCE)


class OpenAIRoute(APIRoute):
    """A route whose refusals have OpenAI's shape, whatever the app's own handlers say elsewhere."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                answer = answered(error)
                if answer is None:  # the last resort: a client that gets our own shape here cannot read it
                    log.exception("a request failed unexpectedly")
                    told = "Something unexpected happened. It has been logged."
                    answer = _response(500, "internal_error", told, None, _ONCE)
                return answer

        return handled


def answered(error: Exception) -> JSONResponse | None:
    """The response to whatever keeps a request from being served; None where it is a fault that nobody foresaw."""
    match error:
        case Refused():
            return _response(error.status, error.code, str(error), error.param)
        case TurnRejected():
            status = 429 if error.retry_after is not None else _REJECTED.get(error.code, 400)
            return _response(status, error.code, str(error), _PARAMS.get(error.code), _pause(error.retry_after))
        case Denied():
            headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
            return _response(error.status, error.code, str(error), None, headers)
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _response(error.status_code, "invalid_request", str(error.detail), None, error.headers)
        case RecordsError() | StoreError():
            log.error("a request failed: %s", error)
            told = "The records or the documents cannot be used right now. It has been logged."
            return _response(503, "unavailable", told)
    return None


def _invalid(error: RequestValidationError) -> JSONResponse:
    message, place = wrong(error)
    return _response(400, "invalid_request", message, place)


def _pause(seconds: float | None) -> Mapping[str, str] | None:
    """How long to wait. Clients that would not wait that long are told not to ask again by themselves."""
    if seconds is None:
        return None
    return {"Retry-After": str(max(1, math.ceil(seconds))), **(_ONCE if seconds > PATIENCE else {})}


def _response(
    status: int, code: str, message: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(refusal(code, message, status, param), status, headers)
