"""A real web server on loopback that says what a test wants it to say."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What is sent for a path; with ``tagged`` an entity tag is, too, and 304 for one who has it."""

    body: bytes | str = b""
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    tagged: bool = False
    endless: bool = False
    hang: float = 0


@dataclass
class Site:
    """``answers`` by path with query; what is not in it is 404. ``asked`` holds (path, headers) of each request."""

    answers: dict[str, Answer | Callable[[], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    most_at_once: int = 0
    port: int = 0
    host: str = "127.0.0.1"
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def sitemap(self, *paths: str, lastmod: str = "") -> Answer:
        """A sitemap of these paths."""
        stated = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
        urls = "".join(f"<url><loc>{path if '//' in path else self.url + path}</loc>{stated}</url>" for path in paths)
        return Answer(
            f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>',
            "application/xml",
        )

    def answer(self, handler: Any) -> None:
        with self._lock:
            self.asked.append((handler.path, {name.lower(): value for name, value in handler.headers.items()}))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            found = self.answers.get(handler.path, Answer("<p>not here</p>", status=404))
            self._send(handler, found if isinstance(found, Answer) else found())
        finally:
            with self._lock:
                self._now -= 1

    def _send(self, handler: Any, answer: Answer) -> None:
        time.sleep(answer.hang)
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        tag = f'"{hashlib.sha256(body).hexdigest()[:12]}"' if answer.tagged else ""
        if tag and handler.headers.get("If-None-Match") == tag:
            handler.send_response(304)
            handler.end_headers()
            return
        handler.send_response(answer.status)
        for name, value in {"Content-Type": answer.kind, "ETag": tag, **answer.headers}.items():
            if value:
                handler.send_header(name, value)
        if not answer.endless:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        while answer.endless:
            handler.wfile.write(b"x" * 2**20)


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site until the block ends; with a ``context`` over TLS."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                site.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return None

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients that hang up are part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
