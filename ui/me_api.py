"""The routes of the person who asks: who they are, and all that is theirs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from assistant.access.identity import Identity
from assistant.app import Assistant
from assistant.config_surfaces import in_language
from assistant.conversation.attachments import PER_CONVERSATION
from assistant.records.conversations import MOST, Conversation
from ui.api_errors import refusals
from ui.reach import Asker, Here, as_json, reach, surfaces
from ui.shapes import DeletedAll, Me

router = APIRouter(prefix="/api/v1/me", tags=["me"])
FILE: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}


@router.get("", operation_id="who_am_i", response_model=Me, responses=refusals())
async def me(assistant: Here, who: Asker) -> Response:
    """Who asks, where they may, and how much."""
    places = []
    for name in surfaces(assistant, who):
        _, readable = await reach(assistant, who, name)
        title = in_language(assistant.settings.surfaces[name].title, "en")
        places.append({"name": name, "title": title, "collections": sorted(readable)})
    limits = assistant.settings.limits
    return as_json(
        {
            "person": who.person,
            "name": who.name,
            "via": who.via,
            "role": who.role,
            "groups": sorted(who.groups),
            "expires": who.expires,
            "surfaces": places,
            "limits": {
                "turn_characters": limits.turn_characters,
                "conversation_turns": limits.conversation_turns,
                "attachment_megabytes": limits.attachment_megabytes,
                "attachments": PER_CONVERSATION,
            },
        }
    )


@router.get(
    "/export",
    operation_id="export_mine",
    response_class=Response,
    responses=refusals() | {200: {"description": "a file", "content": FILE}},
)
async def export(assistant: Here, who: Asker) -> Response:
    """All conversations with their turns, corrections and feedback, as JSON."""

    async def pieces() -> AsyncIterator[str]:
        yield f'{{"person": {json.dumps(who.person)}, "conversations": ['
        apart = ""
        async for each in _all(assistant, who):
            text = await assistant.service.conversations.export(each.id, who.person, "json")
            if text is not None:  # deleted meanwhile
                yield apart + text.rstrip()
                apart = ",\n"
        yield "]}\n"

    headers = {"Content-Disposition": "attachment; filename=mine.json"}
    return StreamingResponse(pieces(), media_type="application/json", headers=headers)


@router.delete("/conversations", operation_id="delete_mine", response_model=DeletedAll, responses=refusals())
async def remove(assistant: Here, who: Asker) -> Response:
    """Delete all conversations, with their turns, files, corrections and feedback."""
    mine = [each.id async for each in _all(assistant, who)]
    gone = [await assistant.service.conversations.delete(each, who.person) for each in mine]
    return as_json({"deleted": sum(gone)})


async def _all(assistant: Assistant, who: Identity) -> AsyncIterator[Conversation]:
    cursor = None
    while True:
        page = await assistant.service.conversations.listed(who.person, limit=MOST, before=cursor)
        for each in page.conversations:
            if who.on(each.surface):
                yield each
        if (cursor := page.next) is None:
            return
