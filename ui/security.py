"""What every response carries and every request must fit. Pure ASGI: Starlette's own middleware classes slow a
stream down by a third."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_FOREVER = "public, max-age=31536000, immutable"


class Harden:
    """Content-Security-Policy with a nonce for the page's own inline scripts, a limit on request bodies, and an
    allow-list of host names.

    The names keep other sites' pages out that point a name of theirs at this machine (DNS rebinding): loopback names
    and plain addresses are always right, others as ``hosts`` says (``*`` is all, ``*.example.org`` what ends so).
    Both mappings are by path, below the server's root: ``heads`` is HTML that goes to the start of that page's
    ``<head>``, ``bodies`` the bytes that a request there may have, where they are not ``MAX_BODY``.
    """

    def __init__(
        self,
        app: ASGIApp,
        heads: Mapping[str, str] | None = None,
        hosts: Sequence[str] = (),
        bodies: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._heads = {path: head.encode() for path, head in (heads or {}).items()}
        self._bodies = dict(bodies or {})
        self._hosts = tuple(host.casefold() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"].removeprefix(scope.get("root_path", ""))
        page = _Page(send, self._heads.get(path, b""), path)
        most = self._bodies.get(path.rstrip("/"), MAX_BODY)
        length = headers.get("content-length", "0")
        if not self._knows(headers.get("host", "")):
            await _refuse(page.send, 421, "unknown_host", "Add this host name to server.allowed_hosts.")
        elif "/gradio_api/" in path and not GRADIO_PATHS.fullmatch(path):
            await _refuse(page.send, 404, "not_found", "There is nothing here.")
        elif path.rstrip("/").endswith("/gradio_api/upload") and not from_here(headers):
            await _refuse(page.send, 403, "foreign_page", "Only a page of this server may upload.")
        elif path.rstrip("/").endswith("/gradio_api/upload") and await asyncio.to_thread(full):
            await _refuse(page.send, 507, "full", "Too much is being uploaded. Try again in an hour.")
        elif not length.isdigit() or int(length) > most:
            await _refuse(page.send, 413, "too_large", f"The request is larger than {most / 1_000_000:.0f} MB.")
        else:
            await self._app(scope, _limited(receive, most), page.send)

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
    """Passes a response on with its headers; an HTML page is held back until whole, to stamp its scripts."""

    def __init__(self, send: Send, head: bytes, path: str) -> None:
        self._send = send
        self._head = head
        self._path = path
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
            elif self._desk:
                headers["cache-control"] = "no-store"
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
            "frame-ancestors": "'none'" if self._desk else "'self'",
        }
        yield "content-security-policy", "; ".join(f"{name} {value}" for name, value in policy.items())
        yield "referrer-policy", "same-origin"
        yield "x-content-type-options", "nosniff"


def from_here(headers: Headers) -> bool:
    """Whether the browser says that a page of this origin asks. Behind a proxy that hides the host only the browser's
    own word counts."""
    if "sec-fetch-site" in headers:
        return headers["sec-fetch-site"] == "same-origin"
    return "origin" in headers and urlsplit(headers["origin"]).netloc == headers.get("host")


def _limited(receive: Receive, most: int) -> Receive:
    """A body that is sent without a length is cut off at the limit all the same."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            return {"type": "http.disconnect"}
        return message

    return counted


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
