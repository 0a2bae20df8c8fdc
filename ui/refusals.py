"""A request that is turned away before any route has seen it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from starlette.types import Message, Scope, Send

from assistant.access.identity import Denied
from ui.front_paths import METHODS
from ui.openai_errors import refusal
from ui.turned_away import turned_away


async def refuse(
    scope: Scope, send: Send, status: int, code: str, message: str, headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Answer with an error in the shape of the API that was asked."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    openai = f"{path}/".startswith("/v1/")
    shape = refusal(code, message, status) if openai else {"error": {"code": code, "message": message}}
    body = json.dumps(shape).encode()
    own = {"content-type": "application/json", "content-length": str(len(body)), **dict(headers)}
    if status == 405:
        own.setdefault("allow", ", ".join(METHODS))
    if status == 401:
        own["www-authenticate"] = "Bearer"
    raw = [(name.encode(), value.encode()) for name, value in own.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def nothing() -> Message:
    """The body of a request that is answered without it."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def deny(scope: Scope, send: Send, denied: Denied, headers: Iterable[tuple[str, str]] = ()) -> None:
    """Answer to somebody who is not let in: a browser that opens a page gets a page."""
    if (shown := await turned_away(scope, denied)) is not None:
        shown.headers.update(dict(headers))
        await shown(scope, nothing, send)
        return
    await refuse(scope, send, denied.status, denied.code, str(denied), headers)
