"""What stands in front of everything below ``/desk``: no session, no answer, whatever the method or the protocol.

The session's cookie is HttpOnly, for this path and never sent from another site; what changes anything must come from
a page of ours as well.
"""

from __future__ import annotations

import json
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.desk.keys import SESSION_SECONDS, Keys
from ui.security import from_here

COOKIE = "switchyard-desk"
DOORS = Path(__file__).parent / "doors"
LONGEST = 4096
"""Bytes of what is posted to enter."""


class Guard:
    """Lets through to ``app`` whoever has a session; answers ``/``, ``/enter`` and ``/leave`` to those who have
    none. Mounted below a path, which is the cookie's."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        session = _session(headers)
        if scope["type"] == "websocket":
            if self._keys.knows(session) and from_here(headers):
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        answer = await self._answer(Request(scope, receive), session)
        await (answer or self._app)(scope, receive, send)

    async def _answer(self, request: Request, session: str) -> Response | None:
        """What is answered here; None for what goes through."""
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        reads = request.method in ("GET", "HEAD")
        if not reads and not from_here(request.headers):
            return _refused(403, "foreign_page", "Only a page of this server may ask for this.")
        if path == "/enter":
            return _door("enter.html", 200) if reads else await self._enter(request)
        if not self._keys.knows(session):
            if path in ("", "/") and reads:
                return _door("closed.html", 401)
            return _refused(401, "no_session", "The desk is closed: `assistant desk` prints a link that opens it.")
        if path == "/leave" and not reads:
            return self._leave(request, session)
        return None

    async def _enter(self, request: Request) -> Response:
        address = request.client.host if request.client else ""
        busy = self._keys.busy(address)
        session = self._keys.open(await _code(request), address)
        if session is None and busy:
            return _refused(429, "too_many_codes", "Too many wrong codes. Wait a minute.")
        if session is None:
            return _refused(403, "wrong_code", "This link is used up or too old: `assistant desk` prints a new one.")
        answer = Response(status_code=204)
        _cookie(answer, request, session, int(SESSION_SECONDS))
        return answer

    def _leave(self, request: Request, session: str) -> Response:
        self._keys.close(session)
        answer = RedirectResponse("enter", 303)
        _cookie(answer, request, "", 0)
        return answer


def _session(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


async def _code(request: Request) -> str:
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > LONGEST:
                return ""
        return str(json.loads(body)["code"])
    except (ClientDisconnect, ValueError, KeyError, TypeError):
        return ""


def _cookie(answer: Response, request: Request, session: str, seconds: int) -> None:
    answer.set_cookie(
        COOKIE,
        session,
        max_age=seconds,
        path=request.scope["root_path"] or "/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )


def _door(name: str, status: int) -> Response:
    return HTMLResponse((DOORS / name).read_text(encoding="utf-8"), status)


def _refused(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
