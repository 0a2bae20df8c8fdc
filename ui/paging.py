"""Lists in parts, alike on every route: ``limit``, ``cursor``, and ``next`` in the answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Query

from assistant.conversation.service import TurnRejected
from assistant.records.conversations import MOST

USUAL = 50
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a list that is asked for."""

    limit: int
    cursor: str | None


async def part(
    limit: Annotated[int, Query(ge=1, le=MOST, description="how many at most")] = USUAL,
    cursor: Annotated[str | None, Query(max_length=4000, description="the `next` of the part before")] = None,
) -> Part:
    """As every list takes it."""
    return Part(limit, cursor)


Paged = Annotated[Part, Depends(part)]


def paged(rows: Sequence[Row], wanted: Part, key: Callable[[Row], str] | None = None) -> tuple[list[Row], str | None]:
    """The wanted part of rows, and the cursor of what follows. ``key`` is what they are in the order of: then nothing
    is left out or told twice where rows come and go; without it their place counts. Raises TurnRejected."""
    last = None if wanted.cursor is None else _read(wanted.cursor)
    places = [key(row) for row in rows] if key else [f"{place:09d}" for place in range(len(rows))]
    start = 0 if last is None else next((at for at, place in enumerate(places) if place > last), len(rows))
    end = min(start + wanted.limit, len(rows))
    return list(rows[start:end]), _cursor(places[end - 1]) if start < end < len(rows) else None


def _cursor(place: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([place]).encode()).decode()


def _read(cursor: str) -> str:
    try:
        (place,) = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError):
        place = None
    if not isinstance(place, str):
        raise TurnRejected("invalid_request", "There is no such place in the list. Start from its beginning.")
    return place
