"""A portal on another origin with the widget in it, as strict as a page can be, and the server that it embeds."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from playwright.async_api import BrowserContext, FrameLocator, Page, async_playwright, expect

from tests.serving import Serving, serving, wait_until_read
from tests.ui.test_chat_page import CHROMIUM, FLAGS

SECRET = "a secret of the portal, 32 bytes and more"
NO_THIRD_PARTY_COOKIES = "--test-third-party-cookie-phaseout"
"""Chromium's switch that blocks every cookie of a site in a frame of another one."""
LONDON = "What is the hotel cap per night in London?"
BONUS = "What is the bonus of the harvest team?"
SLOW = [["Well, "] + [f"word{number} " for number in range(80)] + ["the end."]]
SCRIPT = '<script src="{server}/widget.js" data-surface="portal" data-token-url="/token" async></script>'


@dataclass
class Host:
    """A portal at ``http://localhost:PORT``; what its pages and its tokens are may change at any time, and what it
    ``answers`` (status, text) instead of a token. Every other name of this machine is another origin with the same
    pages."""

    port: int
    server: str = ""
    sub: str = "ada"
    groups: tuple[str, ...] = ("finance",)
    seconds: float = 300
    body: str = SCRIPT
    lang: str = "en"
    html_class: str = ""
    tokens: int = 0
    stale: int = 0
    secret: str = SECRET
    answers: tuple[int, str] | None = None
    policies: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def elsewhere(self) -> str:
        """The same pages as a site that no surface lists."""
        return f"http://elsewhere.localhost:{self.port}"

    def token(self, **changes: Any) -> str:
        """A token; the next ``stale`` ones ran out an hour ago."""
        now = time.time() - (3600 if self.stale > 0 else 0)
        self.stale -= 1
        claims = {
            "sub": self.sub, "name": self.sub.title(), "groups": list(self.groups), "aud": "switchyard",
            "surface": "portal", "iat": int(now), "exp": int(now + self.seconds),
        }  # fmt: skip
        return jwt.encode(claims | changes, self.secret, algorithm="HS256")

    def page(self) -> str:
        top = f'<!doctype html><html lang="{self.lang}" class="{self.html_class}"><head><meta charset="utf-8">'
        top += '<meta name="viewport" content="width=device-width, initial-scale=1"><title>A portal</title></head>'
        return f"{top}<body><main><h1>Portal</h1></main>{self.body.format(server=self.server)}</body></html>"

    def policy(self) -> str:
        found = {
            "default-src": "'none'",
            "script-src": self.server,
            "frame-src": self.server,
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "require-trusted-types-for": "'script'",
        }
        return "; ".join(f"{name} {value}" for name, value in (found | self.policies).items() if value)


@contextmanager
def hosting() -> Iterator[Host]:
    """The portal, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as listening:
        host = Host(listening.server_port)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/token":
                    host.tokens += 1
                    status, text = host.answers or (200, json.dumps({"token": host.token()}))
                    self._send(text, "application/json", status=status)
                elif self.path == "/":
                    self._send(host.page(), "text/html; charset=utf-8", host.policy())
                else:
                    self.send_error(404)

            def _send(self, text: str, kind: str, policy: str = "", status: int = 200) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                if policy:
                    self.send_header("Content-Security-Policy", policy)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        listening.RequestHandlerClass = Handler
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield host
        finally:
            listening.shutdown()
            thread.join()


@contextmanager
def embedded(folder: Path, host: Host, **more: Any) -> Iterator[Serving]:
    """A server whose surfaces ``portal`` (tokens), ``help`` (guests) and ``few`` (a turn a day) this host may embed."""
    (folder / "finance").mkdir(parents=True)
    text = "# Harvest team\n\nThe bonus of the harvest team is 4,711 euros a year, paid in November.\n"
    (folder / "finance" / "bonus.md").write_text(text, encoding="utf-8")
    surfaces = {
        "portal": {
            "title": "Test portal", "origins": [host.url], "token": {"secret": SECRET}, "suggestions": [LONDON],
        },
        "help": {"title": "Help", "origins": [host.url], "anonymous": True, "accent": "#b45309"},
        "few": {"origins": [host.url], "anonymous": True, "limits": {"guest": {"turns_per_day": 1}}},
    }  # fmt: skip
    settings: dict[str, Any] = {
        "access": {"mode": "required"},
        "collections": {
            "demo": {"sources": ["demo:"]},
            "finance": {"sources": [str(folder / "finance")], "readers": ["finance"]},
        },
        "models": {"slow": {"connector": "scripted", "options": {"answers": SLOW, "delay": 0.05}}},
        "roles": {"voice": "slow"},
        "surfaces": surfaces,
        # All that is wrong here comes from one address, and quickly.
        "limits": {"wrong_credentials_per_minute": 1000, "new_guests_per_minute": 1000},
    }
    with serving(folder, **(settings | more)) as running:
        host.server = running.url
        wait_until_read(running)
        yield running


@asynccontextmanager
async def browsing(**options: Any) -> AsyncIterator[BrowserContext]:
    """A browser in which a frame of another site has no cookies."""
    async with async_playwright() as playwright:
        flags = [*FLAGS, NO_THIRD_PARTY_COOKIES]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = await browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        yield context
        await browser.close()


class Widget:
    """The widget on a page, as its reader uses it."""

    def __init__(self, page: Page, at: int = 0) -> None:
        self.page = page
        self.frame: FrameLocator = page.frame_locator("iframe").nth(at)
        self.box = self.frame.locator("#box")
        self.turns = self.frame.locator("article.turn")

    async def open(self) -> None:
        await self.page.get_by_role("button", name="Ask the assistant").first.click()
        await expect(self.box).to_be_visible(timeout=15_000)

    async def ask(self, text: str) -> None:
        """Ask and wait until the whole answer is there."""
        count = await self.turns.count()
        await self.box.fill(text)
        await self.box.press("Enter")
        await expect(self.turns).to_have_count(count + 1, timeout=15_000)
        await expect(self.frame.locator("#send")).to_be_visible(timeout=30_000)

    @property
    def answer(self) -> Any:
        return self.turns.last.locator(".answer")
