"""The routes of one turn: run again, said in other words, shown, and what is thought of its answer."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from assistant.conversation.turn import Turn
from ui.api_errors import refusals
from ui.body_shapes import Body
from ui.idempotency import Done, OnlyOnce
from ui.identity import Who
from ui.openapi import turn_events
from ui.reach import Asker, Here, acting, check_turn
from ui.shapes import FeedbackKept, ShownBranch
from ui.turn_bodies import AgainBody, rendering

router = APIRouter(prefix="/api/v1/turns/{turn}", tags=["turns"])


class EditBody(AgainBody):
    """Other words in its place."""

    message: str = Field(examples=["And in Paris?"])
    collection: str | None = None


class FeedbackBody(Body):
    """What is thought of an answer; a ``thumb`` of null takes it back."""

    thumb: str | None = Field(description="up, down or null", examples=["up"])
    comment: str = Field("", examples=["Just what I needed"])


@router.post("/again", operation_id="run_again", **turn_events(404, 409))
async def again(turn: str, body: AgainBody, assistant: Here, who: Who, once: OnlyOnce) -> Response:
    """The events of the turn as it is run once more, in its place."""
    asking = acting(who, body.groups)

    async def prepare() -> Turn:
        await check_turn(assistant, turn, asking)
        return await assistant.service.again(turn, body.route, person=asking)

    return await once(asking, body.model_dump(), prepare, rendering(assistant, body))


@router.post("/edit", operation_id="edit", **turn_events(404, 409))
async def edit(turn: str, body: EditBody, assistant: Here, who: Who, once: OnlyOnce) -> Response:
    """The events of the turn that takes its place."""
    asking = acting(who, body.groups)

    async def prepare() -> Turn:
        await check_turn(assistant, turn, asking)
        return await assistant.service.edit(
            turn, body.message, person=asking, route=body.route, collection=body.collection
        )

    return await once(asking, body.model_dump(), prepare, rendering(assistant, body))


@router.post("/show", operation_id="show", response_model=ShownBranch, responses=refusals(404, 409))
async def show(turn: str, assistant: Here, who: Asker, once: OnlyOnce) -> Response:
    """Show the branch with this version, down to the newest end below it."""

    async def shown() -> Done:
        await check_turn(assistant, turn, who)
        await assistant.service.show(turn, person=who.person)
        return Done({"shown": True})

    return await once(who, None, shown)


@router.put("/feedback", operation_id="give_feedback", response_model=FeedbackKept, responses=refusals(404, 409))
async def feedback(turn: str, body: FeedbackBody, assistant: Here, who: Asker, once: OnlyOnce) -> Response:
    """Say what is thought of an answer, in place of what was said before."""

    async def said() -> Done:
        await check_turn(assistant, turn, who)
        kept = await assistant.service.feedback(turn, body.thumb, body.comment, person=who.person)
        if kept is None:
            return Done({"thumb": None, "comment": ""})
        return Done({"thumb": kept.thumb, "comment": kept.comment}, kept.conversation)

    return await once(who, body.model_dump(), said)
