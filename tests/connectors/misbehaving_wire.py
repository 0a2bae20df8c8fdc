"""How the misbehaving server answers one request, byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.connectors.openai_frames import MODEL, answer_frames, without_words

RETRY_AFTER = 0.05
"""Seconds that ``limited`` asks to wait."""
_STATUS: dict[str, tuple[int, dict[str, Any]]] = {
    "unauthorised": (401, {"message": "Incorrect API key provided: {key}", "code": "invalid_api_key"}),
    "forbidden": (403, {"message": "Project does not have access to model", "code": "model_not_found"}),
    "missing": (404, {"message": "The model does not exist", "code": "model_not_found"}),
    "limited": (429, {"message": "Rate limit reached", "code": "rate_limit_exceeded"}),
    "quota": (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}),
    "too_long": (400, {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}),
    "filtered": (400, {"message": "The response was filtered", "code": "content_filter"}),
    "refused": (400, {"message": "Invalid value for {key}", "code": "invalid_value"}),
    "broken": (500, {"message": "The server had an error", "type": "server_error"}),
    "overloaded": (503, {"message": "The engine is overloaded", "type": "server_error"}),
}


@dataclass(slots=True)
class Wire:
    """One request being answered. ``lasts`` says that the connection can carry another."""

    answer: str
    fault: str
    path: str
    key: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    lasts: bool = False

    # -- pieces ---------------------------------------------------------------------------------------------------

    def head(self, status: int, kind: str, *extra: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", *extra, "", ""]
        self.writer.write("\r\n".join(lines).encode())

    def opens(self) -> None:
        self.head(200, "text/event-stream; charset=utf-8", "transfer-encoding: chunked")

    def chunk(self, data: bytes) -> None:
        self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def closes(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        self.lasts = True

    def frames(self) -> list[bytes]:
        """The whole answer, an event each."""
        return answer_frames(self.path, self.answer)

    @property
    def done(self) -> list[bytes]:
        return [] if self.path == "responses" else [b"data: [DONE]\n\n"]

    async def for_ever(self, piece: bytes) -> None:
        while not self.reader.at_eof():
            self.chunk(piece)
            await self.writer.drain()
            await asyncio.sleep(0.01)

    # -- behaviours -----------------------------------------------------------------------------------------------

    async def streams(self) -> None:
        """Everything that opens a stream and goes wrong inside it, or not at all."""
        frames = self.frames()
        half = len(frames) // 2
        self.opens()
        if self.fault == "well":
            for frame in frames + self.done:
                self.chunk(frame)
                await self.writer.drain()
        elif self.fault == "drips":
            for byte in b"".join(frames + self.done):
                self.chunk(bytes([byte]))
                await self.writer.drain()
                await asyncio.sleep(0)
        elif self.fault == "splits_utf8":
            whole = b"".join(frames + self.done)
            cuts = [at for at, byte in enumerate(whole) if byte & 0xC0 == 0x80]
            for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
                self.chunk(whole[start:end])
                await self.writer.drain()
                await asyncio.sleep(0.001)
        elif self.fault == "crlf_and_comments":
            self.chunk(b": hello\r\n\r\n" + b": ping\r\n\r\n".join(f.replace(b"\n", b"\r\n") for f in frames))
        else:
            for piece in frames[:half] + self.after(half):
                self.chunk(piece)
        self.closes()

    def after(self, half: int) -> list[bytes]:
        """What follows half of an answer."""
        code = "content_filter" if self.fault == "filtered_midway" else "server_error"
        error = {"message": f"It broke for {self.key}", "type": "server_error", "code": code}
        return {
            "ends_early": [],
            "malformed_midway": [b'data: {"choices": [\n\n'],
            "error_midway": [b"data: " + json.dumps({"error": error}).encode() + b"\n\n"],
            "filtered_midway": [b"data: " + json.dumps({"error": error}).encode() + b"\n\n"],
        }[self.fault]

    async def odd(self) -> None:
        """A stream in which nothing is as it should be."""
        error = {"error": {"message": f"It broke for {self.key}", "code": 500}}
        self.opens()
        self.chunk(
            {
                "malformed": b"data: {not json\n\n",
                "bad_utf8": b'data: {"x": "\xff\xfe"}\n\n',
                "other_json": b'data: ["surprise"]\n\n',
                "empty": b"\n\n\n",
                "only_done": b"data: [DONE]\n\n",
                "error_first": b"data: " + json.dumps(error).encode() + b"\n\n",
            }[self.fault]
        )
        self.closes()

    async def says_nothing(self) -> None:
        """An answer that ends properly, without a word."""
        self.opens()
        for frame in without_words(self.frames()) + self.done:
            self.chunk(frame)
        self.closes()

    def lists(self) -> None:
        self.body(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": 4096}]})

    def body(self, status: int, data: dict[str, Any], *extra: str) -> None:
        sent = json.dumps(data).encode()
        self.head(status, "application/json", f"content-length: {len(sent)}", *extra)
        self.writer.write(sent)
        self.lasts = True

    async def refuses(self) -> None:
        status, error = _STATUS[self.fault]
        said = error["message"].replace("{key}", self.key.removeprefix("Bearer "))
        pause = [f"retry-after: {RETRY_AFTER}"] if self.fault == "limited" else []
        self.body(status, {"error": error | {"message": said}}, *pause)

    async def page(self) -> None:
        sent = b"<!doctype html>\n<title>Router login</title>\n<p>data: please sign in</p>\n"
        self.head(200, "text/html", f"content-length: {len(sent)}")
        self.writer.write(sent)

    async def hangs_up(self) -> None:
        self.writer.close()

    async def resets(self) -> None:
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
        self.writer.transport.abort()

    async def not_http(self) -> None:
        self.writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    async def silent(self) -> None:
        await self.reader.read()

    async def silent_after_headers(self) -> None:
        self.opens()
        await self.silent()

    async def silent_midway(self) -> None:
        self.opens()
        self.chunk(b"".join(self.frames()[:4]))
        await self.silent()

    async def cut(self) -> None:
        self.opens()
        self.chunk(b"".join(self.frames()[:4]))

    async def comments_for_ever(self) -> None:
        self.opens()
        await self.for_ever(b": still here\n\n")

    async def chatters(self) -> None:
        self.opens()
        frames = self.frames()
        self.chunk(b"".join(frames[:2]))
        await self.for_ever(frames[2])


EVERYWHERE = {*_STATUS, "page", "hangs_up", "resets", "not_http", "silent"}
"""The faults that the list of models has too."""
BEHAVIOUR: dict[str, Callable[[Wire], Awaitable[None]]] = {
    **dict.fromkeys(_STATUS, Wire.refuses),
    **dict.fromkeys(("malformed", "bad_utf8", "other_json", "empty", "only_done", "error_first"), Wire.odd),
    "wordless": Wire.says_nothing,
    **{
        name: getattr(Wire, name)
        for name in (
            "page",
            "hangs_up",
            "resets",
            "not_http",
            "silent",
            "silent_after_headers",
            "silent_midway",
            "cut",
            "comments_for_ever",
            "chatters",
        )
    },
}
