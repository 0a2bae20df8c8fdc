"""What every response carries and every request must fit. Pure ASGI: Starlette's own middleware classes slow a
stream down by a third."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 2_000_000
"""Bytes of a request's body; a turn is far smaller, and files do not come this way yet."""
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_FOREVER = "public, max-age=31536000, immutable"


class Harden:
    """Content-Security-Policy with a nonce for the page's own inline scripts, and a limit on request bodies.

    ``head`` is HTML that goes to the start of every page's ``<head>``.
    """

    def __init__(self, app: ASGIApp, head: str = "") -> None:
        self._app = app
        self._head = head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdigit() and int(length) > MAX_BODY:
            await _refuse(send)
            return
        page = _Page(send, self._head, scope["path"])
        await self._app(scope, _limited(receive), page.send)


class _Page:
    """Passes a response on with its headers; an HTML page is held back until whole, to stamp its scripts."""

    def __init__(self, send: Send, head: bytes, path: str) -> None:
        self._send = send
        self._head = head
        self._path = path
        self._nonce = secrets.token_urlsafe(16)
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            for name, value in self._headers():
                headers[name] = value
            if "/assets/" in self._path and message["status"] == 200:
                headers["cache-control"] = _FOREVER
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
        elif self._start is not None:
            self._body.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._send_page(self._start)
            return
        await self._send(message)

    async def _send_page(self, start: Message) -> None:
        page = b"".join(self._body).replace(b"<head>", b"<head>" + self._head, 1)
        page = _SCRIPT.sub(b'<script nonce="' + self._nonce.encode() + b'"', page)
        headers = MutableHeaders(raw=start["headers"])
        headers["content-length"] = str(len(page))
        headers["cache-control"] = "no-store"
        await self._send(start)
        await self._send({"type": "http.response.body", "body": page})

    def _headers(self) -> Iterable[tuple[str, str]]:
        policy = {
            "default-src": "'self'",
            "script-src": f"'self' 'nonce-{self._nonce}'",
            "style-src": "'self' 'unsafe-inline'",
            "img-src": "'self' data: blob:",
            "font-src": "'self' data:",
            "connect-src": "'self'",
            "form-action": "'self'",
            "object-src": "'none'",
            "base-uri": "'self'",
            "frame-ancestors": "'self'",
        }
        yield "content-security-policy", "; ".join(f"{name} {value}" for name, value in policy.items())
        yield "referrer-policy", "same-origin"
        yield "x-content-type-options", "nosniff"


def _limited(receive: Receive) -> Receive:
    """A body that is sent without a length is cut off at the limit all the same."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            return {"type": "http.disconnect"}
        return message

    return counted


async def _refuse(send: Send) -> None:
    body = b'{"error":{"code":"too_large","message":"The request is larger than 2 MB."}}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
