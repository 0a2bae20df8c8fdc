"""A fast OpenAI-compatible server on loopback: what stands in for a provider where something else is measured.

``python -m tests.benchmarks.upstream --port 8100 --chunks 500`` answers every chat completion with so many pieces of
one word each, then usage, and waits for nothing. ``POST /chunks/20`` changes how many, for those that begin from then
on. Plain asyncio in one process, ten times as fast as the openai SDK reads: whoever asks is the slower one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.serving import environment, free_port

STARTING_SECONDS = 120
WORDS = ("who ", "was ", "with ", "wool ", "went ", "west ", "when ", "winds ")
"""The pieces, in turn: LiteLLM takes a stream for broken that says the same again and again. All begin alike, so that
who counts them knows them."""
_REQUEST = re.compile(rb"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/1\.1\r\n(?P<headers>.*?)\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_STREAMED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_END = b"0\r\n\r\n"


def frame(data: str) -> bytes:
    """A server-sent event as a piece of a chunked body."""
    body = f"data: {data}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(body), body)


def completion(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    """A chunk of a chat completion as OpenAI sends it."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "words"}
    return frame(json.dumps(head | {"choices": choices, "usage": usage}, separators=(",", ":")))


def choice(delta: dict[str, str], finish: str | None = None) -> list[dict[str, Any]]:
    """The one choice of a chunk."""
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]


FIRST = completion(choice({"role": "assistant", "content": ""}))
PIECES = [completion(choice({"content": word})) for word in WORDS]
LAST = completion(choice({}, "stop"))


def closing(chunks: int) -> bytes:
    """What ends a stream of so many pieces."""
    usage = {"prompt_tokens": 100, "completion_tokens": chunks, "total_tokens": 100 + chunks}
    return LAST + completion([], usage) + frame("[DONE]") + _END


def plain(body: str) -> bytes:
    """A whole answer of JSON."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body.encode(),
    )


class Upstream(asyncio.Protocol):
    """One connection, one request after another. ``answering`` are the streams that run, of all connections."""

    chunks = 500
    answering: set[asyncio.Task[None]] = set()  # noqa: RUF012 - shared on purpose

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._received = b""
        self._may_write = asyncio.Event()
        self._may_write.set()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_lost(self, _: Exception | None) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._received += data
        found = _REQUEST.match(self._received)
        if found is None:
            return
        length = _LENGTH.search(found["headers"])
        end = found.end() + (int(length[1]) if length else 0)
        if len(self._received) >= end:
            self._received = self._received[end:]
            self._answer(found["path"].decode())

    def _answer(self, path: str) -> None:
        if path.endswith("/chat/completions"):
            task = asyncio.ensure_future(self._stream(Upstream.chunks))
            self.answering.add(task)
            task.add_done_callback(self.answering.discard)
            return
        if path.startswith("/chunks/"):
            Upstream.chunks = int(path.rpartition("/")[2])
        self._transport.write(plain('{"object":"list","data":[{"id":"words","object":"model"}]}'))

    async def _stream(self, chunks: int) -> None:
        """One write a piece, and everybody's turn after each."""
        self._transport.write(_STREAMED + FIRST)
        for number in range(chunks):
            await asyncio.sleep(0)
            await self._may_write.wait()
            if self._transport.is_closing():
                return
            self._transport.write(PIECES[number % len(PIECES)])
        self._transport.write(closing(chunks))


async def serve(port: int, chunks: int) -> None:
    """Answer until stopped."""
    Upstream.chunks = chunks
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


@contextmanager
def process(name: str, command: Sequence[str], ready: str, folder: Path, **more: str) -> Iterator[None]:
    """Run a server until the block ends; it is ready when this address answers."""
    log = folder / f"{name}.log"
    with log.open("w") as file:
        running = subprocess.Popen(command, cwd=folder, env=environment(**more), stdout=file, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + STARTING_SECONDS
        while not answers(ready):
            if running.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{name} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield
    finally:
        running.terminate()
        try:
            running.wait(timeout=20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def answers(url: str) -> bool:
    """Whether a server is there and well."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def upstream(folder: Path) -> Iterator[str]:
    """Its address; it runs in a process of its own until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.benchmarks.upstream", "--port", str(port)]
    with process("upstream", command, f"{url}/v1/models", folder):
        yield url


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chunks", type=int, default=500, help="pieces of an answer")
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.port, arguments.chunks))
