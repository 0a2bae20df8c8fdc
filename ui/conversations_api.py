"""The routes by which a person finds, changes and keeps their conversations, and says what they think of answers."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from assistant.app import Assistant
from assistant.conversation.accepting import an_id, no_conversation
from assistant.conversation.correct import VERDICTS
from assistant.conversation.export import turn_row
from assistant.conversation.service import TurnRejected, asker
from assistant.records.conversations import MOST, Conversation, Unusable
from assistant.records.corrections import Corrections
from assistant.records.feedback import Feedbacks
from ui.machine_api import Token
from ui.person import Person
from ui.turn_stream import streamed

EXPORTS = {"markdown": ("text/markdown; charset=utf-8", "md"), "json": ("application/json", "json")}


class ConversationBody(BaseModel):
    """What changes of a conversation; what is left out stays."""

    title: str | None = None
    pinned: bool | None = None


class AgainBody(BaseModel):
    """The way that the turn goes this time."""

    route: str | None = Field(None, description="auto, voice, retrieve or both")
    groups: list[str] = Field([], description="for commands on this machine, with its token")


class EditBody(AgainBody):
    """Other words in its place."""

    message: str
    collection: str | None = None


class FeedbackBody(BaseModel):
    """What is thought of an answer; a ``thumb`` of null takes it back."""

    thumb: str | None = Field(description="up, down or null")
    comment: str = ""


def add_conversation_routes(app: FastAPI, assistant: Assistant, machine: Token) -> None:
    """Add them; ``machine`` guards the groups."""
    _add_lists(app, assistant)
    _add_turns(app, assistant, machine)


def _add_lists(app: FastAPI, assistant: Assistant) -> None:
    @app.get("/api/v1/conversations")
    async def listed(
        person: Person,
        search: str | None = None,
        surface: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
        cursor: str | None = None,
    ) -> Response:
        if surface is not None and not an_id(surface):
            raise TurnRejected("unknown_surface", "There is no such surface.")
        try:
            page = await assistant.service.conversations.listed(person, surface, search, limit, cursor)
        except Unusable as error:
            raise _unusable(error) from error
        return _json({"conversations": [_row(each) for each in page.conversations], "next": page.next})

    @app.get("/api/v1/conversations/{conversation}")
    async def one(conversation: str, person: Person) -> Response:
        found = await _one(assistant, conversation, person)
        turns = await assistant.records.turns(conversation)
        said = await Feedbacks(assistant.records).of(conversation, person)
        noted = await Corrections(assistant.records).listed(conversation)
        corrected = {each.question: each for each in noted if each.verdict in VERDICTS}
        rows = [turn_row(turn, said.get(turn.id), corrected.get(turn.question)) for turn in turns]
        return _json({**_row(found), "turns": rows})

    @app.patch("/api/v1/conversations/{conversation}")
    async def change(conversation: str, body: ConversationBody, person: Person) -> Response:
        await _one(assistant, conversation, person)
        kept = assistant.service.conversations
        try:
            if body.title is not None:
                await kept.rename(conversation, body.title, person)
        except Unusable as error:
            raise _unusable(error) from error
        if body.pinned is not None:
            await kept.pin(conversation, body.pinned, person)
        return _json(_row(await _one(assistant, conversation, person)))

    @app.delete("/api/v1/conversations/{conversation}")
    async def remove(conversation: str, person: Person) -> dict[str, Any]:
        if not an_id(conversation) or not await assistant.service.conversations.delete(conversation, person):
            raise no_conversation()
        return {"deleted": True}

    @app.get("/api/v1/conversations/{conversation}/export")
    async def export(conversation: str, person: Person, format: Literal["markdown", "json"] = "markdown") -> Response:
        await _one(assistant, conversation, person)
        text = await assistant.service.conversations.export(conversation, person, format)
        if text is None:
            raise no_conversation()
        kind, suffix = EXPORTS[format]
        return Response(text, media_type=kind, headers={"Content-Disposition": f"attachment; filename=chat.{suffix}"})


def _add_turns(app: FastAPI, assistant: Assistant, machine: Token) -> None:
    service = assistant.service

    @app.post("/api/v1/turns/{turn}/again")
    async def again(
        turn: str, body: AgainBody, person: Person, authorization: Annotated[str, Header()] = ""
    ) -> StreamingResponse:
        """The events of the turn as it is run once more, in its place."""
        if body.groups:
            machine(authorization)
            person = asker(body.groups)
        return streamed(service, await service.again(turn, body.route, person=person, groups=body.groups))

    @app.post("/api/v1/turns/{turn}/edit")
    async def edit(
        turn: str, body: EditBody, person: Person, authorization: Annotated[str, Header()] = ""
    ) -> StreamingResponse:
        """The events of the turn that takes its place."""
        if body.groups:
            machine(authorization)
            person = asker(body.groups)
        given = body.model_dump(include={"route", "collection", "groups"})
        return streamed(service, await service.edit(turn, body.message, person=person, **given))

    @app.post("/api/v1/turns/{turn}/show")
    async def show(turn: str, person: Person) -> dict[str, Any]:
        await service.show(turn, person=person)
        return {"shown": True}

    @app.put("/api/v1/turns/{turn}/feedback")
    async def feedback(turn: str, body: FeedbackBody, person: Person) -> dict[str, Any]:
        kept = await service.feedback(turn, body.thumb, body.comment, person=person)
        return {"thumb": kept.thumb if kept else None, "comment": kept.comment if kept else ""}


async def _one(assistant: Assistant, conversation: str, person: str) -> Conversation:
    found = await assistant.service.conversations.one(conversation, person) if an_id(conversation) else None
    if found is None:
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


def _json(value: Any) -> Response:
    """In ASCII: what a model wrote can hold what no encoding takes."""
    return Response(json.dumps(value), media_type="application/json")


def _unusable(error: Unusable) -> TurnRejected:
    return TurnRejected("invalid_request", str(error))
