"""A provider of chat models that a test controls, in the dialects that connectors speak: over httpx2's mock transport,
or as a real server on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.contracts.dialects import Dialect, Heard

Answering = Callable[[Heard], Sequence[str]]


@dataclass
class Provider:
    """Answers as told, and remembers what it was asked. ``fault`` is one of the dialect's refusals, or ``cut`` (the
    connection breaks after the first piece), ``unended`` (the stream stops there) or ``broken`` (it sends an error
    there); ``endless`` keeps it at work after its pieces; ``drips`` sends single bytes."""

    dialect: Dialect
    answer: Answering = lambda heard: ("All ", "is ", "well.")
    finish: str = "stop"
    fault: str | None = None
    endless: bool = False
    drips: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    working: int = 0
    connections: int = 0

    def respond(self, method: str, body: bytes) -> tuple[int, dict[str, str], AsyncIterator[bytes]]:
        """Status, headers and body of the response to a request."""
        self.requests += 1
        if self.fault in self.dialect.refusals:
            status, said = self.dialect.refusals[self.fault]
            return status, {"content-type": "application/json", "retry-after": "7"}, _once(said)
        if method == "GET":
            return 200, {"content-type": "application/json"}, _once(self.dialect.listing())
        self.asked.append(json.loads(body))
        return 200, {"content-type": "text/event-stream"}, self._work(self.asked[-1])

    async def _work(self, asked: dict[str, Any]) -> AsyncIterator[bytes]:
        self.working += 1
        try:
            for frame in self._frames(asked):
                data = frame.encode()
                for start in range(0, len(data), 1 if self.drips else len(data)):
                    yield data[start : start + 1] if self.drips else data
                await asyncio.sleep(0)
            if self.endless:
                await asyncio.Event().wait()
        finally:
            self.working -= 1

    def _frames(self, asked: dict[str, Any]) -> Iterator[str]:
        yield from self.dialect.begin()
        for number, text in enumerate(self.answer(self.dialect.heard(asked))):
            if number and self.fault == "cut":
                raise ConnectionResetError
            if number and self.fault == "broken":
                yield self.dialect.broken()
            if number and self.fault in ("broken", "unended"):
                return
            yield self.dialect.piece(text)
        if not self.endless:
            yield from self.dialect.end(self.finish)

    def client(self) -> httpx2.AsyncClient:
        """A client that speaks to this provider and to nobody else."""

        async def handler(request: httpx2.Request) -> httpx2.Response:
            if self.fault == "unreachable":
                raise httpx2.ConnectError("refused", request=request)
            status, headers, content = self.respond(request.method, await request.aread())
            return httpx2.Response(status, headers=headers, stream=_Content(content))

        return httpx2.AsyncClient(transport=httpx2.MockTransport(handler))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """The provider as a server; gives its address."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    lines = (line.partition(":") for line in head.lower().splitlines())
                    length = next((int(value) for name, _, value in lines if name == "content-length"), 0)
                    response = self.respond(head.split(" ")[0], await reader.readexactly(length))
                    await _while_listening(reader, _send(writer, *response))
        finally:
            self.connections -= 1
            writer.close()


class _Content(httpx2.AsyncByteStream):
    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._content:
                yield data
        except ConnectionResetError as error:
            raise httpx2.ReadError("cut") from error

    async def aclose(self) -> None:
        await self._content.aclose()  # type: ignore[attr-defined]


async def _once(body: dict[str, Any]) -> AsyncIterator[bytes]:
    yield json.dumps(body).encode()


async def _send(
    writer: asyncio.StreamWriter, status: int, headers: dict[str, str], content: AsyncIterator[bytes]
) -> None:
    lines = [f"HTTP/1.1 {status} Said", "transfer-encoding: chunked", *(f"{k}: {v}" for k, v in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with aclosing(content) as parts:  # type: ignore[type-var]
        async for part in parts:
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
    writer.write(b"0\r\n\r\n")


async def _while_listening(reader: asyncio.StreamReader, sending: Any) -> None:
    """Send for as long as the client stays. Raises ConnectionResetError when it has gone."""
    send = asyncio.ensure_future(sending)
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({send, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        send.cancel() if not send.done() else None
        results = await asyncio.gather(send, gone, return_exceptions=True)
    if isinstance(results[0], BaseException) or not isinstance(results[1], asyncio.CancelledError):
        raise ConnectionResetError
