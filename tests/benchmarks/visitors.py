"""Many people at once, without browsers: who ask as the chat page does, over the API, or the model itself."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.benchmarks.talker import OPENING

QUESTION = "How many days of annual leave can I carry over, and until when?"
_FIRST = re.compile(OPENING.encode() + rb"(\d+)")
Ask = Callable[[], Awaitable[float]]
"""Asks once and reads to the end; returns the seconds until the first word."""


@dataclass(slots=True)
class Crowd:
    """So many who ask the same: seconds to the first word, all begun together, and one after the other in turns."""

    name: str
    asks: Sequence[Ask]
    together: list[float] = field(default_factory=list)
    in_turns: list[float] = field(default_factory=list)

    async def round(self, answers: int) -> None:
        """All at once, and then each for itself: so many answers, a breath after each."""
        self.together += await asyncio.gather(*(ask() for ask in self.asks))
        for found in await asyncio.gather(*(self._on_their_own(ask, answers) for ask in self.asks)):
            self.in_turns += found

    async def _on_their_own(self, ask: Ask, answers: int) -> list[float]:
        found = []
        for _ in range(answers):
            await asyncio.sleep(4 * random.random())
            found.append(await ask())
        return found


async def read(url: str, body: Any = None) -> AsyncGenerator[bytes]:
    """What comes back, as it comes, by a plain reader of the socket that costs next to nothing."""
    at = httpx.URL(url)
    payload = httpx.Request("POST", url, json=body).content if body is not None else b""
    head = [
        f"{'POST' if payload else 'GET'} {at.raw_path.decode()} HTTP/1.1",
        f"host: {at.netloc.decode()}",
        "connection: close",
    ]
    if payload:
        head += ["content-type: application/json", f"content-length: {len(payload)}"]
    reader, writer = await asyncio.open_connection(at.host, at.port, limit=1 << 20)
    try:
        writer.write("\r\n".join([*head, "", ""]).encode() + payload)
        while data := await reader.read(1 << 20):
            yield data
    finally:
        writer.close()


async def first_word(pieces: AsyncGenerator[bytes], end: bytes, began: float, after: int = 0) -> tuple[float, int]:
    """Seconds until the first word of an answer with a number above ``after``, read to the end; and that number."""
    seconds, number, kept = 0.0, 0, b""
    async with aclosing(pieces):
        async for piece in pieces:
            kept = kept[-100:] + piece
            if not number and (found := max((int(each) for each in _FIRST.findall(kept)), default=0)) > after:
                seconds, number = time.perf_counter() - began, found
            if end in kept:
                break
    if not number:
        raise SystemExit(f"no answer: {kept[-600:]!r}")
    return seconds, number


def directly(model: str) -> Ask:
    """Asks the model itself."""
    body = {"model": "words", "stream": True, "messages": [{"role": "user", "content": QUESTION}]}

    async def ask() -> float:
        began = time.perf_counter()
        return (await first_word(read(f"{model}/v1/chat/completions", body), b"[DONE]", began))[0]

    return ask


def over_api(url: str) -> Ask:
    """Asks over ``POST /api/v1/chat``, a new conversation each time."""

    async def ask() -> float:
        began = time.perf_counter()
        return (await first_word(read(f"{url}/api/v1/chat", {"message": QUESTION}), b"event: finished", began))[0]

    return ask


class Visitor:
    """Asks as the page does, through Gradio's queue, in one conversation or, where that is empty, in new ones.
    ``after`` is the number of the newest answer in it."""

    def __init__(self, url: str, config: dict[str, Any], person: str, conversation: str, after: int) -> None:
        self._api = f"{url}/gradio_api"
        named = {each["props"].get("elem_id"): each["id"] for each in config["components"]}
        self._box = named["box"]
        submits = [each for each in config["dependencies"] if [self._box, "submit"] in each["targets"]]
        self._respond = next(each["id"] for each in submits if named["chat"] in each["outputs"])
        self._kept = [person, conversation]
        self._after = after
        self._session = person[-12:]

    async def ask(self) -> float:
        """Seconds until the first word."""
        body = {
            "data": [QUESTION, "auto", None, self._kept], "fn_index": self._respond, "event_data": None,
            "trigger_id": self._box, "session_hash": self._session,
        }  # fmt: skip
        began = time.perf_counter()
        async with aclosing(read(f"{self._api}/queue/join", body)) as joined:
            async for piece in joined:
                if b"event_id" in piece:
                    break
        answer = read(f"{self._api}/queue/data?session_hash={self._session}")
        seconds, self._after = await first_word(answer, b'"process_completed"', began, self._after)
        return seconds
