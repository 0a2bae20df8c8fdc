"""Puts the desk below ``/desk`` of the server, behind its guard, and says how to get in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import RedirectResponse

from assistant.app import Assistant
from ui.desk.guard import Guard
from ui.desk.keys import Keys
from ui.desk.lazily import Lazily
from ui.machine_api import Token
from ui.security import DESK
from ui.uploads import DESK_MEGABYTES

STATIC = Path(__file__).parent.parent / "static"


def mount(app: FastAPI, assistant: Assistant, machine: Token, keys: Keys) -> None:
    """Add the desk to ``app``, before the chat page, which takes every path that is left. ``machine`` guards the route
    that makes codes."""

    @app.post("/api/v1/desk/code", dependencies=[Depends(machine)])
    async def code() -> dict[str, Any]:
        """A code for ``/desk/enter#…``, good once and for ten minutes."""
        return {"code": keys.code()}

    @app.api_route(DESK, methods=["GET", "HEAD"], include_in_schema=False)
    async def with_slash() -> RedirectResponse:
        """Relative, so that it holds behind a prefix."""
        return RedirectResponse("desk/", 307)

    inside = Lazily(lambda: _page(assistant))
    app.mount(DESK, Guard(inside, keys))
    _end_together(app, inside)


def head() -> str:
    """The desk page's own scripts."""
    return "".join(f'<script src="../switchyard/{each.name}"></script>' for each in sorted(STATIC.glob("desk*.js")))


def _page(assistant: Assistant) -> FastAPI:
    import gradio as gr

    from ui.desk import page
    from ui.desk.downloads import add_download_routes
    from ui.theme import theme

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_download_routes(app, assistant)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page.build(assistant),
        path="/",
        footer_links=[],
        run_history=False,
        css_paths=sorted(STATIC.glob("desk*.css")),
        theme=theme(),
        show_error=False,
        max_file_size=f"{DESK_MEGABYTES}mb",
        enable_monitoring=False,
        favicon_path=STATIC / "favicon.svg",
    )
    return mounted


def _end_together(app: FastAPI, inside: Lazily) -> None:
    """A mounted app is not told when the server ends."""
    outer = app.router.lifespan_context

    @asynccontextmanager
    async def both(app: Any) -> AsyncIterator[Any]:
        async with outer(app) as state:
            try:
                yield state
            finally:
                await inside.aclose()

    app.router.lifespan_context = both
