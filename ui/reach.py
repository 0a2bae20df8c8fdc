"""What the routes of the API are handed: the assistant, who asks, and what they may search."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from fastapi.responses import Response

from assistant.access.identity import Denied, Identity
from assistant.app import Assistant
from assistant.conversation.accepting import an_id, no_turn
from assistant.conversation.service import DEFAULT_SURFACE, asker
from ui.identity import Who


async def here(request: Request) -> Assistant:
    """The assistant that this app serves."""
    return cast(Assistant, request.app.state.assistant)


Here = Annotated[Assistant, Depends(here)]


def acting(who: Identity, groups: Collection[str] = ()) -> Identity:
    """Who it is that acts: commands on this machine do as somebody of the groups that they name, or as everybody of
    whom nothing is known. Raises Denied where anybody else names groups."""
    if who.via == "machine":
        return Identity.of(replace(who, person=asker(groups)), groups)
    if groups:
        message = "Only commands on this machine may name groups."
        raise Denied(401, "sign_in", message) if who.via == "nobody" else Denied(403, "forbidden", message)
    return who


async def asking(who: Who) -> Identity:
    """Who asks, where the body names no groups."""
    return acting(who)


Asker = Annotated[Identity, Depends(asking)]


async def reach(
    assistant: Assistant, who: Identity, surface: str | None = None, collection: str | None = None
) -> tuple[str, frozenset[str]]:
    """The surface that is meant, and the collections that somebody may search there: all, or the one that is named.
    Raises TurnRejected in the very words of what does not exist."""
    await assistant.follow()
    surface = surface or who.default_surface(DEFAULT_SURFACE)
    return surface, await assistant.service.front.searched(surface, collection, who)


async def everywhere(assistant: Assistant, who: Identity) -> frozenset[str]:
    """The collections that somebody may search on any surface that they may use."""
    await assistant.follow()
    found = [await assistant.readable(surface, who.groups) for surface in surfaces(assistant, who)]
    return who.within(frozenset().union(*found))


async def check_turn(assistant: Assistant, turn: str, who: Identity) -> None:
    """Nothing, where a turn is on a surface that somebody may use. Raises TurnRejected, as for one there is not."""
    if who.surfaces is None:
        return
    stored = await assistant.records.turn(turn, who.person) if an_id(turn) else None
    surface = await assistant.records.surface_of(stored.conversation, who.person) if stored else None
    if surface is None or not who.on(surface):
        raise no_turn()


def surfaces(assistant: Assistant, who: Identity) -> list[str]:
    """The surfaces that somebody may use, by name."""
    return sorted(filter(who.on, assistant.settings.surfaces))


def as_json(value: Any, headers: dict[str, str] | None = None) -> Response:
    """In ASCII: what a model wrote can hold what no encoding takes."""
    return Response(json.dumps(value), media_type="application/json", headers=headers)
