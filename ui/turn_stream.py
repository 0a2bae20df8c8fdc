"""Turns as they run, as server-sent events; the one way in which every entrance streams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from assistant.conversation.service import ChatService
from assistant.conversation.turn import Turn
from assistant.conversation.wire import encode
from assistant.records.stored import StoredTurn
from ui.aside import aside
from ui.encode import sse

log = logging.getLogger(__name__)
STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent: proxies cut a stream that is silent for a minute or less."""
STOPPED = "The answer was stopped before its end."
Wire = Mapping[str, Any]
Renderer = Callable[[Wire], Iterable[Wire]]
"""What comes after an event for whoever shows it: events of its own, none for most."""
ENDS = ("finished", "failed")
LONG = 1_000
"""Characters of a piece of text that is shown away from the event loop, as every whole answer is."""


class EventStream(StreamingResponse):
    """Server-sent events, with a comment wherever they are silent for long. ``after`` is called when the stream is
    over, also where nobody has read any of it."""

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncIterator[str],
        headers: Mapping[str, str] | None = None,
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(frames, headers={**STREAM, **(headers or {})})
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As its base does it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._after is not None:
                await self._after()

    async def stream_response(self, send: Send) -> None:
        """As its base does it, with a second task beside that wakes up when it is silent: one for each event would cost
        more than the events do, and would run the turn in many tasks."""
        clock = asyncio.get_running_loop().time
        last = clock()

        async def sent(message: Message) -> None:
            nonlocal last
            last = clock()
            await send(message)

        async def wake() -> None:
            with suppress(OSError):  # nobody reads any more: the stream itself will find out
                while True:
                    await asyncio.sleep(last + KEEP_ALIVE - clock())
                    if clock() - last >= KEEP_ALIVE:
                        await sent({"type": "http.response.body", "body": b": keep-alive\n\n", "more_body": True})

        waking = asyncio.create_task(wake())
        try:
            await super().stream_response(sent)
        finally:
            waking.cancel()
            await asyncio.wait([waking])


def streamed(
    service: ChatService, turn: Turn, render: Renderer | None = None, beside: Awaitable[None] | None = None
) -> EventStream:
    """The events of a prepared turn, each followed by what ``render`` makes of it. Whoever closes the connection stops
    the turn. ``beside`` is over before the last event is sent."""
    begun = False

    async def frames() -> AsyncGenerator[str]:
        nonlocal begun
        begun = True
        async with aclosing(service.run(turn)) as events:
            async for event in events:
                wire = encode(event)
                if beside is not None and wire["type"] in ENDS:
                    await beside
                async for each in _shown(wire, render):
                    yield sse(each)

    made = frames()

    async def over() -> None:
        await made.aclose()
        if not begun:
            await service.drop(turn)
        if beside is not None:
            await beside

    return EventStream(made, after=over)


def replayed(turn: StoredTurn, render: Renderer | None = None, headers: Mapping[str, str] | None = None) -> EventStream:
    """The events of a turn that has ended, from the records; its text comes in one piece."""

    async def frames() -> AsyncGenerator[str]:
        for event in recorded(turn):
            async for each in _shown(event, render):
                yield sse(each)

    return EventStream(frames(), headers)


def recorded(turn: StoredTurn) -> Iterator[Wire]:
    """The events of a turn as they were recorded. One that was stopped ends as failed: a stream has an end."""
    yield from filter(None, (turn.routed, turn.retrieved))
    if turn.answer:
        yield {"type": "text_delta", "text": turn.answer}
    if turn.checked:
        yield turn.checked
    yield turn.ended or {"type": "failed", "code": "stopped", "message": STOPPED, "partial": turn.answer}


async def _shown(event: Wire, render: Renderer | None) -> AsyncIterator[Wire]:
    yield event
    if render is None:
        return
    if event["type"] in ENDS or len(event.get("text", "")) > LONG:
        for each in await aside(lambda: list(render(event))):
            yield each
        return
    for each in render(event):
        yield each
