"""What is answered below an API where there is nothing, or nothing by this method."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute, Match

from ui.front_paths import METHODS

Said = Callable[[int, str, str, dict[str, str]], JSONResponse]


def add_nowhere(app: FastAPI, path: str, said: Said, code: str = "not_found") -> None:
    """Answer whatever is asked below ``path`` of an app whose routes there are all added before this: by ``said``, of
    status, code, message and headers. ``code`` is that of an address at which there is nothing."""

    async def nowhere(request: Request) -> JSONResponse:
        before = takewhile(lambda route: getattr(route, "endpoint", None) is not nowhere, request.app.routes)
        if allowed := _allowed(request, list(before)):
            told = f"This method is not for here; there is: {', '.join(allowed)}."
            return said(405, "not_allowed", told, {"Allow": ", ".join(allowed)})
        return said(404, code, "There is nothing at this address.", {})

    for each in (path, f"{path}/{{rest:path}}"):
        app.add_api_route(each, nowhere, methods=list(METHODS), include_in_schema=False)


def _allowed(request: Request, routes: list[BaseRoute]) -> list[str]:
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return [name for name, scope in scopes.items() if any(each.matches(scope)[0] is Match.FULL for each in routes)]
