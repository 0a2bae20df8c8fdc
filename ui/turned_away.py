"""What a browser shows somebody who opens a page without being known."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from assistant.access.identity import Denied
from assistant.app import Assistant
from assistant.conversation.front import DEFAULT_SURFACE
from assistant.records.repository import RecordsError
from ui import front_paths as paths
from ui.front_origins import navigates
from ui.sign_in_pages import page
from ui.words import language_of, words


async def turned_away(scope: Scope, denied: Denied) -> Response | None:
    """The way to the sign-in, or what people are told where there is none; None where it is no browser that opens a
    page."""
    root = scope.get("root_path", "")
    path, headers = scope["path"].removeprefix(root), Headers(scope=scope)
    if denied.code != "sign_in" or not paths.page(path) or not navigates(scope["method"], headers):
        return None
    assistant: Assistant = scope["app"].state.assistant
    with suppress(RecordsError):
        await assistant.follow()  # a sign-in may have been added since
    if assistant.settings.access.sign_in is not None:
        query = scope.get("query_string", b"").decode("latin-1")
        to = quote(f"{path}?{query}" if query else path, safe="")
        return RedirectResponse(f"{quote(root)}/sign-in?to={to}", 303)
    surface = assistant.settings.surfaces[DEFAULT_SURFACE]
    said = words(language_of(headers.get("accept-language"), surface.language))
    texts = [said["sign_in.no_page"], said["sign_in.no_page_operator"]]
    return page(Request(scope), said, 401, said["sign_in.no_page_title"], texts)
