"""The routes of the models and of the router."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from assistant.access.identity import Identity
from assistant.app import Assistant
from assistant.model_health import all_health, roles_of
from assistant.routing.router import Costs
from assistant.routing.versions import Version, Versions
from ui.api_errors import refusals
from ui.paging import Paged, paged
from ui.reach import Asker, Here, as_json
from ui.shapes import ModelPage, RouterRow

router = APIRouter(prefix="/api/v1", tags=["models"])


@router.get("/models", operation_id="list_models", response_model=ModelPage, responses=refusals())
async def models(assistant: Here, who: Asker, wanted: Paged) -> Response:
    """The models that play a role where the person may ask; for admins all, with what their providers say now."""
    await assistant.follow()
    rows = await _with_health(assistant) if who.may("admin") else _playing(assistant, who)
    found, after = paged(sorted(rows, key=_name), wanted, _name)
    return as_json({"models": found, "next": after})


@router.get("/router", operation_id="read_router", response_model=RouterRow, responses=refusals())
async def read_router(assistant: Here, who: Asker) -> Response:
    """How routes are decided now; for admins with the versions that there are."""
    await assistant.follow()
    settings = assistant.settings.router
    versions = Versions(assistant.settings.data)
    costs = settings.costs
    row: dict[str, Any] = {
        "version": await asyncio.to_thread(versions.current),
        "threshold": Costs(costs.missed_lookup, costs.needless_lookup).threshold,
        "voice_threshold": settings.voice_threshold,
        "ask_threshold": settings.ask_threshold if settings.ask else None,
        "costs": {"missed_lookup": costs.missed_lookup, "needless_lookup": costs.needless_lookup},
    }
    if who.may("admin"):
        row["versions"] = [_version(each) for each in await asyncio.to_thread(versions.listed)]
    return as_json(row)


def _playing(assistant: Assistant, who: Identity) -> list[dict[str, Any]]:
    settings = assistant.settings
    found: dict[str, list[str]] = {}
    for name, roles in roles_of(settings).items():
        for role in roles:
            surface, apart, _ = role.partition(": ")
            if not apart or (surface in settings.surfaces and who.on(surface)):
                found.setdefault(name, []).append(role)
    return [{"name": name, "roles": roles} for name, roles in found.items()]


async def _with_health(assistant: Assistant) -> list[dict[str, Any]]:
    resting = assistant.backends.resting()
    rows = []
    for each in await all_health(assistant.settings, assistant.voice.resources):
        health = asdict(each) | {"resting": bool(resting.get(each.name))}
        rows.append({"name": health.pop("name"), "roles": list(health.pop("roles")), "health": health})
    return rows


def _version(each: Version) -> dict[str, Any]:
    return {
        "name": each.name,
        "in_use": each.in_use,
        "shadow": each.shadow,
        "shipped": each.shipped,
        "made": str(each.card["made"]) if "made" in each.card else None,
        "problem": each.problem,
    }


def _name(row: dict[str, Any]) -> str:
    return str(row["name"])
