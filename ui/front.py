"""What stands before the app, from the outside in: the log, the hardening, the front door; and what failures look
like."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from assistant.access.gate import Gate
from assistant.app import Assistant
from assistant.conversation.attachments import PER_CONVERSATION
from assistant.conversation.service import TurnRejected
from assistant.knowledge.store import StoreError
from assistant.records.repository import RecordsError
from ui.api_errors import STATUS, error, retry_after
from ui.body_shapes import wrong
from ui.front_door import FrontDoor
from ui.front_log import Logged
from ui.identity import add_denied
from ui.security import DESK, Harden
from ui.uploads import DESK_MEGABYTES, FORM, MEGABYTE
from ui.widget import policy

log = logging.getLogger(__name__)


def stand_before(app: FastAPI, assistant: Assistant, gate: Gate, heads: Mapping[str, str]) -> None:
    """Put it all before ``app``; ``heads`` is what goes into the head of a page, by its path."""
    server = assistant.settings.server
    # What is added last stands outermost.
    app.add_middleware(FrontDoor, gate=gate, settings=lambda: assistant.settings)
    app.add_middleware(
        Harden,
        heads=heads,
        hosts=[server.host, *server.allowed_hosts],
        bodies=_bodies(assistant),
        policies=lambda path: policy(assistant.settings, path),
    )
    app.add_middleware(Logged)


def add_failures(app: FastAPI) -> None:
    """Answer everything that goes wrong in one shape."""
    add_denied(app)
    app.add_exception_handler(TurnRejected, _rejected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RecordsError, _broken)
    app.add_exception_handler(StoreError, _broken)
    app.add_exception_handler(Exception, _unexpected)


def _bodies(assistant: Assistant) -> dict[str, int]:
    # A form holds all the files that were chosen together; each alone is limited as the page is mounted.
    one = assistant.settings.limits.attachment_megabytes
    uploads = {"": one * PER_CONVERSATION, DESK: 10 * DESK_MEGABYTES}
    bodies = {f"{page}/gradio_api/upload": most * MEGABYTE + FORM for page, most in uploads.items()}
    return bodies | {"/api/v1/attachments": one * MEGABYTE + FORM}


async def _rejected(_: Request, rejected: Exception) -> JSONResponse:
    assert isinstance(rejected, TurnRejected)
    status = STATUS.get(rejected.code, 422) if rejected.retry_after is None else 429
    return error(status, rejected.code, str(rejected), retry_after(rejected))


async def _invalid(_: Request, invalid: Exception) -> JSONResponse:
    assert isinstance(invalid, RequestValidationError)
    return error(422, "invalid_request", wrong(invalid)[0])


async def _refused(_: Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, HTTPException)
    return error(refused.status_code, "refused", str(refused.detail), refused.headers)


async def _broken(_: Request, broken: Exception) -> JSONResponse:
    log.error("a request failed: %s", broken)
    return error(503, "unavailable", "The records or the documents cannot be used right now. It has been logged.")


async def _unexpected(request: Request, _: Exception) -> JSONResponse:
    # The server logs it. This answer goes past what stands before the app.
    known = request.scope.get("state", {}).get("request_id", "")
    headers = {"X-Request-Id": known, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return error(500, "internal_error", "Something unexpected happened. It has been logged.", headers)
