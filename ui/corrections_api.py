"""The routes by which people say that a turn went the wrong way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from assistant.app import Assistant
from assistant.conversation.correct import row
from assistant.conversation.service import API_PERSON, TurnRejected
from assistant.conversation.turn import Turn
from assistant.conversation.wire import encode
from ui.encode import sse
from ui.machine_api import STREAM, Token


class CorrectionBody(BaseModel):
    """What is said of a turn, and whether to run it that way at once."""

    verdict: str = Field(description="look_up, no_lookup, in_voice or plainly")
    rerun: bool = True
    groups: list[str] = Field([], description="for commands on this machine, with its token")


def add_correction_routes(app: FastAPI, assistant: Assistant, machine: Token) -> None:
    """Add them; ``machine`` guards the list and the groups."""

    @app.post("/api/turns/{turn}/correction")
    async def correct(turn: str, body: CorrectionBody, authorization: Annotated[str, Header()] = "") -> Response:
        """The events of the turn as it is run again, or JSON where it is not run again."""
        if body.groups:
            machine(authorization)
        service = assistant.service
        found = await service.label(turn, body.verdict, person=API_PERSON)
        kept = {
            "corrected": True,
            "route": found.route,
            "information": found.information,
            "voice": found.voice,
            "refused": None,
        }
        if not body.rerun:
            return JSONResponse(kept)
        try:
            again = await service.again(turn, found.route, person=API_PERSON, groups=body.groups)
        except TurnRejected as refused:
            return JSONResponse(kept | {"refused": {"code": refused.code, "message": str(refused)}})
        return StreamingResponse(_frames(assistant, again), media_type="text/event-stream", headers=STREAM)

    @app.delete("/api/turns/{turn}/correction")
    async def take_back(turn: str) -> dict[str, Any]:
        return {"taken_back": await assistant.service.take_back(turn, person=API_PERSON)}

    @app.get("/api/corrections", dependencies=[Depends(machine)])
    async def corrections() -> dict[str, Any]:
        return {"corrections": [row(each) for each in await assistant.service.corrections()]}


async def _frames(assistant: Assistant, turn: Turn) -> AsyncIterator[str]:
    async with aclosing(assistant.service.run(turn)) as events:
        async for event in events:
            yield sse(encode(event))
