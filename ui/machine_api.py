"""The routes that commands on the server's own machine use, with the token that only its user can read."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from assistant.app import Assistant
from assistant.knowledge.happenings import Happening, Mistake, NotDone, Tell, encode
from assistant.knowledge.store import StoreError, StoreUnavailable
from assistant.telemetry import CONTENT_TYPE
from ui.encode import sse

log = logging.getLogger(__name__)
STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
Work = Callable[[Tell], Awaitable[None]]


class IngestBody(BaseModel):
    """Files and folders on the server's machine, and web addresses, into a collection."""

    paths: list[str] = Field(min_length=1)
    collection: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    force: bool = False


class SyncBody(BaseModel):
    """Which sources: those of some collections, of one, or some by id, location or label; else all."""

    collections: list[str] | None = None
    collection: str | None = None
    source: list[str] = []
    force: bool = False
    engine: str = "local"


class RemoveBody(BaseModel):
    """One source, by its id, location or label."""

    collection: str
    source: list[str] = Field(min_length=1)


class ForceBody(BaseModel):
    """Whether to switch to an index that lacks what the present one holds."""

    force: bool = False


class Token:
    """Checks that a request shows the token."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def __call__(self, authorization: Annotated[str, Header()] = "") -> None:
        """Raises HTTPException."""
        if not hmac.compare_digest(authorization.encode(), self._expected):
            raise HTTPException(401, "This needs the token in server.json in the data folder.")


def add_machine_routes(app: FastAPI, assistant: Assistant, token: Token) -> None:
    """Add them; each answers with JSON, or with what happens as server-sent events, then done or failed."""
    guarded: dict[str, Any] = {"dependencies": [Depends(token)]}

    @app.get("/metrics", dependencies=[] if assistant.settings.server.metrics else [Depends(token)])
    async def metrics() -> Response:
        return Response(assistant.metrics.text(), media_type=CONTENT_TYPE)

    @app.post("/api/v1/ingest", **guarded)
    async def ingest(body: IngestBody) -> StreamingResponse:
        return await _stream(lambda tell: assistant.ingest(body.paths, body.collection, tell, force=body.force))

    @app.get("/api/v1/sources", **guarded)
    async def sources() -> dict[str, Any]:
        return await assistant.list_sources()

    @app.post("/api/v1/sources/sync", **guarded)
    async def sync(body: SyncBody) -> StreamingResponse:
        return await _stream(lambda tell: assistant.sync(tell, **body.model_dump()))

    @app.post("/api/v1/sources/remove", **guarded)
    async def remove_source(body: RemoveBody) -> dict[str, Any]:
        try:
            removed = await assistant.collections.remove(body.collection, body.source)
        except Mistake as error:
            raise HTTPException(422, str(error)) from error
        return {"label": removed.label, "documents": removed.documents}

    @app.get("/api/v1/collections", **guarded)
    async def collections() -> dict[str, Any]:
        return await assistant.list_collections()

    @app.delete("/api/v1/collections/{name}", **guarded)
    async def remove(name: str) -> dict[str, Any]:
        return {"removed": await assistant.collections.drop(name)}

    @app.post("/api/v1/collections/rebuild", **guarded)
    async def rebuild(body: ForceBody) -> StreamingResponse:
        return await _stream(lambda tell: assistant.rebuild(tell, force=body.force))

    @app.post("/api/v1/collections/rollback", **guarded)
    async def rollback() -> StreamingResponse:
        return await _stream(assistant.roll_back)


async def _stream(work: Work) -> StreamingResponse:
    """What happens while the work is done. Whoever closes the connection stops the work."""
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

    return StreamingResponse(frames(), media_type="text/event-stream", headers=STREAM)
