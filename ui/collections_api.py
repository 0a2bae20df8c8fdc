"""The routes of collections and their sources: listed for everybody, worked on by editors, switched by admins."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from pydantic import Field, StringConstraints

from assistant.access.identity import Denied, Identity
from assistant.conversation.service import TurnRejected
from assistant.knowledge.attached import is_attached
from assistant.knowledge.happenings import Mistake
from assistant.knowledge.sources.outward import leads_outward
from ui.api_errors import refusals
from ui.body_shapes import Body
from ui.identity import Who
from ui.openapi import ADMIN, EDITOR, work_events
from ui.paging import Paged, paged
from ui.reach import Here, acting, as_json, everywhere, reach
from ui.shapes_knowledge import CollectionPage, Dropped, RemovedSource, SourcePage
from ui.work_stream import worked

router = APIRouter(prefix="/api/v1", tags=["collections"])
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class IngestBody(Body):
    """Files and folders on the server's machine, and web addresses, into a collection."""

    paths: list[str] = Field(min_length=1, examples=[["https://wiki.example/handbook"]])
    collection: Name = Field(examples=["handbook"])
    force: bool = False


class SyncBody(Body):
    """Which sources: those of some collections, of one, or some by id, location or label; else all."""

    collections: list[str] | None = None
    collection: str | None = Field(None, examples=["demo"])
    source: list[str] = Field([])
    force: bool = False
    engine: str = Field("local", description="local or ray")


class RemoveBody(Body):
    """One source, by its id, location or label."""

    collection: str = Field(examples=["handbook"])
    source: list[str] = Field(min_length=1, examples=[["https://wiki.example/handbook"]])


class ForceBody(Body):
    """Whether to switch to an index that lacks what the present one holds."""

    force: bool = False


@router.get("/collections", operation_id="list_collections", response_model=CollectionPage, responses=refusals(404))
async def collections(assistant: Here, who: Who, wanted: Paged, surface: str | None = None) -> Response:
    """Those that the person may search, on one surface or on any that they may use; for editors all, with counts,
    readers and indexes."""
    settings = assistant.settings.collections

    def titled(name: str) -> dict[str, Any]:
        return {"name": name, "title": (settings[name].title if name in settings else None) or name}

    if not who.may("editor"):
        own = acting(who)
        names = (await reach(assistant, own, surface))[1] if surface else await everywhere(assistant, own)
        found, after = paged([titled(name) for name in sorted(names)], wanted, _name)
        return as_json({"collections": found, "next": after})
    every = await assistant.list_collections()
    rows = [titled(each["name"]) | each for each in every["collections"] if _theirs(who, each["name"])]
    if surface:
        names = (await reach(assistant, who, surface))[1]
        rows = [each for each in rows if each["name"] in names]
    found, after = paged(rows, wanted, _name)
    indexes = every["indexes"] if wanted.cursor is None else []
    return as_json({"collections": found, "indexes": indexes, "next": after})


@router.delete("/collections/{name}", operation_id="drop_collection", response_model=Dropped, **ADMIN)
async def drop(name: str, assistant: Here, who: Who) -> Response:
    """Delete a collection with its documents."""
    _check(who, name)
    return as_json({"removed": not is_attached(name) and await assistant.collections.drop(name)})


@router.post("/collections/rebuild", operation_id="rebuild", **work_events(ADMIN))
async def rebuild(body: ForceBody, assistant: Here, who: Who) -> Response:
    """Build an index for the settings as they are now, and switch to it."""
    _check_all(who)
    return worked(lambda tell: assistant.rebuild(tell, force=body.force))


@router.post("/collections/rollback", operation_id="roll_back", **work_events(ADMIN))
async def rollback(assistant: Here, who: Who) -> Response:
    """Switch to the index before."""
    _check_all(who)
    return worked(assistant.roll_back)


@router.get("/sources", operation_id="list_sources", response_model=SourcePage, **EDITOR)
async def sources(assistant: Here, who: Who, wanted: Paged) -> Response:
    """Every source with its state."""
    every = (await assistant.list_sources())["sources"]
    found, after = paged([each for each in every if _theirs(who, each["collection"])], wanted)
    return as_json({"sources": found, "next": after})


@router.post("/sources/sync", operation_id="sync", **work_events(EDITOR))
async def sync(body: SyncBody, assistant: Here, who: Who) -> Response:
    """Bring sources up to date: all, or those that are named."""
    given = body.model_dump()
    for name in {*(body.collections or ()), *filter(None, [body.collection])}:
        _check(who, name)
    if who.collections is not None and body.collection is None and body.collections is None:
        given["collections"] = sorted(who.collections)
    return worked(lambda tell: assistant.sync(tell, **given))


@router.post("/sources/remove", operation_id="remove_source", response_model=RemovedSource, **EDITOR)
async def remove_source(body: RemoveBody, assistant: Here, who: Who) -> Response:
    """Take a source out, with its documents."""
    _check(who, body.collection)
    try:
        removed = await assistant.collections.remove(body.collection, body.source)
    except Mistake as error:
        raise HTTPException(422, str(error)) from error
    return as_json({"label": removed.label, "documents": removed.documents})


@router.post("/ingest", operation_id="ingest", **work_events(EDITOR))
async def ingest(body: IngestBody, assistant: Here, who: Who) -> Response:
    """Add sources to a collection and sync them at once."""
    _check(who, body.collection)
    outward = who.via != "machine"
    if outward:
        for each in body.paths:
            if not await leads_outward(each):
                raise Denied(403, "forbidden", "Only commands on this machine may add what is on it or beside it.")
    return worked(lambda tell: assistant.ingest(body.paths, body.collection, tell, force=body.force, outward=outward))


def _name(row: dict[str, Any]) -> str:
    return str(row["name"])


def _theirs(who: Identity, collection: str) -> bool:
    return who.collections is None or collection in who.collections


def _check(who: Identity, collection: str) -> None:
    if not _theirs(who, collection):
        raise TurnRejected("unknown_collection", "There is no such collection of yours.")


def _check_all(who: Identity) -> None:
    if who.collections is not None:
        raise Denied(403, "forbidden", "This needs a key that is not held to some collections.")
