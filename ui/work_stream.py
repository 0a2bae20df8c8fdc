"""Work on the collections as it happens, as server-sent events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from assistant.knowledge.happenings import Happening, Mistake, NotDone, Tell, encode
from assistant.knowledge.store import StoreError, StoreUnavailable
from ui.encode import sse
from ui.turn_stream import EventStream

log = logging.getLogger(__name__)
Work = Callable[[Tell], Awaitable[None]]


def worked(work: Work) -> EventStream:
    """What happens while the work is done, then done or failed. Whoever closes the connection stops the work."""
    queue: asyncio.Queue[Happening | None] = asyncio.Queue()

    async def run() -> None:
        try:
            await work(queue.put_nowait)
        finally:
            queue.put_nowait(None)

    async def frames() -> AsyncIterator[str]:
        task = asyncio.create_task(run())
        try:
            while (happening := await queue.get()) is not None:
                yield sse(encode(happening))
            await task
            yield sse({"type": "done"})
        except (Mistake, NotDone, StoreError) as error:
            mistake = not isinstance(error, NotDone | StoreUnavailable)
            yield sse({"type": "failed", "message": str(error), "mistake": mistake})
        except Exception:  # the stream has begun: whatever happened can only be told in it
            log.exception("work on the collections failed")
            text = "something unexpected happened; the server's log has it"
            yield sse({"type": "failed", "message": text, "mistake": False})
        finally:
            task.cancel()

    return EventStream(frames())
