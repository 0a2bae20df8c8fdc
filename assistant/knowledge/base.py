"""The document base as the program sees it: the live index with the embedder that made it, swapped as one.

Three aliases name indexes in the store: ``live`` is searched, ``previous`` was before it and is kept for a rollback,
``building`` is being filled beside them. A search takes index and embedder together, so that a vector of one model
never meets the index of another, also while they are exchanged.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from assistant.conversation.turn import Turn
from assistant.knowledge.attached import is_attached
from assistant.knowledge.embedder import Embedder
from assistant.knowledge.retrieve import Found, Retriever
from assistant.knowledge.store import Index, Store, StoreError
from assistant.routing.classifier import Embedded

log = logging.getLogger(__name__)
LIVE, PREVIOUS, BUILDING = "live", "previous", "building"
FORMAT = 2
"""Counts up when what is stored of a chunk changes, so that an older index is built anew."""

_NAME = re.compile(r"(?P<model>.+)-d(?P<dimension>\d+)-c(?P<tokens>\d+)(?:-f(?P<format>\d+))?-v(?P<number>\d+)")
MakeRetriever = Callable[[Index, Embedder], Retriever]
REPAIR = "build it anew: assistant ingest --rebuild"


@dataclass(frozen=True, slots=True)
class Build:
    """What an index depends on: the embedding model, and the most tokens of a chunk. ``another`` makes the same
    embedder once more, in another process: it pickles."""

    embedder: Embedder
    max_tokens: int
    another: Callable[[], Embedder] | None = None

    @property
    def base(self) -> str:
        """The names of all indexes of this kind, but for their number."""
        size = min(self.max_tokens, self.embedder.max_tokens)
        name = f"{self.embedder.name}-d{self.embedder.dimension}-c{size}"
        return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") + f"-f{FORMAT}"


@dataclass(frozen=True, slots=True)
class Stored:
    """An index in the store: its name, what it is for (live, previous, building or nothing), its chunks but for those
    of attached files."""

    name: str
    use: str
    chunks: int

    @property
    def made_with(self) -> str:
        """Embedder and chunking, in words."""
        return made_with(self.name)


@dataclass(slots=True)
class Bundle:
    """What a search needs, belonging together."""

    index: Index
    build: Build
    retriever: Retriever
    searching: int = 0


@dataclass(slots=True)
class DocumentBase:
    """Owns the store and what is live in it. ``keep`` says of an embedder that it is not closed with its index."""

    store: Store
    make_retriever: MakeRetriever
    keep: Callable[[Embedder], bool] = lambda _: False
    _live: Bundle | None = None
    _retired: list[Bundle] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    @property
    def live(self) -> Bundle:
        """What is searched. Raises StoreError where nothing that can be is."""
        if self._live is None:
            raise StoreError(f"the document base is not open; {REPAIR}")
        return self._live

    @property
    def open_for_search(self) -> bool:
        """Whether there is a live index that the settings fit."""
        return self._live is not None

    async def open(self, build: Build, *, whatever: bool = False) -> None:
        """Open the store and its live index; the first one is made. Raises StoreError where the settings ask for
        another than is there, unless ``whatever`` is there will do, because it is about to be replaced."""
        await self.store.open()
        try:
            self._live = await self._open_live(build)
        except StoreError:
            if not whatever:
                await self.store.close()
                raise

    async def close(self) -> None:
        """Close the store and the embedders."""
        for bundle in [*self._retired, *([self._live] if self._live else [])]:
            await self._close_embedder(bundle)
        self._live, self._retired = None, []
        await self.store.close()

    async def search(self, turn: Turn, embedded: Embedded | None = None) -> Found:
        """The passages for a turn, from what is live as it begins."""
        async with self._held() as retriever:
            return await retriever.search(turn, embedded)

    async def expect(self, answer: str) -> None:
        """Get ready for a turn that follows this answer."""
        async with self._held() as retriever:
            await retriever.expect(answer)

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[Retriever]:
        """What is live now, open for as long."""
        bundle = self.live
        bundle.searching += 1
        try:
            yield bundle.retriever
        finally:
            bundle.searching -= 1
            if not bundle.searching and bundle in self._retired:
                self._retired.remove(bundle)
                await self._close_embedder(bundle)

    def use(self, make_retriever: MakeRetriever) -> None:
        """Search in another way from the next turn on."""
        self.make_retriever = make_retriever
        if self._live is not None:
            self._live.retriever = make_retriever(self._live.index, self._live.build.embedder)

    async def beside(self, build: Build) -> Index:
        """An index to fill beside the live one: what a stopped rebuild of the same kind has left, else a new one."""
        aliases, names = await self.store.aliases(), await self.store.indexes()
        begun = aliases.get(BUILDING)
        if begun in names and begun not in (aliases.get(LIVE), aliases.get(PREVIOUS)) and _base(begun) == build.base:
            return await self.store.create(begun, build.embedder.dimension)
        name = next(f"{build.base}-v{n}" for n in count(1) if f"{build.base}-v{n}" not in names)
        index = await self.store.create(name, build.embedder.dimension)
        await self.store.switch(BUILDING, name)
        return index

    async def go_live(self, index: Index, build: Build, dropped: Callable[[str], Awaitable[None]]) -> None:
        """Search this index from now on. The one before, unless nothing was in it, is kept for a rollback; older ones
        are dropped."""
        before = (await self.store.aliases()).get(LIVE)
        if before is not None and await (await self.store.index(before)).count():
            await self.store.switch(PREVIOUS, before)
        await self.store.switch(LIVE, index.name)
        await self._swap(index, build)
        kept = (before, index.name, (await self.store.aliases()).get(PREVIOUS))
        for name in await self.store.indexes():
            if name not in kept:
                await self.store.drop(name)
                await dropped(name)

    async def roll_back(self, build: Build) -> str:
        """Search the previous index again; the live one becomes the previous. Returns its name. Raises StoreError
        where there is none, or the settings are not those that it was built with."""
        aliases = await self.store.aliases()
        live, previous = aliases.get(LIVE), aliases.get(PREVIOUS)
        if previous is None or previous == live or previous not in await self.store.indexes():
            raise StoreError("there is no earlier index to go back to; a rebuild keeps the one before it")
        if _base(previous) != build.base:
            raise StoreError(f"the earlier index was built with {made_with(previous)}. {_put_back(previous, build)}")
        index = await self.store.create(previous, build.embedder.dimension)
        await self.store.switch(LIVE, previous)
        if live is not None:
            await self.store.switch(PREVIOUS, live)
        await self._swap(index, build)
        return previous

    async def discard(self, build: Build) -> None:
        """Close the embedder of a build that came to nothing."""
        if (self._live is None or self._live.build.embedder is not build.embedder) and not self.keep(build.embedder):
            await build.embedder.aclose()

    async def look_again(self) -> None:
        """Follow another process that has switched a shared store to an index of the same kind; one of another kind
        waits for this program to start with its settings."""
        bundle = self.live
        name = (await self.store.aliases()).get(LIVE)
        if name is None or name == bundle.index.name or self._live is not bundle:
            return
        if _base(name) == bundle.build.base:
            await self._swap(await self.store.index(name), bundle.build)
        elif name not in self._told:
            self._told.add(name)
            log.warning(
                "the live index is '%s' now, built with %s: start again with its settings", name, made_with(name)
            )

    async def indexes(self) -> list[Stored]:
        """What the store holds, the live one first."""
        aliases = await self.store.aliases()
        found = []
        for name in await self.store.indexes():
            use = next((each for each in (LIVE, PREVIOUS, BUILDING) if aliases.get(each) == name), "")
            held = await (await self.store.index(name)).collections()
            found.append(Stored(name, use, sum(n for each, n in held.items() if not is_attached(each))))
        return sorted(found, key=lambda each: ((LIVE, PREVIOUS, BUILDING, "").index(each.use), each.name))

    async def searched(self) -> Index | None:
        """The live index, also where the settings do not fit it; None where there is none."""
        if self._live is not None:
            return self._live.index
        name = (await self.store.aliases()).get(LIVE)
        return await self.store.index(name) if name in await self.store.indexes() else None

    async def _open_live(self, build: Build) -> Bundle:
        aliases = await self.store.aliases()
        name = aliases.get(LIVE)
        if name is None:
            taken = await self.store.indexes()
            name = next(f"{build.base}-v{n}" for n in count(1) if f"{build.base}-v{n}" not in taken)
            index = await self.store.create(name, build.embedder.dimension)
            await self.store.switch(LIVE, name)
        elif _base(name) != build.base:
            raise StoreError(_mismatch(name, build, aliases.get(PREVIOUS)))
        else:
            index = await self.store.create(name, build.embedder.dimension)
        return Bundle(index, build, self.make_retriever(index, build.embedder))

    async def _swap(self, index: Index, build: Build) -> None:
        """From here on searches begin with the new one; those that run end on the old one, which closes after them."""
        before = self._live
        self._live = Bundle(index, build, self.make_retriever(index, build.embedder))
        if before is None or before.build.embedder is build.embedder:
            return
        if before.searching:
            self._retired.append(before)
        else:
            await self._close_embedder(before)

    async def _close_embedder(self, bundle: Bundle) -> None:
        if not self.keep(bundle.build.embedder):
            await bundle.build.embedder.aclose()


def made_with(name: str) -> str:
    """Embedder and chunking of an index, in words, from its name."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        return f"settings that its name, '{name}', does not tell"
    earlier = "" if parts["format"] == str(FORMAT) else ", another version of Switchyard"
    return f"{parts['model']} ({parts['dimension']} dimensions), {parts['tokens']} tokens{earlier}"


def _base(name: str | None) -> str:
    return (name or "").rpartition("-v")[0]


def _mismatch(name: str, build: Build, previous: str | None) -> str:
    parts = _NAME.fullmatch(name)
    if parts is not None and parts["format"] != str(FORMAT):
        return f"the document base was made by another version of Switchyard ('{name}'); {REPAIR}"
    back = "Or go back to the index before it: assistant collections rollback" if _base(previous) == build.base else ""
    return (
        f"the document base was built with {made_with(name)}, and the settings of embedder and chunking now ask for "
        f"{made_with(build.base + '-v1')}. Put them back, or {REPAIR}. {back}"
    ).rstrip()


def _put_back(name: str, build: Build) -> str:
    parts, wanted = _NAME.fullmatch(name), _NAME.fullmatch(f"{build.base}-v1")
    if parts is None or wanted is None or parts["format"] != wanted["format"]:
        return "This version cannot search it"
    fixes = []
    if parts["tokens"] != wanted["tokens"]:
        fixes.append(f"chunking.max_tokens: {parts['tokens']}")
    if (parts["model"], parts["dimension"]) != (wanted["model"], wanted["dimension"]):
        fixes.append(f"the embedder (provider and model) that is named {parts['model']}")
    return f"First put back in the settings {' and '.join(fixes)}, then try again"
