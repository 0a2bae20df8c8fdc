"""A turn on its way to a client of OpenAI's: whole or as a stream, and stopped as soon as the client leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Self

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assistant.conversation.events import Event, Failed, Finished, TextDelta
from ui.openai_answers import Chunks, Heard, broken, completion
from ui.openai_errors import failed_response, failure
from ui.turn_stream import KEEP_ALIVE, STREAM


class TurnResponse(Response):
    """Answers with the events of a turn that has not begun. Nothing is sent before the first word, unless that is long
    in coming: a turn that fails until then is answered with a status that says so. ``turn`` is its id."""

    def __init__(self, events: AsyncGenerator[Event], turn: str, model: str, *, stream: bool, usage: bool) -> None:
        super().__init__()
        self._events = events
        self._identity = f"chatcmpl-{turn.replace('-', '')}"
        self._created = int(time.time())
        self._model = model
        self._stream = stream
        self._usage = usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tell = self._told if self._stream else self._whole
        telling = asyncio.ensure_future(tell(scope, receive, send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told = telling.done()
            telling.cancel()
            leaving.cancel()
            await asyncio.gather(telling, leaving, return_exceptions=True)
        if told:
            telling.result()

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        heard, answer = Heard(), None
        async with aclosing(self._events) as events:
            async for event in events:
                if isinstance(event, Finished):
                    body = completion(self._identity, self._created, self._model, heard, event)
                    answer = Response(body, media_type="application/json")
                elif isinstance(event, Failed):
                    answer = failed_response(event)
                elif not isinstance(event, TextDelta):
                    heard.take(event)
        assert answer is not None, "every turn ends with finished or failed"
        await answer(scope, receive, send)

    async def _told(self, scope: Scope, receive: Receive, send: Send) -> None:
        chunks = Chunks(self._identity, self._created, self._model, self._usage)
        heard, line, spoken = Heard(), _Line(send), False
        async with line, aclosing(self._events) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    piece = chunks.text(event.text)
                elif isinstance(event, Finished):
                    piece = chunks.last(heard, event)
                elif isinstance(event, Failed) and line.begun:
                    piece = broken(failure(event)[1])
                elif isinstance(event, Failed):
                    await failed_response(event)(scope, receive, send)
                    return
                else:
                    heard.take(event)
                    continue
                if not spoken and heard.routed is not None:
                    spoken, piece = True, chunks.first(heard) + piece
                await line.say(piece)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Line:
    """The body of a stream. It begins with the first piece that is said, or with a comment after ``KEEP_ALIVE`` seconds
    of silence, and whenever it is silent for as long again: proxies cut what is."""

    def __init__(self, send: Send) -> None:
        self.begun = False
        self._send = send
        self._clock = asyncio.get_running_loop().time
        self._last = self._clock()

    async def say(self, piece: bytes) -> None:
        if not self.begun:
            self.begun = True
            # A list of its own: what stands before the app adds to it.
            await self._send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
        self._last = self._clock()
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def __aenter__(self) -> Self:
        self._waking = asyncio.create_task(self._wake())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._waking.cancel()
        await asyncio.wait([self._waking])

    async def _wake(self) -> None:
        with suppress(OSError):  # nobody reads any more: the turn itself will find out
            while True:
                await asyncio.sleep(self._last + KEEP_ALIVE - self._clock())
                if self._clock() - self._last >= KEEP_ALIVE:
                    await self.say(b": keep-alive\n\n")


_HEADERS = tuple(
    (name.lower().encode("ascii"), value.encode("ascii"))
    for name, value in {"Content-Type": "text/event-stream; charset=utf-8", **STREAM}.items()
)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
