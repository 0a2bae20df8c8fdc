"""The server: the APIs, the health checks and the pages, on one FastAPI app behind the front door."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from assistant.access.gate import Gate
from assistant.app import VERSION, Assistant
from ui.api_errors import error
from ui.desk.keys import Keys
from ui.front import add_failures, stand_before
from ui.gradio_stubs import unwritten
from ui.health import add_health_routes
from ui.look import add_look_routes
from ui.nowhere import add_nowhere
from ui.security import DESK
from ui.session_api import add_session_routes
from ui.uploads import keep_in

STATIC = Path(__file__).parent / "static"
PORTAL = "portal"


def create_app(assistant: Assistant, token: str, keys: Keys | None = None, gate: Gate | None = None) -> FastAPI:
    """The app of an opened assistant. ``token`` is what commands on this machine show, ``keys`` open the desk,
    ``gate`` knows people: the assistant's own without one."""
    app = FastAPI(title="Switchyard", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    gate = gate or assistant.gate(token)
    add_failures(app)
    _add_apis(app, assistant, gate)
    keep_in(assistant.settings.data / "incoming")
    heads: dict[str, str] = {}
    if assistant.settings.server.desk:
        heads[f"{DESK}/"] = _mount_desk(app, assistant, keys or Keys())
    # Before the page, which would answer in a shape of its own.
    add_nowhere(app, "/api", error)
    app.mount("/switchyard", StaticFiles(directory=STATIC))
    with_page, heads["/"] = _mount_page(app, assistant)
    stand_before(with_page, assistant, gate, heads)
    return with_page


def _add_apis(app: FastAPI, assistant: Assistant, gate: Gate) -> None:
    from ui.mcp_door import mount_mcp
    from ui.native_api import add_native_api
    from ui.openai_api import add_openai_routes
    from ui.sign_in import add_sign_in_routes
    from ui.widget import add_widget_routes

    add_health_routes(app, assistant)
    add_session_routes(app, assistant, gate)
    add_native_api(app, assistant)
    add_openai_routes(app, assistant)
    mount_mcp(app, assistant)
    add_sign_in_routes(app, assistant)
    add_look_routes(app, lambda: assistant.settings)
    add_widget_routes(app, assistant)


def _mount_desk(app: FastAPI, assistant: Assistant, keys: Keys) -> str:
    """The desk on ``app``; returns what its page's head holds."""
    with unwritten():
        from ui.desk import mount

    mount.mount(app, assistant, keys)
    return mount.head()


def _mount_page(app: FastAPI, assistant: Assistant) -> tuple[FastAPI, str]:
    """The chat page on ``app``; returns both together, and what the page's head holds."""
    with unwritten():
        from ui import chat_page

    return chat_page.mount(app, assistant, PORTAL), chat_page.head(PORTAL)
