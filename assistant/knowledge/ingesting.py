"""`assistant ingest PATHS`: the simple way to add sources to a collection and sync them at once."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.knowledge.collections import Collections
from assistant.knowledge.given import covers, spec_of
from assistant.knowledge.happenings import Ended, Happening, Mistake, Removed, Tell
from assistant.knowledge.sources import SourceSpec
from assistant.records.manifest import SourceState


async def ingest(
    collections: Collections,
    given: Sequence[str],
    collection: str,
    tell: Tell,
    *,
    force: bool = False,
    outward: bool = False,
) -> None:
    """Files, folders and addresses as sources of a collection, synced. What a known folder holds already is synced
    with that folder; a new folder takes the place of what commands added below it. ``outward`` takes addresses of the
    public web alone, and has them read there from now on.

    Raises Mistake for what cannot be a source, and then nothing is remembered of it.
    """
    before = [state.spec for state in await collections.states(collection) if not collections.left(state)]
    specs: dict[str, SourceSpec] = {}
    for each in given:
        spec = spec_of(each, [*before, *specs.values()], outward=outward)
        specs[spec.id] = spec
    states = await collections.add(collection, specs.values())
    ended: dict[str, Ended] = {}

    def listen(happening: Happening) -> None:
        if isinstance(happening, Ended):
            ended[happening.label] = happening
        tell(happening)

    await collections.sync(states, listen, force=force)
    known = {spec.id for spec in before}
    await _forget_what_is_nothing(
        collections, collection, [spec for spec in specs.values() if spec.id not in known], ended
    )
    for spec in specs.values():
        if ended[spec.label].outcome == "ok":
            await _absorb(collections, collection, spec, tell)


async def _forget_what_is_nothing(
    collections: Collections, collection: str, fresh: Sequence[SourceSpec], ended: dict[str, Ended]
) -> None:
    """A new source that could not be read at all, or that is empty, was mistyped. A folder of which only some files
    could not be read is none of that."""
    held = {known.state.spec.id: known.documents for known in await collections.known(collection)}
    empty: list[str] = []
    for spec in fresh:
        end = ended[spec.label]
        failures = end.report.failed if end.report is not None else []
        if held.get(spec.id) or (failures and spec.kind not in ("file", "url")):
            continue
        await collections.manifest.forget(collection, spec.id)
        if end.outcome == "ok" and not failures:
            empty.append(f"the {spec.kind} {spec.location} holds no file of a kind that can be read")
    if empty:
        raise Mistake("; ".join(empty))


async def _absorb(collections: Collections, collection: str, folder: SourceSpec, tell: Tell) -> None:
    def inside(state: SourceState) -> bool:
        return state.origin == "command" and state.spec != folder and covers(folder, state.spec)

    for state in [state for state in await collections.states(collection) if inside(state)]:
        removed = await collections.remove(collection, [state.spec.id])
        tell(Removed(collection, state.spec.label, removed.documents, f"now part of {folder.label}"))
