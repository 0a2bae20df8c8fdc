"""An issuer on loopback that publishes its keys, and can be asked to misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Issuer:
    """``keys`` are what it publishes; ``status``, ``headers``, ``body`` and ``hangs`` are how it misbehaves; ``asked``
    are the lines of all requests."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    status: str = "200 OK"
    headers: str = ""
    body: bytes | None = None
    hangs: bool = False
    asked: list[str] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
            head = f"HTTP/1.1 {self.status}\r\nConnection: close\r\n{self.headers}\r\n"
            writer.write(head.encode() + (b"" if self.hangs else body))
            await writer.drain()
            while self.hangs and not reader.at_eof():  # a byte now and then, so that nobody's patience ends by itself
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def publishing(*keys: dict[str, Any]) -> AsyncIterator[Issuer]:
    """An issuer of these keys; its address is ``url``."""
    issuer = Issuer(list(keys))
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    async with server:
        yield issuer
