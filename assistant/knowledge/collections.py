"""Collections and their sources: which there are, bringing them up to date, taking sources out.

The sources of a collection are those that the settings name and those that commands have added. One of the settings
that has left them goes with the next sync of its collection; a collection that left them wholly stays, unsearched.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from assistant.knowledge.attached import is_attached
from assistant.knowledge.base import Build, DocumentBase
from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.happenings import Began, Ended, Mistake, Noted, Removed, Tell
from assistant.knowledge.sources import Source, SourceError, SourceSpec
from assistant.knowledge.store import Index, StoreError
from assistant.knowledge.sync import Sync, SyncRefused
from assistant.records.manifest import Manifest, Origin, SourceState

log = logging.getLogger(__name__)
NAMED = SourceSpec("settings", "")
"""A row of the manifest that is no source: it says that the settings have named the collection. Without it nobody
could tell a collection that commands made from one that has left the settings with its rule of who may read it."""

LOCAL = "local"
Configured = Mapping[str, Sequence[SourceSpec]]
MakeSource = Callable[[SourceSpec], Source]
MakeSync = Callable[[Index, Build, str], Sync]
"""Into an index, with what that is made with, by an engine: local or ray."""
Carry = Callable[[Index, Build], Awaitable[None]]
"""Brings into an index what it must hold and no source has: the files attached to conversations."""


async def _nothing(index: Index, build: Build) -> None:
    """Where there is nothing of the kind."""


@dataclass(frozen=True, slots=True)
class Known:
    """A source with what the index holds of it now."""

    state: SourceState
    documents: int
    passages: int
    left: bool
    """The settings do not name it any more."""


class Collections:
    """Works on the collections of a document base, one piece of work at a time; searches go on meanwhile."""

    def __init__(self, base: DocumentBase, manifest: Manifest, make_source: MakeSource, make_sync: MakeSync) -> None:
        self.base = base
        self.manifest = manifest
        self.make_source = make_source
        self.make_sync = make_sync
        self.configured: Configured = {}
        self.working = asyncio.Lock()
        self.carry: Carry = _nothing
        self.changes = 0
        """Counts up with each piece of work that may have changed what there is."""

    async def name(self, configured: Configured) -> None:
        """Take over what the settings say, and remember which collections and sources they name."""
        states = await self.manifest.sources()
        known = {(state.collection, state.spec.id, state.origin) for state in states}
        for collection, specs in configured.items():
            for spec in (NAMED, *specs):
                if (collection, spec.id, "settings") not in known:
                    await self.manifest.add(collection, spec, "settings")
        self.configured = configured
        self.changes += 1

    async def states(self, collection: str | None = None) -> list[SourceState]:
        """All sources, or those of a collection: in the order of the settings, then as they were added. What the
        settings say of a source counts as they say it now."""
        found = [state for state in await self.manifest.sources(collection) if state.spec != NAMED]
        named = {(name, spec.id): spec for name, specs in self.configured.items() for spec in specs}
        order = {key: place for place, key in enumerate(named)}
        states = [replace(state, spec=named.get((state.collection, state.spec.id), state.spec)) for state in found]
        return sorted(states, key=lambda state: order.get((state.collection, state.spec.id), len(order)))

    def left(self, state: SourceState) -> bool:
        """Whether the settings used to name a source and do not any more."""
        named = self.configured.get(state.collection, ())
        return state.origin == "settings" and all(spec.id != state.spec.id for spec in named)

    async def of_commands(self) -> set[str]:
        """Collections that commands have made and that the settings have never named."""
        origins: dict[str, set[Origin]] = {}
        for state in await self.manifest.sources():
            origins.setdefault(state.collection, set()).add(state.origin)
        return {name for name, found in origins.items() if found == {"command"}}

    async def known(self, collection: str | None = None) -> list[Known]:
        """The sources with what the index holds of each."""
        index = await self.base.searched()
        states = await self.states(collection)
        held: Counter[tuple[str, str, str]] = Counter()
        for name in {state.collection for state in states} if index else ():
            for document in await index.documents(name) if index else ():
                held[(name, document.source, "documents")] += 1
                held[(name, document.source, "passages")] += document.chunks
        return [
            Known(
                state,
                held[(state.collection, state.spec.id, "documents")],
                held[(state.collection, state.spec.id, "passages")],
                self.left(state),
            )
            for state in states
        ]

    async def passages(self) -> dict[str, int]:
        """The collections that the index holds, with their numbers of passages; those of conversations are nobody's."""
        index = await self.base.searched()
        held = await index.collections() if index else {}
        return {name: count for name, count in held.items() if not is_attached(name)}

    @asynccontextmanager
    async def alone(self, tell: Tell) -> AsyncIterator[None]:
        """While nothing else is done to the collections."""
        if self.working.locked():
            tell(Noted("Waiting for other work on the collections to end"))
        async with self.working:
            yield

    async def due(self, collection: str | None = None, source: Sequence[str] = ()) -> list[SourceState]:
        """What a sync brings up to date: all sources, those of a collection, or those that are meant by one of these
        ids, locations or labels. Raises Mistake where there is none."""
        states = [state for state in await self.states(collection) if not self.left(state)]
        if source:
            states = [state for state in states if _means(source, state)]
        if not states and source:
            raise Mistake(_no_source(source, collection))
        if not states and collection is not None and collection not in self.configured:
            raise Mistake(f"there is no collection '{collection}'. `assistant sources list` shows those there are")
        return states

    async def sync(
        self, states: Sequence[SourceState], tell: Tell, *, force: bool = False, engine: str = LOCAL
    ) -> None:
        """Bring sources up to date, each on its own: one that fails stops nothing. Where all of a collection's came
        through, what has left the settings goes."""
        async with self.alone(tell):
            live = self.base.live
            sync, ended = self.make_sync(live.index, live.build, engine), set[tuple[str, str]]()
            for place, state in enumerate(states, 1):
                tell(Began(state.collection, state.spec.label, place, len(states)))
                result = await self.follow(sync, state, tell, force=force)
                tell(result)
                if result.outcome == "ok":
                    ended.add((state.collection, state.spec.id))
                self.changes += 1
            for collection in dict.fromkeys(state.collection for state in states):
                named = self.configured.get(collection)
                if named is not None and all((collection, spec.id) in ended for spec in named):
                    await self._remove_left(sync, collection, tell)

    async def follow(self, sync: Sync, state: SourceState, tell: Tell, *, force: bool) -> Ended:
        """One source; whatever goes wrong with it is what it ended with, and noted."""
        collection, spec = state.collection, state.spec
        try:
            report = await sync.run(collection, self.make_source(spec), tell, force=force)
        except SyncRefused as error:
            result = Ended(collection, spec.label, "refused", str(error))
        except (SourceError, EmbedderError, StoreError) as error:
            result = Ended(collection, spec.label, "failed", str(error))
        except Exception:  # a reader of somebody else's may raise anything, and what it says may hold a key
            log.exception("the sync of %s in %s failed", spec.label, collection)
            result = Ended(collection, spec.label, "failed", "something unexpected happened; the log has it")
        else:
            result = Ended(collection, spec.label, "ok", report=report)
        numbers = asdict(result.report) if result.report else None
        await self.manifest.note(collection, spec.id, result.outcome, result.message, numbers)
        return result

    async def add(self, collection: str, specs: Iterable[SourceSpec]) -> list[SourceState]:
        """Remember sources of a command. Those that are there already keep their origin, but for one that has left
        the settings: it is the command's from now on. Raises Mistake for a name that no collection may have."""
        if is_attached(collection):
            raise Mistake(f"'{collection}' cannot name a collection")
        wanted = list(specs)
        ids = [spec.id for spec in wanted]
        for state in await self.states(collection):
            if state.spec.id in ids and self.left(state):
                await self.manifest.forget(collection, state.spec.id)
        for spec in wanted:
            await self.manifest.add(collection, spec, "command")
        return [state for state in await self.states(collection) if state.spec.id in ids]

    async def remove(self, collection: str, source: Sequence[str]) -> Removed:
        """Take a source out with its documents. Raises Mistake for one of the settings, which would come back."""
        states = [state for state in await self.states(collection) if _means(source, state)]
        if not states:
            raise Mistake(_no_source(source, collection))
        (state, *others) = states
        if others:
            ids = ", ".join(each.spec.id for each in states)
            raise Mistake(f"several sources of '{collection}' are meant by that: name one by its id: {ids}")
        if not self.left(state) and state.origin == "settings":
            raise Mistake(
                f"{state.spec.label} is in the settings. Take it out of collections.{collection}.sources; the next "
                "sync of the collection removes its documents"
            )
        async with self.working:
            live = self.base.live
            documents = await self.make_sync(live.index, live.build, LOCAL).remove(collection, state.spec.id)
            self.changes += 1
        return Removed(collection, state.spec.label, documents, "taken out")

    async def drop(self, collection: str) -> bool:
        """Delete a collection and forget its sources; False if there is none. One of the settings stays in them."""
        if is_attached(collection):
            return False
        async with self.working:
            index = self.base.live.index
            known = collection in await index.collections() or bool(await self.manifest.sources(collection))
            await index.delete_collection(collection)
            await self.manifest.forget(collection)
        if collection in self.configured:
            await self.name(self.configured)
        self.changes += 1
        return known

    async def _remove_left(self, sync: Sync, collection: str, tell: Tell) -> None:
        for state in await self.states(collection):
            if self.left(state):
                documents = await sync.remove(collection, state.spec.id)
                tell(Removed(collection, state.spec.label, documents, "left the settings"))


def row(known: Known) -> dict[str, Any]:
    """As JSON values, without secrets."""
    state = known.state
    return {
        "collection": state.collection,
        "id": state.spec.id,
        "kind": state.spec.kind,
        "location": state.spec.label.removeprefix(f"{state.spec.kind} "),
        "origin": state.origin,
        "left": known.left,
        "documents": known.documents,
        "passages": known.passages,
        "synced_at": state.synced_at.isoformat() if state.synced_at else None,
        "outcome": state.outcome,
        "message": state.message,
        "report": dict(state.report) if state.report else None,
    }


def _means(source: Sequence[str], state: SourceState) -> bool:
    return not {state.spec.id, state.spec.location, state.spec.label}.isdisjoint(source)


def _no_source(source: Sequence[str], collection: str | None) -> str:
    where = f" in the collection '{collection}'" if collection else ""
    return f"there is no source '{source[0]}'{where}. `assistant sources list` shows those there are"
