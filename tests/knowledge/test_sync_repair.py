"""Whatever state a killed sync left, the next one puts right: each state is made, then synced."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.knowledge.outcome import Report
from assistant.knowledge.store import Point
from tests.knowledge.syncing import COLLECTION, Base, MemorySource, opened, page

OLD, NEW = page("one", "two", "three"), page("one", "2", "three")


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Base]:
    async with opened(tmp_path) as base:
        yield base


async def points(base: Base, uri: str, text: str) -> Sequence[Point]:
    """What a sync writes for a document."""
    place = MemorySource({uri: text}, name="elsewhere")
    await base.run(place)
    made = await base.index.points(COLLECTION, place.spec.id, uri)
    await base.sync.remove(COLLECTION, place.spec.id)
    id = MemorySource().spec.id
    return [Point(replace(point.chunk, source=id), point.vector) for point in made]


async def test_an_old_version_beside_the_new_one_goes(base: Base) -> None:
    source = MemorySource({"a.md": NEW})
    await base.index.upsert([*await points(base, "a.md", OLD), *await points(base, "a.md", NEW)])
    assert await base.run(source) == Report(changed=1)
    assert base.embedder.embedded == 0
    await base.is_true_to(source)


async def test_two_versions_that_are_both_old_go(base: Base) -> None:
    source = MemorySource({"a.md": page("four")})
    await base.index.upsert([*await points(base, "a.md", OLD), *await points(base, "a.md", NEW)])
    assert await base.run(source) == Report(changed=1, chunks=1)
    await base.is_true_to(source)


@pytest.mark.parametrize("kept", [[0], [1, 2], [0, 2]])
async def test_a_part_of_a_version_is_completed(base: Base, kept: list[int]) -> None:
    source = MemorySource({"a.md": NEW})
    made = await points(base, "a.md", NEW)
    await base.index.upsert([made[position] for position in kept])
    assert await base.run(source) == Report(added=1, chunks=3, reused=len(kept))
    await base.is_true_to(source)


async def test_a_part_of_the_new_version_beside_the_old_one(base: Base) -> None:
    source = MemorySource({"a.md": OLD})
    await base.run(source)
    source.texts["a.md"] = NEW
    await base.index.upsert((await points(base, "a.md", NEW))[1:2])
    assert await base.run(source) == Report(changed=1, chunks=3, reused=3)
    await base.is_true_to(source)


async def test_a_version_with_more_chunks_than_it_has_now(base: Base) -> None:
    source = MemorySource({"a.md": NEW})
    made = await points(base, "a.md", NEW)
    stray = replace(made[0].chunk, position=7, of=8)
    await base.index.upsert([*made, Point(stray, made[0].vector)])
    assert (await base.run(source)).added == 1
    await base.is_true_to(source)


@pytest.mark.parametrize("left", [slice(0, 3), slice(1, 3), slice(0, 1)])
async def test_what_is_left_of_a_document_that_is_gone_goes(base: Base, left: slice) -> None:
    source = MemorySource({"a.md": OLD})
    await base.run(source)
    await base.index.upsert((await points(base, "gone.md", NEW))[left])
    assert await base.run(source) == Report(unchanged=1, deleted=1)
    await base.is_true_to(source)


async def test_a_half_deleted_document_that_is_back_is_whole_again(base: Base) -> None:
    source = MemorySource({"a.md": NEW})
    await base.run(source)
    made = await base.index.points(COLLECTION, source.spec.id, "a.md")
    await base.index.delete_document(COLLECTION, source.spec.id, "a.md")
    await base.index.upsert(made[2:])
    await base.run(source)
    await base.is_true_to(source)


async def test_the_new_name_of_a_moved_document_is_there_and_the_old_one_still(base: Base) -> None:
    source = MemorySource({f"p{number}.md": page(f"word{number}") for number in range(30)})
    await base.run(source)
    for number in range(30):
        source.texts[f"new/p{number}.md"] = source.texts.pop(f"p{number}.md")
        await base.index.upsert(await points(base, f"new/p{number}.md", source.texts[f"new/p{number}.md"]))
    del source.texts["new/p7.md"]
    assert await base.run(source) == Report(unchanged=29, deleted=31)
    await base.is_true_to(source)


async def test_versions_remembered_of_what_is_nowhere_are_forgotten(base: Base) -> None:
    source = MemorySource({"a.md": NEW})
    await base.run(source)
    place = (base.index.name, COLLECTION, source.spec.id)
    await base.manifest.remember(*place, {"gone.md": f"{hashlib.sha256(b'x').hexdigest()} 1"})
    await base.run(source)
    assert (await base.manifest.versions(*place)).keys() == {"a.md"}
