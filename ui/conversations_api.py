"""The routes by which a person finds, reads, changes and keeps their conversations."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from assistant.access.identity import Identity
from assistant.app import Assistant
from assistant.conversation.accepting import an_id, no_conversation
from assistant.conversation.correct import VERDICTS
from assistant.conversation.export import turn_row
from assistant.conversation.service import TurnRejected
from assistant.records.conversations import Conversation, Unusable
from assistant.records.corrections import Corrections
from assistant.records.feedback import Feedbacks
from assistant.records.repository import Branch
from ui.api_errors import refusals
from ui.aside import aside
from ui.body_shapes import Body
from ui.paging import Paged
from ui.reach import Asker, Here, as_json
from ui.shapes import ConversationPage, ConversationRow, Deleted, WholeConversation
from ui.turn_bodies import Language, Render_
from ui.widget_render import rendered

EXPORTS = {"markdown": ("text/markdown; charset=utf-8", "md"), "json": ("application/json", "json")}
FILE: dict[str, Any] = {
    "text/markdown": {"schema": {"type": "string"}},
    "application/json": {"schema": {"type": "object"}},
}
router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])
ONE = "/{conversation}"
Last = Annotated[int | None, Query(ge=1, le=1000, description="only so many turns, the last ones", examples=[30])]


class ConversationBody(Body):
    """What changes of a conversation; what is left out stays."""

    title: str | None = Field(None, examples=["Annual leave"])
    pinned: bool | None = Field(None, examples=[True])


@router.get("", operation_id="list_conversations", response_model=ConversationPage, responses=refusals(404))
async def listed(
    assistant: Here, who: Asker, wanted: Paged, search: str | None = None, surface: str | None = None
) -> Response:
    """A person's conversations, pinned ones first, then the newest."""
    if surface is not None and not (an_id(surface) and who.on(surface)):
        raise TurnRejected("unknown_surface", "There is no such surface.")
    kept = assistant.service.conversations
    try:
        page = await kept.listed(who.person, surface, search, wanted.limit, wanted.cursor)
    except Unusable as error:
        raise _unusable(error) from error
    rows = [_row(each) for each in page.conversations if who.on(each.surface)]
    return as_json({"conversations": rows, "next": page.next})


@router.get(ONE, operation_id="read_conversation", response_model=WholeConversation, responses=refusals(404))
async def one(
    conversation: str,
    assistant: Here,
    who: Asker,
    last: Last = None,
    render: Render_ | None = None,
    language: Language | None = None,
) -> Response:
    """One with its turns, those of the branch that is shown."""
    found = await _one(assistant, conversation, who)
    rows, earlier = await _turns(assistant, conversation, who.person, last)
    for row in rows if render else ():
        row["html"] = await aside(partial(rendered, assistant, found.surface, row, language))
    return as_json({**_row(found), "turns": rows, "earlier": earlier})


@router.patch(ONE, operation_id="change_conversation", response_model=ConversationRow, responses=refusals(404))
async def change(conversation: str, body: ConversationBody, assistant: Here, who: Asker) -> Response:
    """Rename it, pin it above the others, or both."""
    await _one(assistant, conversation, who)
    kept = assistant.service.conversations
    try:
        if body.title is not None:
            await kept.rename(conversation, body.title, who.person)
    except Unusable as error:
        raise _unusable(error) from error
    if body.pinned is not None:
        await kept.pin(conversation, body.pinned, who.person)
    return as_json(_row(await _one(assistant, conversation, who)))


@router.delete(ONE, operation_id="delete_conversation", response_model=Deleted, responses=refusals(404))
async def remove(conversation: str, assistant: Here, who: Asker) -> Response:
    """Delete it with its turns, files, corrections and feedback."""
    await _one(assistant, conversation, who)
    if not await assistant.service.conversations.delete(conversation, who.person):
        raise no_conversation()
    return as_json({"deleted": True})


@router.get(
    f"{ONE}/export",
    operation_id="export_conversation",
    response_class=Response,
    responses=refusals(404) | {200: {"description": "a file", "content": FILE}},
)
async def export(
    conversation: str, assistant: Here, who: Asker, format: Literal["markdown", "json"] = "markdown"
) -> Response:
    """The branch that is shown, to read, or all branches as JSON."""
    await _one(assistant, conversation, who)
    text = await assistant.service.conversations.export(conversation, who.person, format)
    if text is None:
        raise no_conversation()
    kind, suffix = EXPORTS[format]
    return Response(text, media_type=kind, headers={"Content-Disposition": f"attachment; filename=chat.{suffix}"})


async def _turns(
    assistant: Assistant, conversation: str, person: str, last: int | None
) -> tuple[list[dict[str, Any]], bool]:
    branch = await assistant.records.branch(conversation, person, last) or Branch([], False)
    said = await Feedbacks(assistant.records).of(conversation, person)
    noted = await Corrections(assistant.records).listed(conversation)
    corrected = {each.question: each for each in noted if each.verdict in VERDICTS}
    rows = [turn_row(turn, said.get(turn.id), corrected.get(turn.question)) for turn in branch.turns]
    return rows, branch.earlier


async def _one(assistant: Assistant, conversation: str, who: Identity) -> Conversation:
    found = await assistant.service.conversations.one(conversation, who.person) if an_id(conversation) else None
    if found is None or not who.on(found.surface):
        raise no_conversation()
    return found


def _row(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "surface": conversation.surface,
        "title": conversation.title,
        "pinned": conversation.pinned,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
        "turns": conversation.turns,
    }


def _unusable(error: Unusable) -> TurnRejected:
    return TurnRejected("invalid_request", str(error))
