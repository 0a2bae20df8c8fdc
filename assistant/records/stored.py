"""Turns as they are recorded, and the tree that they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from assistant.records.models import TurnRow, now

SILENCE = timedelta(seconds=5)
"""A running turn gives a sign of life every second; after so long without one, nobody is running it any more."""


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn as recorded; the event fields are as encoded for the wire, None where the event did not come.

    ``parent`` is the turn before it on its branch, None for a first one; ``siblings`` are the turns with the same
    parent in the order made, itself included. ``question`` is the first of them with the same words. ``position`` is
    the place on its branch, from 0; ``version`` counts the turns made at that place, on whichever branch.
    ``collection`` is the one that it was to search, None for all. ``status`` is running, finished, stopped or failed.
    """

    id: str
    conversation: str
    parent: str | None
    question: str
    siblings: tuple[str, ...]
    position: int
    version: int
    collection: str | None
    text: str
    answer: str
    status: str
    routed: Mapping[str, Any] | None
    retrieved: Mapping[str, Any] | None
    checked: Mapping[str, Any] | None
    ended: Mapping[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """What of a turn the next one reads."""

    id: str
    parent: str | None
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation as the next turn finds it: its surface, the last turn that is shown, and all turns by id."""

    surface: str
    leaf: str | None
    said: Mapping[str, Said]

    def until(self, turn: str | None) -> list[Said]:
        """The branch that ends with a turn, oldest first."""
        return [self.said[each] for each in chain(self.said, turn)]


@dataclass(frozen=True, slots=True)
class Node:
    """A turn's place in the tree, and when it was made."""

    id: str
    parent: str | None
    made: tuple[datetime, int, int]


@dataclass(frozen=True, slots=True)
class Tree:
    """Who follows whom in a conversation; ``nodes`` are in the order of position and version."""

    nodes: Mapping[str, Node]
    leaf: str | None

    def shown(self) -> list[str]:
        """The ids of the shown branch, oldest first."""
        return chain(self.nodes, self.leaf)

    def siblings(self, turn: str) -> tuple[str, ...]:
        """All with the same parent, itself included, in the order made."""
        parent = self.nodes[turn].parent
        return tuple(node.id for node in self.nodes.values() if node.parent == parent)

    def families(self) -> dict[str | None, tuple[str, ...]]:
        """The children of each turn, and under None the first turns, in the order made."""
        found: dict[str | None, list[str]] = {}
        for node in self.nodes.values():
            found.setdefault(node.parent, []).append(node.id)
        return {parent: tuple(children) for parent, children in found.items()}

    def newest_below(self, turn: str) -> str:
        """The newest last turn of those branches that go through a turn; itself where nothing follows it."""
        families, ends, ahead = self.families(), [], [turn]
        while ahead:
            one = ahead.pop()
            following = families.get(one, ())
            ahead += following
            if not following:
                ends.append(self.nodes[one])
        return max(ends, key=lambda node: node.made).id


def chain(turns: Mapping[str, Any], last: str | None) -> list[str]:
    """The ids from the first turn to ``last``."""
    found: list[str] = []
    while last is not None and last in turns:
        found.append(last)
        last = turns[last].parent
    return found[::-1]


def stored(row: TurnRow, siblings: Iterable[str]) -> StoredTurn:
    """The row as a value. A turn that was running when its process died has stopped."""
    silent = row.written_at is None or aware(row.written_at) < now() - SILENCE
    return StoredTurn(
        id=row.id,
        conversation=row.conversation_id,
        parent=row.parent,
        question=row.question or row.id,
        siblings=tuple(siblings),
        position=row.position,
        version=row.version,
        collection=row.collection,
        text=row.text,
        answer=row.answer,
        status="stopped" if row.status == "running" and silent else row.status,
        routed=row.routed,
        retrieved=row.retrieved,
        checked=row.checked,
        ended=row.ended,
        created_at=aware(row.created_at),
    )


def aware(moment: datetime) -> datetime:
    """With its zone, which SQLite does not keep."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
