"""An id for every request, and a line in the log: of where it went and how it ended, never of what was said."""

from __future__ import annotations

import logging
import re
import time
import uuid
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.access.identity import Identity
from assistant.logs import FIELDS, request_id
from ui import front_paths as paths

log = logging.getLogger(__name__)
LONGEST = 200
GONE = 499
"""What is noted where nobody was there any more to be answered."""
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECRET = re.compile(r"(/heartbeat/).+")


class Logged:
    """``X-Request-Id`` on every response, taken over from a proxy where it is one of ours to take, and in every line
    of the log until then; one line for each response that has ended, those that anybody may have at debug."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, known = time.perf_counter(), GONE, _id(scope)
        # Now: a mounted app takes its own path for the root.
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        scope.setdefault("state", {})["request_id"] = known
        header = (b"x-request-id", known.encode())

        async def numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        token = request_id.set(known)
        try:
            await self._app(scope, receive, numbered)
        except Exception:
            status = 500
            raise
        finally:
            _tell(scope, path, status, (time.perf_counter() - began) * 1000)
            request_id.reset(token)


def _id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE.fullmatch(value):
            return str(value, "ascii")
    return uuid.uuid4().hex


def _tell(scope: Scope, path: str, status: int, milliseconds: float) -> None:
    method = scope["method"]
    quiet = status < 400 and (paths.public(method, path) or path.startswith(("/assets/", "/static/")))
    level = logging.DEBUG if quiet else logging.INFO
    if not log.isEnabledFor(level):
        return
    who: Identity | None = scope["state"].get("identity")
    via = who.via if who is not None else "nobody"
    # Coded, so that no line can be made to look like another; a session's hash is nobody's business.
    shown = quote(_SECRET.sub(r"\1*", path), safe="/-._~:@!$&'()*+,;=")[:LONGEST]
    method = method if method in paths.METHODS else "OTHER"
    fields = {"method": method, "path": shown, "status": status, "ms": round(milliseconds, 1), "via": via}
    log.log(level, "%s %s %d in %.0f ms, %s", method, shown, status, milliseconds, via, extra={FIELDS: fields})
