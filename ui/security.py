"""What every response carries and every request must fit. Pure ASGI: Starlette's own middleware classes slow a
stream down by a third."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.bodies import SECONDS, Body, has_body
from ui.front_origins import from_here as from_here
from ui.front_paths import LOADER
from ui.refusals import refuse
from ui.uploads import full

MAX_BODY = 2_000_000
"""Bytes of a request's body but for uploads; a turn is far smaller."""
LOOPBACK = ("localhost", "localhost.localdomain")
GRADIO_PATHS = re.compile(
    r".*/gradio_api/(?:queue/(?:join|data)|run/predict|cancel|reset|heartbeat/\w+|startup-events|app_id|info|"
    r"upload|upload_progress)/?"
)
"""What our pages need of Gradio's API. Its files, proxy and streams are shut: nobody reads an upload, whoever sent
it."""
DESK = "/desk"
_OLD = {"'none'": "DENY", "'self'": "SAMEORIGIN"}
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_PRIVATE = re.compile(r"/(?:api|v1|gradio_api)/|/(?:mcp|metrics|config|sign-out)$|/sign-in")
"""What is for who asks alone: no cache keeps it, whatever the credential came in. Refusals are, too."""
_FOREVER = "public, max-age=31536000, immutable"


Policies = Callable[[str], Mapping[str, str] | None]
"""The whole Content-Security-Policy of a page that has one of its own, by path; None for every other."""


class Harden:
    """Content-Security-Policy with a nonce for the page's own inline scripts, bounds for the size of request bodies
    and for the time that they take, and an allow-list of host names.

    The names keep other sites' pages out that point a name of theirs at this machine (DNS rebinding): loopback names
    and plain addresses are always right, others as ``hosts`` says (``*`` is all, ``*.example.org`` what ends so).
    All mappings are by path, below the server's root: ``heads`` is HTML that goes to the start of that page's
    ``<head>``, ``bodies`` the bytes that a request there may have, where they are not ``MAX_BODY``, ``policies`` is
    asked at each request. ``seconds`` is what a body may take beside its size.
    """

    def __init__(
        self,
        app: ASGIApp,
        heads: Mapping[str, str] | None = None,
        hosts: Sequence[str] = (),
        bodies: Mapping[str, int] | None = None,
        policies: Policies = lambda path: None,
        seconds: float = SECONDS,
    ) -> None:
        self._app = app
        self._heads = {path: head.encode() for path, head in (heads or {}).items()}
        self._bodies = dict(bodies or {})
        self._hosts = tuple(host.casefold() for host in hosts)
        self._policies = policies
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"].removeprefix(scope.get("root_path", ""))
        page = _Page(send, self._heads.get(path, b""), path, self._policies(path))
        most = self._bodies.get(path.rstrip("/"), MAX_BODY)
        refused = await self._refused(headers, path, most)
        if refused is None and has_body(headers):
            refused = await self._bounded(scope, receive, page.send, most)
        elif refused is None:
            await self._app(scope, receive, page.send)
        if refused is not None:
            # What is left of the body is not read.
            await refuse(scope, page.send, *refused, headers=[("connection", "close")] if has_body(headers) else [])

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, most: int) -> tuple[int, str, str] | None:
        body = Body(receive, send, most, self._seconds)
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:  # whatever an app makes of a caller that has gone
            if body.refused is None:
                raise
        return body.refused

    async def _refused(self, headers: Headers, path: str, most: int) -> tuple[int, str, str] | None:
        """Why a request gets no further: status, code, message."""
        length = headers.get("content-length", "0")
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy that heeds the other one of the two takes a part of this for the next request.
            return 400, "bad_request", "Say once how long the request is."
        if not self._knows(headers.get("host", "")):
            return 421, "unknown_host", "Add this host name to server.allowed_hosts."
        if "/gradio_api/" in path and not GRADIO_PATHS.fullmatch(path):
            return 404, "not_found", "There is nothing here."
        if path.rstrip("/").endswith("/gradio_api/upload"):
            if not from_here(headers):
                return 403, "foreign_page", "Only a page of this server may upload."
            if await asyncio.to_thread(full):
                return 507, "full", "Too much is being uploaded. Try again in an hour."
        if not (length.isascii() and length.isdigit()) or int(length) > most:
            return 413, "too_large", f"The request is larger than {most / 1_000_000:.0f} MB."
        return None

    def _knows(self, host: str) -> bool:
        name = re.sub(r":\d+$", "", host).strip("[]").casefold()
        if name in LOOPBACK or "*" in self._hosts or name in self._hosts:
            return True
        if any(name.endswith(allowed[1:]) for allowed in self._hosts if allowed.startswith("*.")):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class _Page:
    """Passes a response on with its headers; an HTML page is held back until whole, to stamp its scripts, but for one
    that has a policy of its own."""

    def __init__(self, send: Send, head: bytes, path: str, policy: Mapping[str, str] | None) -> None:
        self._send = send
        self._head = head
        self._path = path
        self._policy = policy
        self._desk = path == DESK or path.startswith(f"{DESK}/")
        self._nonce = secrets.token_urlsafe(16)
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def send(self, message: Message) -> None:
        """Takes the place of the server's own send."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            for name, value in self._headers():
                headers[name] = value
            if "/assets/" in self._path and message["status"] == 200:
                headers["cache-control"] = _FOREVER
            elif self._desk or message["status"] >= 400 or _PRIVATE.match(self._path):
                headers["cache-control"] = "no-store"
            if self._policy is None and headers.get("content-type", "").startswith("text/html"):
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
        policy = self._policy if self._policy is not None else self._usual()
        yield "content-security-policy", "; ".join(f"{name} {value}" for name, value in policy.items())
        yield "referrer-policy", "same-origin"
        yield "x-content-type-options", "nosniff"
        yield "cross-origin-resource-policy", "cross-origin" if self._path == LOADER else "same-origin"
        # For browsers that know nothing of frame-ancestors; a list of sites cannot be said to them.
        if old := _OLD.get(policy.get("frame-ancestors", "'none'")):
            yield "x-frame-options", old
        if self._policy is None:
            yield "cross-origin-opener-policy", "same-origin"

    def _usual(self) -> Mapping[str, str]:
        return {
            "default-src": "'self'",
            "script-src": f"'self' 'nonce-{self._nonce}'",
            "style-src": "'self' 'unsafe-inline'",
            "img-src": "'self' data: blob:",
            "font-src": "'self' data:",
            "connect-src": "'self'",
            "form-action": "'self'",
            "object-src": "'none'",
            "base-uri": "'self'",
            "frame-ancestors": "'none'" if self._desk else "'self'",
        }
