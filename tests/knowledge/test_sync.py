"""Every outcome of a sync, over the real embedded store and records."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.loading import ReadError
from assistant.knowledge.outcome import Report
from assistant.knowledge.sources import Gone, Listed, NotModified, SourceError
from assistant.knowledge.sync import SyncRefused
from tests.knowledge.syncing import COLLECTION, Base, MemorySource, opened, page


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Base]:
    async with opened(tmp_path) as base:
        yield base


def pages(count: int) -> dict[str, str]:
    return {f"p{number:02}.md": page(f"word{number}") for number in range(count)}


async def test_a_first_sync_adds_all(base: Base) -> None:
    source = MemorySource({"a.md": page("one", "two"), "b.md": page("three")})
    report = await base.run(source)
    assert report == Report(added=2, chunks=3)
    assert base.outcomes() == {"a.md": "added", "b.md": "added"}
    assert sum(each.chunks for each in base.seen) == 3
    await base.is_true_to(source)
    (point, *_) = await base.index.points(COLLECTION, source.spec.id, "a.md")
    assert point.chunk.source == source.spec.id


async def test_nothing_changed_reads_nothing(base: Base) -> None:
    source = MemorySource(pages(3))
    await base.run(source)
    assert await base.run(source) == Report(unchanged=3)
    assert source.fetched == [] and base.embedder.embedded == 0


async def test_without_versions_equal_content_is_read_and_left_alone(base: Base) -> None:
    source = MemorySource(pages(3), tokens=False)
    await base.run(source)
    assert await base.run(source) == Report(unchanged=3)
    assert len(source.fetched) == 3 and base.embedder.embedded == 0


async def test_a_lost_manifest_costs_a_read_only(base: Base) -> None:
    source = MemorySource(pages(3))
    await base.run(source)
    await base.manifest.drop_index(base.index.name)
    assert await base.run(source) == Report(unchanged=3)
    assert len(source.fetched) == 3 and base.embedder.embedded == 0
    await base.run(source)
    assert source.fetched == []


async def test_a_manifest_that_is_ahead_of_the_index_is_not_believed(base: Base) -> None:
    """As after the index's folder was put back from a backup."""
    source = MemorySource({"a.md": page("old")})
    await base.run(source)
    source.texts["a.md"] = page("new")
    await base.run(source)
    newest = await base.manifest.versions(base.index.name, COLLECTION, source.spec.id)
    source.texts["a.md"] = page("old")
    await base.run(source)
    source.texts["a.md"] = page("new")
    await base.manifest.remember(base.index.name, COLLECTION, source.spec.id, newest)
    assert (await base.run(source)).changed == 1
    await base.is_true_to(source)


async def test_an_index_that_was_emptied_is_filled_again(base: Base) -> None:
    source = MemorySource(pages(3))
    await base.run(source)
    await base.index.delete_collection(COLLECTION)
    assert (await base.run(source)).added == 3
    await base.is_true_to(source)


async def test_a_changed_document_embeds_only_what_is_new(base: Base) -> None:
    source = MemorySource({"a.md": page("one", "two", "three")})
    await base.run(source)
    source.texts["a.md"] = page("one", "2", "three")
    assert await base.run(source) == Report(changed=1, chunks=3, reused=2)
    assert base.embedder.embedded == 1
    await base.is_true_to(source)


async def test_a_moved_document_takes_its_vectors_along(base: Base) -> None:
    source = MemorySource({"a.md": page("one", "two"), "b.md": page("three")})
    await base.run(source)
    source.texts["sub/a.md"] = source.texts.pop("a.md")
    assert await base.run(source) == Report(moved=1, unchanged=1, chunks=2, reused=2)
    assert base.embedder.embedded == 0
    await base.is_true_to(source)


async def test_a_move_is_found_once_and_a_second_copy_is_new(base: Base) -> None:
    source = MemorySource({"a.md": page("one"), "b.md": page("two")})
    await base.run(source)
    source.texts["x.md"] = source.texts["y.md"] = source.texts.pop("a.md")
    report = await base.run(source)
    assert (report.moved, report.added, report.deleted, report.reused) == (1, 1, 0, 2)
    await base.is_true_to(source)


async def test_a_move_onto_a_known_name_changes_that(base: Base) -> None:
    source = MemorySource({"a.md": page("one"), "b.md": page("two")})
    await base.run(source)
    source.texts = {"b.md": source.texts["a.md"]}
    report = await base.run(source)
    assert (report.changed, report.moved, report.deleted, report.reused) == (1, 0, 1, 1)
    await base.is_true_to(source)


async def test_a_moved_document_is_never_missing(base: Base) -> None:
    source = MemorySource({"a.md": page("one"), **pages(5)})
    await base.run(source)
    source.texts["z.md"] = source.texts.pop("a.md")

    held: list[bool] = []

    async def watch() -> None:
        while True:
            names = {each.document for each in await base.index.documents(COLLECTION)}
            held.append(bool({"a.md", "z.md"} & names))

    watching = asyncio.create_task(watch())
    await base.run(source)
    watching.cancel()
    assert held and all(held)


async def test_deleted_documents_go(base: Base) -> None:
    source = MemorySource(pages(3))
    await base.run(source)
    del source.texts["p01.md"]
    assert await base.run(source) == Report(unchanged=2, deleted=1)
    await base.is_true_to(source)
    known = await base.manifest.versions(base.index.name, COLLECTION, source.spec.id)
    assert known.keys() == {"p00.md", "p02.md"}


async def test_a_document_gone_between_listing_and_reading_is_deleted(base: Base) -> None:
    source = MemorySource(pages(3))
    await base.run(source)
    source.texts["p01.md"] += " more"
    source.faults["p01.md"] = Gone("p01.md")
    source.texts["new.md"] = page("new")
    source.faults["new.md"] = Gone("new.md")
    assert await base.run(source) == Report(unchanged=2, deleted=1)
    assert (await base.texts(source)).keys() == {"p00.md", "p02.md"}


async def test_what_cannot_be_read_keeps_what_is_stored_of_it(base: Base) -> None:
    source = MemorySource({"a.md": page("one"), "b.md": page("two"), "c.md": page("three")})
    await base.run(source)
    before = await base.texts(source)
    source.texts.update({"a.md": page("1"), "b.md": page("2"), "c.md": "   ", "d.md": "bad \udcff name"})
    source.faults["a.md"] = ReadError("password-locked PDF")
    source.troubles["b.md"] = "its name is not UTF-8: rename it"
    report = await base.run(source)
    assert dict(report.failed) == {
        "a.md": "password-locked PDF",
        "b.md": "its name is not UTF-8: rename it",
        "c.md": "no text in it",
        "d.md": "its name or text is not valid Unicode: rename it, or save it as UTF-8",
    }
    assert {each.reason for each in base.seen} == set(dict(report.failed).values())
    assert await base.texts(source) == before


async def test_a_name_listed_twice_is_read_once(base: Base) -> None:
    source = MemorySource({"a.md": page("one")})
    source.extra = [Listed("a.md", "other")]
    report = await base.run(source)
    assert report.added == 1 and [uri for uri, _ in report.failed] == ["a.md"]
    assert [uri for uri, _ in source.fetched] == ["a.md"]


async def test_an_unlisted_part_is_kept_and_said(base: Base) -> None:
    source = MemorySource({"a.md": page("one"), "locked/b.md": page("two"), "lockedness.md": page("three")})
    await base.run(source)
    source.texts = {"a.md": source.texts["a.md"]}
    source.unlisted = {"locked/": "permission denied"}
    report = await base.run(source)
    assert (report.deleted, report.failed) == (1, [("locked/", "permission denied")])
    assert (await base.texts(source)).keys() == {"a.md", "locked/b.md"}


async def test_a_source_that_cannot_be_listed_changes_nothing(base: Base) -> None:
    source = MemorySource(pages(3))
    await base.run(source)
    source.broken = SourceError("there is no folder here")
    with pytest.raises(SourceError, match="no folder"):
        await base.run(source)
    assert len(await base.texts(source)) == 3


async def test_a_source_that_breaks_while_read_deletes_nothing(base: Base) -> None:
    source = MemorySource(pages(3))
    await base.run(source)
    source.texts = {"new.md": page("new"), "p00.md": source.texts["p00.md"]}
    source.faults["new.md"] = SourceError("git died")
    with pytest.raises(SourceError, match="git died"):
        await base.run(source)
    assert len(await base.texts(source)) == 3


@pytest.mark.parametrize("conditional", [True, False])
async def test_a_conditional_source_is_told_the_version_it_gave(base: Base, conditional: bool) -> None:
    source = MemorySource(pages(2))
    await base.run(source)
    source.tokens, source.conditional = False, conditional
    assert await base.run(source) == Report(unchanged=2)
    assert all(known for _, known in source.fetched)


async def test_what_the_index_lacks_is_read_whatever_the_source_remembers(base: Base) -> None:
    source = MemorySource(pages(2))
    source.tokens, source.conditional = False, True
    await base.run(source)
    await base.index.delete_document(COLLECTION, source.spec.id, "p00.md")
    assert await base.run(source) == Report(added=1, unchanged=1, chunks=1)
    assert dict(source.fetched)["p00.md"] is None


async def test_a_source_that_says_unchanged_unasked_fails_that_document(base: Base) -> None:
    source = MemorySource(pages(2))
    source.faults["p00.md"] = NotModified("p00.md")
    report = await base.run(source)
    assert report.added == 1 and [uri for uri, _ in report.failed] == ["p00.md"]


async def test_two_sources_of_a_collection_keep_apart(base: Base) -> None:
    one, other = MemorySource(pages(2), name="one"), MemorySource(pages(2), name="other")
    await base.run(one)
    assert (await base.run(other)).added == 2
    other.texts = {"p00.md": page("changed")}
    await base.run(other)
    await base.is_true_to(one)
    await base.is_true_to(other)
    assert await base.sync.remove(COLLECTION, other.spec.id) == 1
    assert await base.texts(other) == {}
    await base.is_true_to(one)


async def test_an_embedder_that_breaks_loses_nothing_that_was_said(base: Base) -> None:
    source = MemorySource(pages(40))
    base.embedder.fails_after = 20
    with pytest.raises(EmbedderError, match="down"):
        await base.run(source)
    assert {each.uri for each in base.seen} <= (await base.texts(source)).keys()
    base.embedder.fails_after = None
    report = await base.run(source)
    assert report.added + report.unchanged == 40
    await base.is_true_to(source)


async def test_a_cancelled_sync_leaves_whole_documents(base: Base) -> None:
    source = MemorySource(pages(60))

    def stop(uri: str) -> None:
        if uri == "p30.md":
            running.cancel()

    source.before_fetch = stop
    running = asyncio.ensure_future(base.run(source))
    with pytest.raises(asyncio.CancelledError):
        await running
    held = await base.texts(source)
    assert {each.uri for each in base.seen} <= held.keys() and len(held) < 60
    source.before_fetch = lambda _: None
    await base.run(source)
    await base.is_true_to(source)


async def test_two_syncs_of_a_source_take_turns(base: Base) -> None:
    source = MemorySource(pages(20))
    reports = await asyncio.gather(
        *(base.sync.run(COLLECTION, source, lambda _: None) for _ in range(2)),
    )
    assert sorted((report.added, report.unchanged) for report in reports) == [(0, 20), (20, 0)]


async def test_small_documents_are_embedded_together(base: Base) -> None:
    base.embedder.seconds = 0.02
    await base.run(MemorySource(pages(60)))
    assert sum(base.embedder.calls) == 60 and len(base.embedder.calls) < 45


async def test_a_refused_sync_says_the_numbers_and_changes_nothing(base: Base) -> None:
    source = MemorySource(pages(30))
    await base.run(source)
    before = await base.texts(source)
    source.texts = {f"other{number}.md": page(f"other{number}") for number in range(25)}
    with pytest.raises(SyncRefused, match=r"25 documents, and 30 of the 30 .*--force"):
        await base.run(source)
    assert await base.texts(source) == before and base.seen == []


async def test_an_empty_listing_is_refused_unless_forced(base: Base) -> None:
    source = MemorySource({"a.md": page("one")})
    assert await base.run(MemorySource()) == Report()
    await base.run(source)
    source.texts = {}
    with pytest.raises(SyncRefused, match=r"offers no documents, and 1 of the 1 .*--force"):
        await base.run(source)
    assert len(await base.texts(source)) == 1
    assert await base.run(source, force=True) == Report(deleted=1)
    assert await base.texts(source) == {}


@pytest.mark.parametrize(("stored", "left", "refused"), [(19, 1, False), (20, 10, False), (20, 9, True)])
async def test_losing_more_than_half_of_twenty_is_refused(base: Base, stored: int, left: int, refused: bool) -> None:
    source = MemorySource(pages(stored))
    await base.run(source)
    source.texts = dict(list(source.texts.items())[:left])
    if refused:
        with pytest.raises(SyncRefused):
            await base.run(source)
        assert len(await base.texts(source)) == stored
        await base.run(source, force=True)
    else:
        await base.run(source)
    await base.is_true_to(source)


async def test_a_renamed_folder_is_not_a_loss(base: Base) -> None:
    source = MemorySource(pages(30))
    await base.run(source)
    source.texts = {f"renamed/{uri}": text for uri, text in source.texts.items()}
    assert await base.run(source) == Report(moved=30, chunks=30, reused=30)
    await base.is_true_to(source)


async def test_documents_that_all_vanish_while_read_are_not_deleted(base: Base) -> None:
    source = MemorySource(pages(30), tokens=False)
    await base.run(source)
    source.faults = {uri: Gone(uri) for uri in source.texts}
    with pytest.raises(SyncRefused):
        await base.run(source)
    await base.is_true_to(source)
