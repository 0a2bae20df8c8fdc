"""The routes by which a person reads what their turns rest on: documents of a collection, their text, and a search."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from assistant.access.identity import Identity
from assistant.app import Assistant
from assistant.conversation.accepting import turn_text
from assistant.conversation.events import Retrieved
from assistant.conversation.service import TurnRejected
from assistant.conversation.turn import Turn
from assistant.conversation.wire import encode
from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.reading_room import OpenDocument, ReadingRoom
from assistant.knowledge.store import StoredDocument, StoreUnavailable
from ui.api_errors import refusals
from ui.body_shapes import Body
from ui.identity import Who
from ui.paging import Paged, paged
from ui.reach import Asker, Here, acting, as_json, everywhere, reach
from ui.shapes_events import Looked
from ui.shapes_knowledge import DocumentPage, DocumentText
from ui.turn_bodies import GROUPS

router = APIRouter(prefix="/api/v1", tags=["documents"])
FAR = 2**53
"""Characters: more than any text has, and what JSON can count to."""


class SearchBody(Body):
    """What to look for, where, and how many passages at most."""

    query: str = Field(examples=["hotel cap in London"])
    surface: str | None = Field(None, examples=["portal"])
    collection: str | None = Field(None, description="search this one only", examples=[None])
    limit: int = Field(20, ge=1, le=20, description="passages at most; never more than retrieval.passages")
    groups: list[str] = Field([], description=GROUPS, examples=[[]])


@router.get(
    "/collections/{name}/documents", operation_id="list_documents", response_model=DocumentPage, responses=refusals(404)
)
async def documents(name: str, assistant: Here, who: Asker, wanted: Paged) -> Response:
    """The documents of a collection that the person may search."""
    if name not in await everywhere(assistant, who):
        raise TurnRejected("unknown_collection", "There is no such collection.")
    held = {each.document: each for each in await assistant.index.documents(name) if each.whole}
    found, after = paged([_row(held[uri]) for uri in sorted(held)], wanted, lambda row: str(row["document"]))
    return as_json({"documents": found, "next": after})


@router.get("/documents", operation_id="read_document", response_model=DocumentText, responses=refusals(404))
async def document(
    assistant: Here,
    who: Asker,
    collection: str,
    document: Annotated[str, Query(description="its address, as a passage has it")],
    at: Annotated[int, Query(ge=0, le=FAR, description="the offset to read from")] = 0,
) -> Response:
    """The text of a document that the person may read: a window of some 40,000 characters."""
    return as_json(await read(assistant, await everywhere(assistant, who), collection, document, at))


@router.post("/search", operation_id="search", response_model=Looked, responses=refusals(404))
async def search_route(body: SearchBody, assistant: Here, who: Who) -> Response:
    """The passages that a turn would rest on, without a turn."""
    found = await search(
        assistant, acting(who, body.groups), body.query, surface=body.surface, collection=body.collection
    )
    return as_json(found | {"passages": found["passages"][: body.limit]})


async def search(
    assistant: Assistant, who: Identity, query: str, *, surface: str | None = None, collection: str | None = None
) -> dict[str, Any]:
    """The fields of a ``retrieved`` event, for a query of somebody; it counts as a turn. Raises TurnRejected and
    StoreError."""
    text = turn_text(query, assistant.settings.limits.turn_characters)
    surface, readable = await reach(assistant, who, surface, collection)
    async with assistant.service.counted(who, surface):
        try:
            found = await assistant.base.search(Turn(text, (), surface, readable))
        except EmbedderError as error:
            raise StoreUnavailable(str(error)) from error
    event = encode(Retrieved(found.query, tuple(sorted(readable)), found.passages, found.evidence, found.fresh))
    return {name: value for name, value in event.items() if name != "type"}


async def read(
    assistant: Assistant, readable: Collection[str], collection: str, document: str, at: int = 0
) -> dict[str, Any]:
    """A window of a document as JSON. Raises TurnRejected where there is none in what somebody may read."""
    asked = {"collection": collection, "document": document, "title": "", "text": "", "start": 0}
    found = await ReadingRoom(assistant.base).document(asked, readable, at)
    if found.state == "gone":
        raise TurnRejected("unknown_document", "There is no such document.")
    return _text(collection, found)


def _text(collection: str, found: OpenDocument) -> dict[str, Any]:
    return {
        "collection": collection,
        "document": found.uri,
        "title": found.title,
        "date": found.modified.isoformat() if found.modified else None,
        "text": found.text,
        "start": found.start,
        "above": found.above,
        "below": found.below,
        "line": found.line,
        "headings": [asdict(each) for each in found.headings],
        "pages": [asdict(each) for each in found.pages],
    }


def _row(each: StoredDocument) -> dict[str, Any]:
    return {
        "collection": each.collection,
        "document": each.document,
        "title": each.title,
        "date": each.modified.isoformat() if each.modified else None,
        "passages": each.chunks,
    }
