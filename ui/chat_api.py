"""The route of the chat: one turn, as server-sent events."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from assistant.conversation.given import Given
from assistant.conversation.page import open_page
from assistant.conversation.turn import Turn
from ui.idempotency import OnlyOnce
from ui.identity import Who
from ui.openapi import turn_events
from ui.reach import Here, acting
from ui.shapes import ID
from ui.turn_bodies import GROUPS, PageContext, RenderBody, rendering

router = APIRouter(prefix="/api/v1", tags=["chat"])


class ChatBody(RenderBody):
    """A turn. Without ``conversation`` a new one begins; its id comes in the ``routed`` event."""

    message: str = Field(examples=["How many days of annual leave can I carry over?"])
    conversation: str | None = Field(None, examples=[None, ID])
    surface: str | None = Field(None, examples=["portal"])
    collection: str | None = Field(None, description="search this one only", examples=[None])
    route: str | None = Field(None, description="auto, voice, retrieve or both", examples=["auto"])
    groups: list[str] = Field([], description=GROUPS, examples=[[]])
    context: PageContext | None = Field(None, examples=[None])


@router.post("/chat", operation_id="chat", **turn_events(404, 409))
async def chat(body: ChatBody, assistant: Here, who: Who, once: OnlyOnce) -> Response:
    """One turn as server-sent events: routed, retrieved, text_delta, checked, then finished or failed."""
    asking = acting(who, body.groups)

    async def prepare() -> Turn:
        return await assistant.service.prepare(
            body.message,
            person=asking,
            conversation=body.conversation,
            surface=body.surface,
            collection=body.collection,
            route=body.route,
            given=Given(page=open_page(body.context.model_dump() if body.context else None)),
        )

    return await once(asking, body.model_dump(), prepare, rendering(assistant, body))
