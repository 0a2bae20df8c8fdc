"""``/mcp``: who may come in. What answers there is loaded with the first request, since few servers get any."""

from __future__ import annotations

import asyncio
from importlib import import_module

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.access.identity import Denied
from assistant.app import Assistant
from ui.identity import identity
from ui.refusals import deny, refuse

PATH = "/mcp"


class _Door:
    """Lets in whom the front door knows."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._behind: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":  # GET and DELETE are for sessions
            await refuse(scope, send, 405, "not_allowed", "There are no sessions here: POST.", [("allow", "POST")])
            return
        try:
            await identity(Request(scope))
        except Denied as denied:
            await deny(scope, send, denied)
            return
        if self._behind is None:
            await asyncio.to_thread(import_module, "ui.mcp_server")  # 0.4 s, in which others go on
            from ui.mcp_server import Served

            self._behind = Served(self._assistant)
        await self._behind(scope, receive, send)


def mount_mcp(app: FastAPI, assistant: Assistant) -> None:
    """Add ``/mcp`` to ``app``, before the routes that take every path that is left."""
    app.router.routes.append(Route(PATH, endpoint=_Door(assistant), include_in_schema=False))
