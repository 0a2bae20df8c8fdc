"""The routes of files that a person attaches to a conversation."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import Response

from assistant.access.identity import Identity
from assistant.app import Assistant
from assistant.conversation.accepting import an_id, no_conversation
from assistant.conversation.attaching import rejected
from assistant.records.attachments import AttachmentRecords
from ui.api_errors import refusals
from ui.idempotency import Done, OnlyOnce
from ui.reach import Asker, Here, as_json, reach
from ui.shapes import AttachmentPage, AttachmentRow, Deleted

router = APIRouter(prefix="/api/v1", tags=["attachments"])


@router.get(
    "/conversations/{conversation}/attachments",
    operation_id="list_attachments",
    response_model=AttachmentPage,
    responses=refusals(404),
)
async def listed(conversation: str, assistant: Here, who: Asker) -> Response:
    """The files of a conversation."""
    await _surface(assistant, conversation, who)
    found = await assistant.attachments.listed(conversation, who.person)
    return as_json({"attachments": [asdict(each) for each in found], "next": None})


@router.post("/attachments", operation_id="attach", response_model=AttachmentRow, responses=refusals(404, 409))
async def attach(
    assistant: Here,
    who: Asker,
    once: OnlyOnce,
    file: Annotated[UploadFile, File(description="one file")],
    conversation: Annotated[str | None, Form(description="without, a new one begins with it")] = None,
    surface: Annotated[str | None, Form(description="of a new conversation")] = None,
) -> Response:
    """Read a file for a conversation; it is ready when the answer comes. It counts as a turn."""
    if conversation is None:
        surface, _ = await reach(assistant, who, surface)
    else:
        surface = await _surface(assistant, conversation, who)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=await asyncio.to_thread(_incoming, assistant)))
    try:
        digest = await asyncio.to_thread(_written, file, folder / "file")

        async def added() -> Done:
            async with assistant.service.counted(who, surface):
                made = await assistant.attachments.add(
                    folder / "file", file.filename or "", person=who.person, conversation=conversation, surface=surface
                )
            return Done(asdict(made), made.conversation)

        return await once(who, [digest, file.filename, conversation, surface], added)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@router.delete("/attachments/{attachment}", operation_id="detach", response_model=Deleted, responses=refusals(404))
async def detach(attachment: str, assistant: Here, who: Asker) -> Response:
    """Delete a file with all that was made of it."""
    found = await AttachmentRecords(assistant.records).one(attachment, who.person) if an_id(attachment) else None
    surface = await assistant.records.surface_of(found.conversation, who.person) if found else None
    if surface is None or not who.on(surface):
        raise rejected("unknown_attachment")
    await assistant.attachments.remove(attachment, person=who.person)
    return as_json({"deleted": True})


async def _surface(assistant: Assistant, conversation: str, who: Identity) -> str:
    """Of a conversation that is theirs. Raises TurnRejected."""
    found = await assistant.records.surface_of(conversation, who.person) if an_id(conversation) else None
    if found is None or not who.on(found):
        raise no_conversation()
    return found


def _incoming(assistant: Assistant) -> Path:
    folder = assistant.settings.data / "incoming"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _written(file: UploadFile, path: Path) -> str:
    """The hash of a file, which is at ``path`` then, whatever the caller called it."""
    digest = hashlib.sha256()
    with path.open("xb") as kept:
        while piece := file.file.read(1 << 20):
            digest.update(piece)
            kept.write(piece)
    return digest.hexdigest()
