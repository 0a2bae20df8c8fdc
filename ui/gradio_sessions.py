"""Gradio's sessions, each bound to whoever opened it: Gradio itself hands a session's stream to anyone who knows its
hash."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import cookie_parser
from starlette.types import Message, Receive, Scope, Send

from assistant.access.identity import Identity
from ui.refusals import refuse

MOST = 50_000
MOST_OF_ONE = 1_000
"""Sessions, uploads and events that are remembered, of all people and of one: the oldest go first, each one's own
first of all, so that nobody can make another's be forgotten."""
SECONDS = 24 * 3600.0
"""Since it was last used. Gradio drops a session an hour after its page is closed."""
DESK_COOKIE = "switchyard-desk"
_IN_BODY = re.compile(r".*/gradio_api/(?:queue/join|run/predict|cancel|reset)/?")
_IN_QUERY = {"session_hash": "session", "upload_id": "upload"}
_IN_JSON = {"session_hash": "session", "event_id": "event"}
_HEARTBEAT = re.compile(r".*/gradio_api/heartbeat/([^/]+)/?")
Bound = tuple[str, str]


class GradioSessions:
    """Who opened which session, upload and event. Without any credential, in the mode ``none``, there is nobody to
    bind one to: a session belongs to the first who shows who they are, and until then to whoever knows its hash.
    ``now`` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._owners: OrderedDict[Bound, tuple[str, float]] = OrderedDict()
        self._of: defaultdict[str, OrderedDict[Bound, None]] = defaultdict(OrderedDict)

    async def bound(self, scope: Scope, receive: Receive, send: Send, who: Identity | None) -> Receive | None:
        """The request's body for what lies behind, which is read here where it names a session; None if the session
        is another's, which has been answered then."""
        owner, path, named = _owner(scope, who), scope["path"], list(_in_address(scope))
        if scope["method"] == "POST" and _IN_BODY.fullmatch(path):
            body = await _body(receive)
            if body is None:
                return None
            named += _in_body(body)
            receive = _again(body, receive)
        if all(self._takes(each, owner) for each in named):
            return receive
        await refuse(scope, send, 404, "not_found", "There is no such session.")
        return None

    def told(self, scope: Scope, send: Send, who: Identity | None) -> Send:
        """``send`` that binds the event whose id the answer to a join tells."""
        owner = _owner(scope, who)
        if not owner or not scope["path"].rstrip("/").endswith("/queue/join"):
            return send

        async def listening(message: Message) -> None:
            for each in _in_body(message.get("body", b"")):
                self._takes(each, owner)
            await send(message)

        return listening

    def _takes(self, each: Bound, owner: str) -> bool:
        found = self._owners.get(each)
        if found is not None and found[1] > self._now() - SECONDS and found[0] != owner:
            return False
        if owner:
            self._bind(each, owner)
        return True

    def _bind(self, each: Bound, owner: str) -> None:
        self._forget(each)
        self._owners[each] = (owner, self._now())
        mine = self._of[owner]
        mine[each] = None
        if len(mine) > MOST_OF_ONE:
            self._forget(next(iter(mine)))
        while len(self._owners) > MOST or next(iter(self._owners.values()))[1] <= self._now() - SECONDS:
            self._forget(next(iter(self._owners)))

    def _forget(self, each: Bound) -> None:
        owner, _ = self._owners.pop(each, ("", 0.0))
        if owner:
            self._of[owner].pop(each, None)
            if not self._of[owner]:
                del self._of[owner]


def _owner(scope: Scope, who: Identity | None) -> str:
    """Whose a session is; empty for nobody's. On the desk it is the desk's own session."""
    if who is not None:
        return who.person
    for name, value in scope["headers"]:
        if name == b"cookie" and DESK_COOKIE.encode() in value:
            shown = cookie_parser(value.decode("latin-1")).get(DESK_COOKIE, "")
            return "desk:" + hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest() if shown else ""
    return ""


def _in_address(scope: Scope) -> Iterator[Bound]:
    if found := _HEARTBEAT.fullmatch(scope["path"]):
        yield "session", found[1]
    for name, value in parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True):
        if name in _IN_QUERY:
            yield _IN_QUERY[name], value


def _in_body(body: bytes) -> list[Bound]:
    """Of a name that comes twice each value counts, whichever Gradio would take."""
    named: list[Bound] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        # The outermost object comes last, and only its own names count.
        named[:] = [(_IN_JSON[name], value) for name, value in found if name in _IN_JSON and isinstance(value, str)]
        return {}

    try:
        json.loads(body, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return []  # Gradio refuses it too
    return named


async def _body(receive: Receive) -> bytes | None:
    """All of it; what stands before this limits its size and its time. None where the caller has gone."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then what else comes."""
    read = False

    async def receive_again() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
