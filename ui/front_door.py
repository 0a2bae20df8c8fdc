"""Stands before everything: finds who asks and from which page, and lets through what either may.

Pure ASGI: Starlette's own middleware classes slow a stream down by a third.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.access.gate import Gate
from assistant.access.identity import Denied, Identity
from assistant.access.limits_attempts import Attempts
from assistant.conversation.front import DEFAULT_SURFACE
from assistant.records.repository import RecordsError
from assistant.settings import Settings
from ui import front_origins as origins
from ui import front_paths as paths
from ui.gradio_sessions import GradioSessions
from ui.refusals import deny, refuse

log = logging.getLogger(__name__)
COOKIE = "switchyard-session"
VARY = ("vary", "Origin")
USER = "X-Switchyard-User"
"""For whom a program with an API key asks."""
LONGEST_USER = 128


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it is looked at here; ``root`` is the prefix that the server is reached under."""

    method: str
    path: str
    headers: Headers
    public: bool
    root: str


class _Foreign(Exception):
    """A page of another site asks for what it may not."""


class _Nameless(Exception):
    """What should be the name of a program's user is none."""


class FrontDoor:
    """Puts ``identity`` into the state of every request: who a credential says, or None for nobody (``nobody`` there
    makes somebody of it where the settings let anybody in, or raises Denied), and ``origin``, that of another site
    whose page may read the answer. Whatever ``front_paths`` does not name as public is shut to nobody in the mode
    ``required``; a credential that is wrong is refused everywhere."""

    def __init__(self, app: ASGIApp, gate: Gate, settings: Callable[[], Settings]) -> None:
        self._app = app
        self._gate = gate
        self._settings = settings
        self._gradio = GradioSessions()
        self._wrong = Attempts(settings().limits.wrong_credentials_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing of ours speaks it
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope)
        if asked.method not in paths.METHODS:
            await refuse(scope, send, 405, "not_allowed", "This method is not for here.")
        elif paths.misleading(asked.path, scope.get("raw_path") or b""):
            await refuse(scope, send, 404, "not_found", "There is nothing at this address.")
        elif asked.method == "OPTIONS" and "access-control-request-method" in asked.headers:
            await self._preflight(scope, send, asked)
        else:
            await self._enter(scope, receive, send, asked)

    async def _preflight(self, scope: Scope, send: Send, asked: _Asked) -> None:
        origin = asked.headers.get("origin", "")
        if not self._knows(asked, origin):
            await _foreign(scope, send)
            return
        headers = [(name.encode(), value.encode()) for name, value in origins.preflight(origin)]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _enter(self, scope: Scope, receive: Receive, send: Send, asked: _Asked) -> None:
        try:
            self._check_page(asked)
            who, ended = await self._who(asked)
            who, origin = self._from(asked, who)
            self._check_place(asked, who)
        except _Foreign:
            await _foreign(scope, send)
        except Denied as denied:
            await self._turn_away(scope, send, asked, denied)
        except _Nameless:
            text = f"{USER} must be 1 to {LONGEST_USER} printable characters, in UTF-8."
            await refuse(scope, send, 422, "invalid_request", text)
        except RecordsError as error:
            log.error("nobody can be let in: %s", error)
            await refuse(scope, send, 503, "unavailable", "Something that this needs cannot be used right now.")
        else:
            scope.setdefault("state", {}).update(identity=who, nobody=self._gate.nobody, origin=origin)
            out = _answering(send, origin, asked, ended)
            if "/gradio_api/" not in asked.path:
                await self._app(scope, receive, out)
            elif body := await self._gradio.bound(scope, receive, out, who):
                await self._app(scope, body, self._gradio.told(scope, out, who))

    def _check_page(self, asked: _Asked) -> None:
        """Raises _Foreign before a credential is looked at, where none could help."""
        if asked.headers.get("origin") == "null":
            raise _Foreign
        if not asked.public and origins.smuggled(asked.method, asked.headers):
            raise _Foreign

    def _check_place(self, asked: _Asked, who: Identity | None) -> None:
        """Raises Denied where nobody may be, or not this one."""
        if asked.public or paths.own_door(asked.path):
            return
        if who is None:
            self._gate.nobody()
        elif paths.of_the_page(asked.path) and not who.on(DEFAULT_SURFACE):
            raise Denied(403, "forbidden", "This page is not for who asks.")

    async def _who(self, asked: _Asked) -> tuple[Identity | None, bool]:
        """Who asks, and whether they come with a session that has ended. Raises Denied."""
        shown = asked.headers.getlist("authorization")
        if shown:
            scheme, _, token = shown[0].partition(" ")
            if len(shown) > 1 or scheme.lower() != "bearer":
                raise Denied(401, "invalid_token", "Show one credential, as Authorization: Bearer …")
            token = token.strip()
            if asked.path.startswith("/v1/") and not self._gate.needs(token):
                return None, False
            return _for_user(await self._gate.bearer(token), asked.headers), False
        cookie = cookie_parser(asked.headers.get("cookie", "")).get(COOKIE)
        if not cookie or asked.path.startswith(paths.PUBLIC_BELOW):
            return None, False
        if not origins.of_ours(asked.method, asked.headers):
            return None, False
        who = await self._gate.session(cookie)
        if who is None and not asked.public and not origins.navigates(asked.method, asked.headers):
            raise Denied(401, "sign_in", "This session has ended. Sign in again.")
        return who, who is None

    def _from(self, asked: _Asked, who: Identity | None) -> tuple[Identity | None, str | None]:
        """Who asks, held to the surfaces of the site whose page asks for them, and that site's origin; None for it
        where no other site asks. Raises _Foreign."""
        origin = asked.headers.get("origin")
        if origin is None or origins.from_here(asked.headers):
            return who, None
        if paths.for_programs(asked.path):
            places = self._settings().surfaces
            if surfaces := frozenset(name for name in places if self._gate.allows(origin, who, name)):
                if who is None and not asked.public:
                    who = self._gate.nobody()
                return replace(who, surfaces=surfaces) if who is not None else None, origin
        if asked.public and asked.method in paths.READS:
            return who, None
        raise _Foreign

    def _knows(self, asked: _Asked, origin: str) -> bool:
        """Whether pages of an origin may call at all."""
        return paths.for_programs(asked.path) and origin != "null" and self._gate.allows(origin, None)

    async def _turn_away(self, scope: Scope, send: Send, asked: _Asked, denied: Denied) -> None:
        pages = paths.page(asked.path) and self._settings().access.sign_in is not None
        if pages and denied.code == "sign_in" and origins.navigates(asked.method, asked.headers):
            query = scope.get("query_string", b"").decode("latin-1")
            to = quote(f"{asked.path}?{query}" if query else asked.path, safe="")
            raw = [(b"location", f"{quote(asked.root)}/sign-in?to={to}".encode()), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 303, "headers": raw})
            await send({"type": "http.response.body", "body": b""})
            return
        # A page of a surface may read why it is refused.
        origin = asked.headers.get("origin", "")
        headers = [*(origins.cors(origin) if self._knows(asked, origin) else ()), VARY]
        self._wrong.most = self._settings().limits.wrong_credentials_per_minute
        wait = self._wrong.again(address(scope)) if denied.code == "invalid_token" else None
        if wait is None:
            await deny(scope, send, denied, headers)
        else:
            headers.append(("retry-after", str(max(1, math.ceil(wait)))))
            await refuse(scope, send, 429, "too_many_attempts", "Too many wrong credentials. Wait a minute.", headers)


def _for_user(who: Identity, headers: Headers) -> Identity:
    if who.via != "key" or USER not in headers:
        return who
    try:
        name = headers[USER].encode("latin-1").decode()
    except UnicodeDecodeError:
        raise _Nameless from None
    if not name.isprintable() or not 0 < len(name) <= LONGEST_USER:
        raise _Nameless
    return who.user(name)


def address(scope: Scope) -> str:
    """The network address that a request comes from."""
    client = scope.get("client")
    return client[0] if client else ""


def _asked(scope: Scope) -> _Asked:
    root = scope.get("root_path", "")
    path = scope["path"].removeprefix(root)
    return _Asked(scope["method"], path, Headers(scope=scope), paths.public(scope["method"], path), root)


def _answering(send: Send, origin: str | None, asked: _Asked, ended: bool) -> Send:
    """What lies behind says nothing of its own about other sites: Gradio would let every one of them read."""

    async def out(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = asked.path == paths.LOADER
            raw = [each for each in message["headers"] if own or not each[0].lower().startswith(b"access-control-")]
            headers = MutableHeaders(raw=raw)
            if not asked.public or paths.for_programs(asked.path):
                headers.add_vary_header("Origin")
            for name, value in origins.cors(origin) if origin else ():
                headers[name] = value
            if ended:
                gone = f"{COOKIE}=; Max-Age=0; Path={asked.root or '/'}; HttpOnly; SameSite=Lax"
                headers.append("set-cookie", gone)
            message["headers"] = raw
        await send(message)

    return out


async def _foreign(scope: Scope, send: Send) -> None:
    await refuse(scope, send, 403, "foreign_origin", "This page may not ask for this.", [VARY])
