"""A server on loopback that speaks OpenAI's two interfaces, well or in one of the ways in which providers fail.

``FAULTS`` names each way and what it must end in. The way is chosen by the address, so that one server serves all:

    async with misbehaving() as upstream:
        model = connectors.build("openai-compatible", ModelSpec("m", "x", upstream.at("cut"), api="chat"))
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from connectors import errors
from tests.connectors.misbehaving_wire import BEHAVIOUR, EVERYWHERE, RETRY_AFTER, Wire
from tests.connectors.openai_frames import MODEL, USAGE

__all__ = ["ANSWER", "FAULTS", "MODEL", "RETRY_AFTER", "USAGE", "Asked", "Ends", "Upstream", "misbehaving"]

ANSWER = "Grüezi! 你好 👋 Carry-over is five days [1]."


@dataclass(frozen=True, slots=True)
class Ends:
    """What a fault must end in: ``error``, or a whole answer if that is None. ``text`` says that some of the answer
    comes first; ``alone`` that it ends without anybody's patience running out: without a time-out of the layers above
    the connector, or for ``chatters`` without a reader who stops."""

    error: type[errors.ConnectorError] | None = None
    text: bool = False
    alone: bool = True


FAULTS: dict[str, Ends] = {
    "well": Ends(text=True),
    "drips": Ends(text=True),
    "splits_utf8": Ends(text=True),
    "crlf_and_comments": Ends(text=True),
    "refuses": Ends(errors.Unavailable),
    "hangs_up": Ends(errors.Unavailable),
    "resets": Ends(errors.Unavailable),
    "not_http": Ends(errors.Unavailable),
    "silent": Ends(errors.TimedOut),
    "silent_after_headers": Ends(errors.TimedOut),
    "silent_midway": Ends(errors.TimedOut, text=True),
    "comments_for_ever": Ends(errors.TimedOut, alone=False),
    "chatters": Ends(text=True, alone=False),
    "cut": Ends(errors.Unavailable, text=True),
    "ends_early": Ends(errors.ProtocolError, text=True),
    "malformed": Ends(errors.ProtocolError),
    "malformed_midway": Ends(errors.ProtocolError, text=True),
    "bad_utf8": Ends(errors.ProtocolError),
    "other_json": Ends(errors.ProtocolError),
    "empty": Ends(errors.ProtocolError),
    "only_done": Ends(errors.ProtocolError),
    "page": Ends(errors.ProtocolError),
    "wordless": Ends(errors.EmptyAnswer),
    "unauthorised": Ends(errors.AuthenticationFailed),
    "forbidden": Ends(errors.PermissionRefused),
    "missing": Ends(errors.ConfigurationError),
    "limited": Ends(errors.RateLimited),
    "quota": Ends(errors.QuotaExceeded),
    "too_long": Ends(errors.ContextTooLong),
    "filtered": Ends(errors.ContentFiltered),
    "refused": Ends(errors.BadRequest),
    "broken": Ends(errors.Unavailable),
    "overloaded": Ends(errors.Unavailable),
    "error_first": Ends(errors.Unavailable),
    "error_midway": Ends(errors.Unavailable, text=True),
    "filtered_midway": Ends(errors.ContentFiltered, text=True),
}


@dataclass(slots=True)
class Asked:
    """One request as it came: its path below ``/v1``, its headers in lower case, and its JSON."""

    fault: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(slots=True)
class Upstream:
    """The running server. ``open`` counts the connections that are open now, ``asked`` keeps every request."""

    port: int
    dead_port: int
    fault: str
    answer: str = ANSWER
    open: int = 0
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The base_url of the fault that the server was started with."""
        return self.at(self.fault)

    def at(self, fault: str) -> str:
        """The base_url at which the server has ``fault``; it ends in /v1."""
        if fault not in FAULTS:
            raise KeyError(fault)
        return f"http://127.0.0.1:{self.dead_port if fault == 'refuses' else self.port}/{fault}/v1"

    async def settled(self, within: float = 5.0, most: int = 0) -> int:
        """The open connections once they have fallen to ``most``, or after ``within`` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.open > most:
                    await asyncio.sleep(0.005)
        return self.open


@asynccontextmanager
async def misbehaving(fault: str = "well", answer: str = ANSWER) -> AsyncIterator[Upstream]:
    """A server that has ``fault`` at ``url``, and any other at ``at(…)``; it answers ``answer`` word by word."""
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # bound and never listening: a connection is refused
        upstream = Upstream(0, dead.getsockname()[1], fault, answer)
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(_serve(upstream, reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        upstream.port = server.sockets[0].getsockname()[1]
        try:
            yield upstream
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()


async def _serve(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    upstream.open += 1
    try:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await _answered(upstream, reader, writer):
                pass
    finally:
        upstream.open -= 1
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _answered(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; whether the connection may carry another."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    sent = await reader.readexactly(int(headers.get("content-length", 0)))
    _, fault, _, path = request.split()[1].split("/", 3)
    upstream.asked.append(Asked(fault, path, headers, json.loads(sent) if sent else {}))
    wire = Wire(upstream.answer, fault, path, headers.get("authorization", ""), reader, writer)
    if path == "models" and fault not in EVERYWHERE:
        wire.lists()
    else:
        await BEHAVIOUR.get(fault, Wire.streams)(wire)
    await writer.drain()
    return wire.lasts
