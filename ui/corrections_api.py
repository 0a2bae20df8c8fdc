"""The routes by which people say that a turn went the wrong way."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from assistant.app import Assistant
from assistant.conversation.correct import row
from assistant.conversation.service import TurnRejected, asker
from ui.machine_api import Token
from ui.person import Person
from ui.turn_stream import streamed


class CorrectionBody(BaseModel):
    """What is said of a turn, and whether to run it that way at once."""

    verdict: str = Field(description="look_up, no_lookup, in_voice or plainly")
    rerun: bool = True
    groups: list[str] = Field([], description="for commands on this machine, with its token")


def add_correction_routes(app: FastAPI, assistant: Assistant, machine: Token) -> None:
    """Add them; ``machine`` guards the list and the groups."""

    @app.post("/api/v1/turns/{turn}/correction")
    async def correct(
        turn: str, body: CorrectionBody, person: Person, authorization: Annotated[str, Header()] = ""
    ) -> Response:
        """The events of the turn as it is run again, or JSON where it is not run again."""
        if body.groups:
            machine(authorization)
            person = asker(body.groups)
        service = assistant.service
        found = await service.label(turn, body.verdict, person=person)
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
            again = await service.again(turn, found.route, person=person, groups=body.groups)
        except TurnRejected as refused:
            return JSONResponse(kept | {"refused": {"code": refused.code, "message": str(refused)}})
        return streamed(service, again)

    @app.delete("/api/v1/turns/{turn}/correction")
    async def take_back(turn: str, person: Person) -> dict[str, Any]:
        return {"taken_back": await assistant.service.take_back(turn, person=person)}

    @app.get("/api/v1/corrections", dependencies=[Depends(machine)])
    async def corrections() -> dict[str, Any]:
        return {"corrections": [row(each) for each in await assistant.service.corrections()]}
