"""A server in the test's own process for the interfaces that programs use, with people whom the test names: so that its
model can be a scripted one, and a stream can be watched from both ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from assistant.access.identity import Denied, Identity
from assistant.app import Assistant
from tests.serving import free_port
from ui.mcp_door import mount_mcp
from ui.openai_api import add_openai_routes
from ui.security import Harden

ANYBODY = Identity("api")


class Quiet(uvicorn.Server):
    """Leaves the signals of the test's process alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Known:
    """Stands where the front door does: names whoever shows a token of these, and whoever shows none."""

    def __init__(self, app: FastAPI, people: Mapping[str, Identity]) -> None:
        self._app = app
        self._people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            shown = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
            scope.setdefault("state", {})["identity"] = self._people.get(shown)
            scope["state"]["nobody"] = self._nobody
        await self._app(scope, receive, send)

    def _nobody(self) -> Identity:
        if "" not in self._people:
            raise Denied(401, "sign_in", "This needs a credential.")
        return self._people[""]


@asynccontextmanager
async def serving(assistant: Assistant, people: Mapping[str, Identity] | None = None) -> AsyncIterator[str]:
    """Serve ``/v1`` and ``/mcp`` of an open assistant; ``people`` are by token, ``""`` is whoever shows none."""
    app = FastAPI(openapi_url=None)
    add_openai_routes(app, assistant)
    mount_mcp(app, assistant)
    app.add_middleware(Harden)
    known = Known(app, {"": ANYBODY, "none": ANYBODY} if people is None else people)
    port = free_port()
    server = Quiet(uvicorn.Config(known, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done(), "the server ended"
            await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task
