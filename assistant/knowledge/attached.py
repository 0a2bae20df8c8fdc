"""Files that people attach to a conversation, as documents of a collection that nobody but its turns searches."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, Self, TypeVar

from assistant.knowledge.apart import read_apart
from assistant.knowledge.characters import readable
from assistant.knowledge.sources import Fetched, Listed, Listing, SourceSpec

ATTACHED_TITLE = "attached file"
"""How readers know the collection."""
NAME_CHARACTERS = 120

_PREFIX = "attached:"
"""No collection of the settings or of a command can be named like this."""


def collection_of(conversation: str) -> str:
    """The hidden collection of a conversation."""
    return f"{_PREFIX}{conversation}"


def is_attached(collection: str) -> bool:
    """Whether a collection is a conversation's own, which is in no list and no choice."""
    return collection.startswith(_PREFIX)


def conversation_of(collection: str) -> str | None:
    """The conversation whose own collection this is, None where it is nobody's."""
    return collection.removeprefix(_PREFIX) if is_attached(collection) else None


def shown(collection: str) -> str:
    """The collection as readers know it, where nothing else is known of it."""
    return ATTACHED_TITLE if is_attached(collection) else collection


def file_name(given: str) -> str:
    """A person's name for a file as it is shown: one line without folders and without what nobody sees, its suffix
    kept where it is cut."""
    last = readable(given).replace("\\", "/").rstrip("/").rpartition("/")[2]
    name = " ".join(last.split())
    path = PurePath(f"file{name}" if name.startswith(".") or not name else name)
    suffix = path.suffix[:12]
    return f"{path.name.removesuffix(path.suffix)[: NAME_CHARACTERS - len(suffix)]}{suffix}"


class Stopped(Exception):
    """Nobody wants it any more."""


T = TypeVar("T")


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives. Raises Stopped, and the work is cancelled, where ``stop`` comes first."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Stopped
        return await doing
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)


class AttachedFile:
    """One attached file, by its own id and kept at ``path``; people know it by ``name``, which also says its format.
    Once ``stop`` is set, reading it raises Stopped."""

    def __init__(self, identity: str, path: Path, name: str, stop: asyncio.Event | None = None) -> None:
        self.spec = SourceSpec("attached", identity)
        self.stop = stop or asyncio.Event()
        self._path, self._name = path, name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def list(self) -> Listing:
        return Listing((Listed(self._name),))

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        document = await unless(self.stop, read_apart(self._path, PurePath(self._name).suffix))
        return Fetched(replace(document, title=self._name), None)
