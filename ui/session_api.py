"""The route by which somebody of whom nothing is known stays the same person: a guest's token, and that token anew."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from assistant.access.gate import Gate
from assistant.access.guests import DAYS
from assistant.access.identity import Denied, Identity
from assistant.access.limits_attempts import Attempts
from assistant.app import Assistant
from ui.api_errors import error, refusals
from ui.body_shapes import Body
from ui.front_door import address


class SessionBody(Body):
    """Where somebody wants to chat."""

    surface: str = Field("portal", max_length=64, examples=["portal"])


class Session(BaseModel):
    """Who a guest is from now on."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(description="for `Authorization: Bearer …`", examples=["eyJhbGciOi…"])
    expires: str = Field(description="until when it is good; renew it before", examples=["2027-01-31T12:00:00+00:00"])


def add_session_routes(app: FastAPI, assistant: Assistant, gate: Gate) -> None:
    """Add it. Browsers call it without any credential, from the origins of the surface."""
    attempts = Attempts(assistant.settings.limits.new_guests_per_minute)

    @app.post("/api/v1/session", tags=["session"], response_model=Session, responses=refusals())
    async def session(body: SessionBody, request: Request) -> Response:
        """A token for a guest of a surface that lets guests in. Shown a guest's token, the same guest's anew."""
        state = request.scope["state"]
        who: Identity | None = state.get("identity")
        origin: str | None = state.get("origin")
        if origin is not None and not gate.allows(origin, who, body.surface):
            raise Denied(403, "foreign_origin", "This page may not ask for this.")
        if who is not None and who.via == "guest" and who.on(body.surface):
            token = gate.renew(who)
        else:
            token, _ = gate.guest(body.surface)
            attempts.most = assistant.settings.limits.new_guests_per_minute
            if wait := attempts.again(address(request.scope)):
                headers = {"Retry-After": str(math.ceil(wait))}
                return error(429, "too_many_guests", "Too many people begin from here. Wait a minute.", headers)
        expires = datetime.now(UTC) + timedelta(days=DAYS)
        found = Session(token=token, expires=expires.isoformat(timespec="seconds"))
        return JSONResponse(found.model_dump(), headers={"Cache-Control": "no-store"})
