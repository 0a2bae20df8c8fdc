"""A provider of chat models that a test controls, in the dialects that connectors speak: over httpx2's mock transport,
or as a real server on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx2

Heard = list[tuple[str, str]]
Answering = Callable[[Heard], Sequence[str]]
LISTED = ("m-1", "m-2")
KEY = "sk-planted-secret-0123456789"


class Dialect:
    """How one kind of provider puts things on the wire."""

    refusals: ClassVar[dict[str, tuple[int, dict[str, Any]]]]

    def begin(self) -> Iterator[str]:
        """What comes before the first piece."""
        return iter(())

    def piece(self, text: str) -> str:
        """One piece of the answer."""
        raise NotImplementedError

    def end(self, finish: str) -> Iterator[str]:
        """What comes after the last piece: why it ended, and 7 tokens in, 3 of them cached, 5 out."""
        raise NotImplementedError

    def broken(self) -> str:
        """An error in the middle of a stream."""
        raise NotImplementedError

    def heard(self, body: dict[str, Any]) -> Heard:
        """The messages of a request, as (role, text)."""
        return [(each["role"], each["content"]) for each in body["messages"]]

    def limit(self, body: dict[str, Any]) -> int | None:
        """The most tokens that the answer may have."""
        found: int | None = body.get("max_tokens", body.get("max_completion_tokens"))
        return found

    def listing(self) -> dict[str, Any]:
        return {"object": "list", "data": [{"id": name, "object": "model", "created": 1} for name in LISTED]}


def _sse(body: dict[str, Any]) -> str:
    name = f"event: {body['type']}\n" if "type" in body else ""
    return f"{name}data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _openai_refusals() -> dict[str, tuple[int, dict[str, Any]]]:
    said = f"no, not with {KEY}"
    rows = {
        "authentication": (401, "invalid_api_key"),
        "permission": (403, None),
        "rate_limit": (429, "rate_limit_exceeded"),
        "quota": (429, "insufficient_quota"),
        "context": (400, "context_length_exceeded"),
        "filter": (400, "content_filter"),
        "bad_request": (400, None),
        "no_model": (404, "model_not_found"),
        "down": (503, None),
    }
    return {
        fault: (status, {"error": {"message": said, "code": code, "type": None}})
        for fault, (status, code) in rows.items()
    }


class OpenAIChat(Dialect):
    refusals = _openai_refusals()

    def _chunk(self, delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> str:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return _sse(
            {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": choices} | more
        )

    def piece(self, text: str) -> str:
        return self._chunk({"content": text})

    def end(self, finish: str) -> Iterator[str]:
        yield self._chunk({}, {"filter": "content_filter"}.get(finish, finish))
        details = {"prompt_tokens_details": {"cached_tokens": 3}}
        yield self._chunk(None, usage={"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12} | details)
        yield "data: [DONE]\n\n"

    def broken(self) -> str:
        return 'data: {"error": {"message": "the server had an error", "type": "server_error", "code": null}}\n\n'


class OpenAIResponses(Dialect):
    refusals = _openai_refusals()

    def __init__(self) -> None:
        self._number = 0

    def _event(self, kind: str, **facts: Any) -> str:
        self._number += 1
        return _sse({"type": kind, "sequence_number": self._number} | facts)

    def _response(self, status: str, **facts: Any) -> dict[str, Any]:
        fixed = {"id": "r", "object": "response", "created_at": 1, "model": "m-1", "output": [], "tools": []}
        unset = {"parallel_tool_calls": True, "tool_choice": "auto", "error": None, "incomplete_details": None}
        return fixed | unset | {"status": status} | facts

    def begin(self) -> Iterator[str]:
        yield self._event("response.created", response=self._response("in_progress"))

    def piece(self, text: str) -> str:
        place = {"item_id": "i", "output_index": 0, "content_index": 0, "logprobs": []}
        return self._event("response.output_text.delta", delta=text, **place)

    def end(self, finish: str) -> Iterator[str]:
        counted = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
        details = {"input_tokens_details": {"cached_tokens": 3}, "output_tokens_details": {"reasoning_tokens": 0}}
        facts: dict[str, Any] = {"usage": counted | details}
        if finish == "stop":
            yield self._event("response.completed", response=self._response("completed", **facts))
        else:
            reason = {"length": "max_output_tokens", "filter": "content_filter"}[finish]
            facts["incomplete_details"] = {"reason": reason}
            yield self._event("response.incomplete", response=self._response("incomplete", **facts))

    def broken(self) -> str:
        return self._event("error", code="server_error", message="the server had an error", param=None)

    def heard(self, body: dict[str, Any]) -> Heard:
        told = [("system", body["instructions"])] if body.get("instructions") else []
        return told + [(each["role"], _joined(each["content"])) for each in body["input"]]

    def limit(self, body: dict[str, Any]) -> int | None:
        found: int | None = body.get("max_output_tokens")
        return found


class Anthropic(Dialect):
    refusals: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {
        fault: (status, {"type": "error", "error": {"type": kind, "message": said}})
        for fault, status, kind, said in (
            ("authentication", 401, "authentication_error", f"invalid x-api-key {KEY}"),
            ("permission", 403, "permission_error", "your key may not use this model"),
            ("rate_limit", 429, "rate_limit_error", "too many tokens a minute"),
            ("quota", 400, "invalid_request_error", "Your credit balance is too low to access the API"),
            ("context", 400, "invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"),
            ("bad_request", 400, "invalid_request_error", f"messages: bad, with {KEY}"),
            ("no_model", 404, "not_found_error", "model: m-1"),
            ("down", 529, "overloaded_error", "Overloaded"),
        )
    }

    def begin(self) -> Iterator[str]:
        message = {"id": "m", "type": "message", "role": "assistant", "model": "m-1", "content": []}
        counted = {"input_tokens": 4, "output_tokens": 1, "cache_read_input_tokens": 3}
        ends = {"stop_reason": None, "stop_sequence": None}
        yield _sse({"type": "message_start", "message": message | ends | {"usage": counted}})
        yield _sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})

    def piece(self, text: str) -> str:
        return _sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})

    def end(self, finish: str) -> Iterator[str]:
        reason = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal"}[finish]
        counted = {"input_tokens": 4, "output_tokens": 5, "cache_read_input_tokens": 3}
        yield _sse({"type": "content_block_stop", "index": 0})
        ends = {"stop_reason": reason, "stop_sequence": None}
        yield _sse({"type": "message_delta", "delta": ends, "usage": counted})
        yield _sse({"type": "message_stop"})

    def broken(self) -> str:
        return _sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})

    def heard(self, body: dict[str, Any]) -> Heard:
        told = [("system", _joined(body["system"]))] if body.get("system") else []
        return told + [(each["role"], _joined(each["content"])) for each in body["messages"]]

    def listing(self) -> dict[str, Any]:
        rows = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in LISTED
        ]
        return {"data": rows, "has_more": False, "first_id": LISTED[0], "last_id": LISTED[-1]}


def _joined(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


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
    working: int = 0
    connections: int = 0

    def respond(self, method: str, body: bytes) -> tuple[int, dict[str, str], AsyncIterator[bytes]]:
        """Status, headers and body of the response to a request."""
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
