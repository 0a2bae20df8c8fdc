"""Who asks, for the routes: what the front door has found, or the refusal that it left to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from assistant.access.identity import Denied, Identity, Role


async def identity(request: Request) -> Identity:
    """Who asks; somebody of whom nothing is known where the settings let anybody in. Raises Denied."""
    state = request.scope.get("state", {})
    found: Identity | None = state.get("identity")
    if found is not None:
        return found
    nobody: Callable[[], Identity] | None = state.get("nobody")
    if nobody is None:  # no front door stands before this app: nothing was checked
        raise _sign_in()
    return nobody()


Who = Annotated[Identity, Depends(identity)]


def needs(role: Role) -> Callable[[Identity], Awaitable[Identity]]:
    """A dependency that lets through whoever has a role, or one above it. Raises Denied."""

    async def check(who: Who) -> Identity:
        if who.may(role):
            return who
        if who.via == "nobody":
            raise _sign_in()
        raise Denied(403, "forbidden", f"This needs the role {role}.")

    return check


def add_denied(app: FastAPI) -> None:
    """Answer Denied in the one shape of all refusals."""
    app.add_exception_handler(Denied, _denied)


async def _denied(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Denied)
    return denied(error)


def denied(error: Denied) -> JSONResponse:
    """The response to somebody who is not let in."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return JSONResponse({"error": {"code": error.code, "message": str(error)}}, error.status, headers)


def _sign_in() -> Denied:
    return Denied(401, "sign_in", "This needs a credential: Authorization: Bearer …, or a sign-in on the pages.")
