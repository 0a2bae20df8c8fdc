"""What stands in front of everything below ``/desk``: no session, no answer, whatever the method or the protocol.

A link opens a session of the desk's own, whose cookie is HttpOnly, for this path and never sent from another site.
Else it is who has signed in: the front door has found out. What changes anything must come from a page of ours as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from markupsafe import Markup
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.access.identity import Identity
from ui.desk.keys import SESSION_SECONDS, Keys
from ui.security import from_here

COOKIE = "switchyard-desk"
DOORS = Path(__file__).parent / "doors"
LONGEST = 4096
"""Bytes of what is posted to enter."""


class Guard:
    """Lets through to ``app`` whoever has a session or has signed in as an admin, to ``editors`` who has as an editor;
    answers ``/``, ``/enter`` and ``/leave`` to those who have none. Mounted below a path, which is the cookie's."""

    def __init__(
        self,
        app: ASGIApp,
        keys: Keys,
        editors: ASGIApp | None = None,
        sign_in: Callable[[], bool] = lambda: False,
    ) -> None:
        self._app = app
        self._editors = editors
        self._keys = keys
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        session = _session(headers)
        inside = self._app if self._keys.knows(session) else self._for(_signed_in(scope))
        if scope["type"] == "websocket":
            if inside is not None and from_here(headers):
                await inside(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        answer = await self._answer(Request(scope, receive), session, inside is not None)
        if answer is not None:
            await answer(scope, receive, send)
        elif inside is not None:
            await inside(scope, receive, send)

    def _for(self, who: Identity | None) -> ASGIApp | None:
        """The desk of somebody who has signed in."""
        if who is None or not who.may("editor"):
            return None
        return self._app if who.may("admin") else self._editors

    async def _answer(self, request: Request, session: str, known: bool) -> Response | None:
        """What is answered here; None for what goes through, which only those who are ``known`` get."""
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        reads = request.method in ("GET", "HEAD")
        if not reads and not from_here(request.headers):
            return _refused(403, "foreign_page", "Only a page of this server may ask for this.")
        if path == "/enter":
            return _door("enter.html", 200) if reads else await self._enter(request)
        if not known:
            return self._closed(_signed_in(request.scope), path in ("", "/") and reads)
        if path == "/leave" and not reads:
            return self._leave(request, session)
        return None

    def _closed(self, who: Identity | None, page: bool) -> Response:
        if who is not None:
            message = "This needs the role editor or admin."
            return _door("forbidden.html", 403, who) if page else _refused(403, "forbidden", message)
        if page:
            return _door("sign_in.html" if self._sign_in() else "closed.html", 401)
        return _refused(401, "no_session", "The desk is closed: `assistant desk` prints a link that opens it.")

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
        # 307: it is still a form of ours that asks, and now for the end of the sign-in.
        signed_in = _signed_in(request.scope) is not None
        answer = RedirectResponse("../sign-out", 307) if signed_in else RedirectResponse("enter", 303)
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


def _door(name: str, status: int, who: Identity | None = None) -> Response:
    page = Markup((DOORS / name).read_text(encoding="utf-8"))
    return HTMLResponse(page.format(name=who.name or who.person) if who else page, status)


def _signed_in(scope: Scope) -> Identity | None:
    """Who has signed in on our pages: no key and no token counts here."""
    who: Identity | None = scope.get("state", {}).get("identity")
    return who if who is not None and who.via == "sign_in" else None


def _refused(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
