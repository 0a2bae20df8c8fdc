"""A request's body: at most so many bytes, and not dripping in."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Send

SECONDS = 20.0
"""That a body may take, beside what its size takes at ``SLOWEST``."""
SLOWEST = 10_000.0
"""Bytes a second: a telephone with a bad connection is faster."""


def has_body(headers: Headers) -> bool:
    """Whether a request brings one."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class Body:
    """A body that keeps within its bounds, and the answer to it. Beyond them it ends as if the caller had gone, and
    ``refused`` says what was wrong; what the app answers to that is dropped."""

    def __init__(self, receive: Receive, send: Send, most: int, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._most = most
        self._until = time.monotonic() + seconds
        self._seen = 0
        self._whole = self._begun = False
        self._broken: tuple[int, str, str] | None = None

    @property
    def refused(self) -> tuple[int, str, str] | None:
        """Status, code and message that are left to be sent; None where the app has answered."""
        return None if self._begun else self._broken

    async def receive(self) -> Message:
        """Takes the place of the server's own."""
        if self._whole:
            return await self._receive()
        if self._broken is not None:
            return {"type": "http.disconnect"}
        try:
            async with asyncio.timeout(self._until + self._seen / SLOWEST - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            return self._break(408, "too_slow", "The request did not arrive in time.")
        self._seen += len(message.get("body", b""))
        if self._seen > self._most:
            return self._break(413, "too_large", f"The request is larger than {self._most / 1_000_000:.0f} MB.")
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Takes the place of the server's own."""
        if self._begun or self._broken is None:
            self._begun = True
            await self._send(message)

    def _break(self, status: int, code: str, message: str) -> Message:
        self._broken = status, code, message
        return {"type": "http.disconnect"}
