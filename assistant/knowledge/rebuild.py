"""A new index beside the live one, filled from all sources, and only then searched instead of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from assistant.knowledge.base import FORMAT, Build
from assistant.knowledge.collections import LOCAL, Collections
from assistant.knowledge.happenings import Began, NotDone, Noted, Tell
from assistant.knowledge.store import Index
from assistant.records.manifest import SourceState

MANY = 20
"""So many documents must be there before half of them missing counts as something wrong with the source."""


@dataclass(slots=True)
class _Held:
    """Documents that an index holds by collection and source; chunks by collection."""

    documents: dict[tuple[str, str], int] = field(default_factory=dict)
    collections: dict[str, int] = field(default_factory=dict)
    by_source: bool = True

    def of(self, state: SourceState) -> int:
        """Of a source; an index of another format only tells that there was something in the collection."""
        if self.by_source:
            return self.documents.get((state.collection, state.spec.id), 0)
        return min(1, self.collections.get(state.collection, 0))


async def rebuild(collections: Collections, build: Build, tell: Tell, *, force: bool = False) -> str:
    """Build, switch, and keep the index before; the name of the new one. A rebuild that was stopped is taken up
    where it was.

    Raises NotDone without switching where a source failed or has lost most of its documents that the live index
    holds, unless forced.
    """
    async with collections.alone(tell):
        base = collections.base
        states = await _states(collections)
        live = await base.searched()
        before = await _held(live, states)
        index = await base.beside(build)
        tell(Noted(f"Building {index.name}: {build.embedder.name}, passages of {build.max_tokens} tokens"))
        sync, bad = collections.make_sync(index, build, LOCAL), 0
        for place, state in enumerate(states, 1):
            tell(Began(state.collection, state.spec.label, place, len(states)))
            result = await collections.follow(sync, state, tell, force=force)
            tell(result)
            bad += result.outcome != "ok" and before.of(state) > 0
        after = await _held(index, states)
        for state in states:
            had, has = before.of(state), after.of(state)
            if (had and not has) or (had >= MANY and has < had / 2):
                tell(Noted(f"{state.collection}, {state.spec.label}: {had} documents before, {has} now"))
                bad += 1
        if bad and not force:
            raise NotDone(
                "the new index lacks what the present one holds, so the present one stays. Mend the sources above and "
                "run it again, which goes on from here; or switch all the same with --force"
            )
        await collections.carry(index, build)
        await base.go_live(index, build, collections.manifest.drop_index)
        await collections.carry(index, build)  # what has come since
        collections.changes += 1
        tell(Noted(f"{index.name} is searched from now on; the index before is kept for a rollback"))
        return index.name


async def roll_back(collections: Collections, build: Build, tell: Tell) -> None:
    """Search the previous index again, then bring it up to date. Raises StoreError where that cannot be."""
    async with collections.alone(tell):
        name = await collections.base.roll_back(build)
        collections.changes += 1
        tell(Noted(f"{name} is searched again; it is brought up to date now"))
        await collections.carry(collections.base.live.index, build)
    await collections.sync(await collections.due(), tell)


async def _states(collections: Collections) -> list[SourceState]:
    """All sources but those that have left the settings."""
    return [state for state in await collections.states() if not collections.left(state)]


async def _held(index: Index | None, states: list[SourceState]) -> _Held:
    if index is None:
        return _Held()
    held = _Held(collections=dict(await index.collections()), by_source=f"-f{FORMAT}-" in index.name)
    for collection in {state.collection for state in states} if held.by_source else ():
        versions = {(each.source, each.document) for each in await index.documents(collection)}
        held.documents.update(Counter((collection, source) for source, _ in versions))
    return held
