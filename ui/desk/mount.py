"""Puts the desk below ``/desk`` of the server, behind its guard, and says how to get in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.responses import RedirectResponse

from assistant.access.identity import Denied, Identity, Role
from assistant.app import Assistant
from assistant.desk.knowledge_work import Jobs
from ui.desk.guard import Guard
from ui.desk.keys import Keys
from ui.desk.lazily import Lazily
from ui.identity import needs
from ui.security import DESK
from ui.uploads import DESK_MEGABYTES

STATIC = Path(__file__).parent.parent / "static"


async def _on_this_machine(who: Annotated[Identity, Depends(needs("admin"))]) -> None:
    """Raises Denied for everybody but commands on this machine: a code opens the desk to whoever has it."""
    if who.via != "machine":
        raise Denied(403, "forbidden", "This needs the token in server.json in the data folder.")


def mount(app: FastAPI, assistant: Assistant, keys: Keys) -> None:
    """Add the desk to ``app``, before the chat page, which takes every path that is left."""

    @app.post("/api/v1/desk/code", dependencies=[Depends(_on_this_machine)])
    async def code() -> dict[str, Any]:
        """A code for ``/desk/enter#…``, good once and for ten minutes."""
        return {"code": keys.code()}

    @app.api_route(DESK, methods=["GET", "HEAD"], include_in_schema=False)
    async def with_slash() -> RedirectResponse:
        """Relative, so that it holds behind a prefix."""
        return RedirectResponse("desk/", 307)

    jobs = Jobs()
    admins, editors = (Lazily(partial(_page, assistant, role, jobs)) for role in ("admin", "editor"))
    app.mount(DESK, Guard(admins, keys, editors, lambda: assistant.settings.access.sign_in is not None))
    _end_together(app, admins, editors)


def head() -> str:
    """The desk page's own scripts."""
    return "".join(f'<script src="../switchyard/{each.name}"></script>' for each in sorted(STATIC.glob("desk*.js")))


def _page(assistant: Assistant, role: Role, jobs: Jobs) -> FastAPI:
    import gradio as gr

    from ui.desk import page
    from ui.desk.downloads import add_download_routes
    from ui.theme import theme

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_download_routes(app, assistant)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page.build(assistant, role, jobs),
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


def _end_together(app: FastAPI, *inside: Lazily) -> None:
    """Mounted apps are not told when the server ends."""
    outer = app.router.lifespan_context

    @asynccontextmanager
    async def both(app: Any) -> AsyncIterator[Any]:
        async with outer(app) as state:
            try:
                yield state
            finally:
                for each in inside:
                    await each.aclose()

    app.router.lifespan_context = both
