"""The routes by which people say that a turn went the wrong way."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from assistant.access.identity import Denied, Identity
from assistant.app import Assistant
from assistant.conversation.correct import row
from assistant.conversation.service import TurnRejected
from assistant.conversation.turn import Turn
from ui.api_errors import refusals, retry_after
from ui.idempotency import Done, OnlyOnce
from ui.identity import Who
from ui.openapi import EDITOR, turn_events
from ui.paging import Paged, paged
from ui.reach import Asker, Here, acting, as_json, check_turn
from ui.shapes import Corrected, CorrectionPage, TakenBack
from ui.turn_bodies import GROUPS, RenderBody, rendering
from ui.ways import Said

router = APIRouter(prefix="/api/v1", tags=["corrections"])


class CorrectionBody(RenderBody):
    """What is said of a turn, and whether to run it that way at once."""

    verdict: str = Field(description="look_up, no_lookup, in_voice or plainly", examples=["look_up"])
    rerun: bool = Field(True, examples=[False])
    groups: list[str] = Field([], description=GROUPS, examples=[[]])


@router.post("/turns/{turn}/correction", operation_id="correct", **turn_events(404, 409, model=Corrected))
async def correct(turn: str, body: CorrectionBody, assistant: Here, who: Who, once: OnlyOnce) -> Response:
    """The events of the turn as it is run again, or JSON where it is not run again."""
    asking = acting(who, body.groups)

    async def corrected() -> Turn | Done:
        return await _corrected(assistant, asking, turn, body)

    said: Any = Said(body.verdict, True)  # type: ignore[arg-type]  # `label` has refused what is no verdict by then
    return await once(asking, body.model_dump(), corrected, rendering(assistant, body, said))


async def _corrected(assistant: Assistant, who: Identity, turn: str, body: CorrectionBody) -> Turn | Done:
    await check_turn(assistant, turn, who)
    found = await assistant.service.label(turn, body.verdict, person=who.person)
    kept = {"corrected": True, "route": found.route, "information": found.information, "voice": found.voice}
    if not body.rerun:
        return Done(kept | {"refused": None})
    try:
        return await assistant.service.again(turn, found.route, person=who)
    except TurnRejected as refused:
        again = retry_after(refused)
        return Done(kept | {"refused": {"code": refused.code, "message": str(refused)}}, keep=False, headers=again)


@router.delete("/turns/{turn}/correction", operation_id="take_back", response_model=TakenBack, responses=refusals(404))
async def take_back(turn: str, assistant: Here, who: Asker) -> Response:
    """Forget what was said of the route of a turn."""
    await check_turn(assistant, turn, who)
    return as_json({"taken_back": await assistant.service.take_back(turn, person=who.person)})


@router.get("/corrections", operation_id="list_corrections", response_model=CorrectionPage, **EDITOR)
async def corrections(assistant: Here, who: Who, wanted: Paged) -> Response:
    """All that people have said of routes, as labelled turns. They hold answers, from whatever collection."""
    if who.collections is not None:
        raise Denied(403, "forbidden", "This needs a key that is not held to some collections.")
    noted = [each for each in await assistant.service.corrections() if who.on(each.surface)]
    found, after = paged([row(each) for each in noted], wanted)
    return as_json({"corrections": found, "next": after})
