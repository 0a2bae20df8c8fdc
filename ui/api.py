"""The server: the native API, the health check and the chat page, on one FastAPI app."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.staticfiles import StaticFiles

from assistant.app import VERSION, Assistant
from assistant.conversation.attachments import PER_CONVERSATION
from assistant.conversation.service import TurnRejected, asker
from assistant.conversation.wire import encode
from assistant.knowledge.store import StoreError
from assistant.records.repository import RecordsError
from ui.conversations_api import add_conversation_routes
from ui.corrections_api import add_correction_routes
from ui.desk.keys import Keys
from ui.encode import sse
from ui.look import add_look_routes
from ui.machine_api import STREAM, Token, add_machine_routes
from ui.security import DESK, Harden
from ui.uploads import DESK_MEGABYTES, FORM, MEGABYTE, keep_in

log = logging.getLogger(__name__)
STATIC = Path(__file__).parent / "static"
PORTAL = "portal"
STATUS = {
    "turn_too_long": 413,
    "unknown_surface": 404,
    "unknown_collection": 404,
    "unknown_conversation": 404,
    "unknown_turn": 404,
    "conversation_full": 409,
    "not_answered": 409,
}


class ChatBody(BaseModel):
    """A turn. Without ``conversation`` a new one begins; its id comes in the ``routed`` event."""

    message: str = Field(examples=["How many days of annual leave can I carry over?"])
    conversation: str | None = None
    surface: str | None = None
    collection: str | None = None
    route: str | None = Field(None, description="auto, voice, retrieve or both")
    groups: list[str] = Field([], description="for commands on this machine, with its token")


def create_app(assistant: Assistant, token: str, keys: Keys | None = None) -> FastAPI:
    """The app of an opened assistant. ``token`` is what commands on this machine show to change things, ``keys`` open
    the desk."""
    app = FastAPI(title="Switchyard", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(TurnRejected, _rejected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RecordsError, _broken)
    app.add_exception_handler(StoreError, _broken)

    machine = Token(token)

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        """Whether the server can answer. It says nothing of what there is: anybody may ask."""
        try:
            await assistant.index.count()
        except StoreError as error:
            log.error("the document base does not answer: %s", error)
            raise HTTPException(503, "The document base does not answer. It has been logged.") from error
        return {"status": "ok", "version": VERSION, "settings": "invalid" if assistant.problem else "ok"}

    @app.post("/api/v1/chat")
    async def chat(body: ChatBody, authorization: Annotated[str, Header()] = "") -> StreamingResponse:
        """One turn as server-sent events: routed, retrieved, text_delta, checked, then finished or failed."""
        if body.groups:
            machine(authorization)
        turn = await assistant.service.prepare(
            body.message,
            person=asker(body.groups),
            conversation=body.conversation,
            surface=body.surface,
            collection=body.collection,
            route=body.route,
            groups=body.groups,
        )

        async def frames() -> AsyncIterator[str]:
            async with aclosing(assistant.service.run(turn)) as events:
                async for event in events:
                    yield sse(encode(event))

        return StreamingResponse(frames(), media_type="text/event-stream", headers=STREAM)

    add_machine_routes(app, assistant, machine)
    add_correction_routes(app, assistant, machine)
    add_conversation_routes(app, assistant, machine)
    add_look_routes(app, lambda: assistant.settings)

    keep_in(assistant.settings.data / "incoming")
    heads: dict[str, str] = {}
    if assistant.settings.server.desk:
        heads[f"{DESK}/"] = _mount_desk(app, assistant, machine, keys or Keys())

    @app.api_route("/api/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def nothing(rest: str) -> JSONResponse:
        """Before the page, which would answer in a shape of its own."""
        return _error(404, "not_found", "There is nothing at this address and method.")

    app.mount("/switchyard", StaticFiles(directory=STATIC))
    with_page, heads["/"] = _mount_page(app, assistant)
    hosts = [assistant.settings.server.host, *assistant.settings.server.allowed_hosts]
    with_page.add_middleware(Harden, heads=heads, hosts=hosts, bodies=_bodies(assistant))
    return with_page


def _bodies(assistant: Assistant) -> dict[str, int]:
    # A form holds all the files that were chosen together; each alone is limited as the page is mounted.
    uploads = {"": assistant.settings.limits.attachment_megabytes * PER_CONVERSATION, DESK: 10 * DESK_MEGABYTES}
    return {f"{page}/gradio_api/upload": most * MEGABYTE + FORM for page, most in uploads.items()}


def _mount_desk(app: FastAPI, assistant: Assistant, machine: Token, keys: Keys) -> str:
    """The desk on ``app``; returns what its page's head holds."""
    from ui.desk import mount

    mount.mount(app, assistant, machine, keys)
    return mount.head()


def _mount_page(app: FastAPI, assistant: Assistant) -> tuple[FastAPI, str]:
    """The chat page on ``app``; returns both together, and what the page's head holds."""
    from ui import chat_page

    return chat_page.mount(app, assistant, PORTAL), chat_page.head(PORTAL)


async def _rejected(_: Request, error: Exception) -> JSONResponse:
    code = getattr(error, "code", "bad_request")
    return _error(STATUS.get(code, 422), code, str(error))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    return _error(422, "invalid_request", f"{place or 'the body'}: {first['msg']}")


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    return _error(error.status_code, "refused", str(error.detail))


async def _broken(_: Request, error: Exception) -> JSONResponse:
    log.error("a request failed: %s", error)
    return _error(503, "unavailable", "The records or the documents cannot be used right now. It has been logged.")


def _error(status: int, code: str, message: str) -> JSONResponse:
    sendable = message.encode("utf-8", "replace").decode()
    return JSONResponse({"error": {"code": code, "message": sendable}}, status)
