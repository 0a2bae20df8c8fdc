"""A turn as it runs, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from fastapi.responses import StreamingResponse

from assistant.conversation.service import ChatService
from assistant.conversation.turn import Turn
from assistant.conversation.wire import encode
from ui.encode import sse
from ui.machine_api import STREAM


def streamed(service: ChatService, turn: Turn) -> StreamingResponse:
    """The events of a prepared turn. Whoever closes the connection stops it."""

    async def frames() -> AsyncIterator[str]:
        async with aclosing(service.run(turn)) as events:
            async for event in events:
                yield sse(encode(event))

    return StreamingResponse(frames(), media_type="text/event-stream", headers=STREAM)
