"""What only the embedded store can break: its folder, its lock, and a process that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import HybridQuery, IndexMismatch, Point, StoreError, StoreLocked
from assistant.knowledge.store.embedded import EXACT_UP_TO_KB, EmbeddedStore
from assistant.knowledge.store.embedded_index import EmbeddedIndex
from tests.knowledge.store_kills import ROOT, kill, killed, start

DIMENSION = 16


def version(number: int, chunks: int, dimension: int = DIMENSION, stamp: int = 0) -> list[Point]:
    """A document's version, whose vectors follow from its number."""
    dice = random.Random(number)
    document, digest = f"{number:06}.md", f"{stamp or number:064}"
    return [
        Point(
            Chunk("all", document, "Title", (), f"word{number} part{i}", 0, 1, i, chunks, digest, source="files"),
            [dice.gauss(0, 1) for _ in range(dimension)],
        )
        for i in range(chunks)
    ]


async def compact_and_say(folder: str) -> None:
    """Run in a process of its own: write, then compact until killed."""
    store = EmbeddedStore(Path(folder), exact_up_to_kb=100)
    await store.open()
    index = await store.create("docs", 256)
    for number in range(40):
        await index.upsert(version(number, 50, 256))
    print("written", flush=True)
    await index.optimize()
    print("compacted", flush=True)
    await asyncio.sleep(60)


async def opened(folder: Path, exact_up_to_kb: int = EXACT_UP_TO_KB) -> EmbeddedStore:
    store = EmbeddedStore(folder, exact_up_to_kb=exact_up_to_kb)
    await store.open()
    return store


async def test_a_killed_process_loses_nothing_acknowledged_and_leaves_no_half_document(tmp_path: Path) -> None:
    found = await killed(tmp_path, kills=10, seed=3)
    assert found.acknowledged >= 10
    assert (found.lost, found.half, found.unexpected) == (0, 0, 0)


@pytest.mark.parametrize("moment", [0.0, 0.2, 0.5, 1.0])
async def test_a_process_killed_while_it_compacts_loses_nothing(tmp_path: Path, moment: float) -> None:
    writer = start(__name__, "compact_and_say", tmp_path)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "written\n"
    time.sleep(moment)
    kill(writer)
    store = await opened(tmp_path)
    index = await store.index("docs")
    assert [(stored.chunks, stored.document) for stored in await index.documents("all")] == [
        (50, f"{number:06}.md") for number in range(40)
    ]
    assert len(list((tmp_path / "docs").glob("shard-*"))) == 1
    await store.close()


async def test_a_large_index_is_compacted_while_searches_go_on(tmp_path: Path) -> None:
    store = await opened(tmp_path, exact_up_to_kb=1000)
    index = await store.create("docs", 256)
    for number in range(100):
        await index.upsert(version(number, 60, 256))
    before = next((tmp_path / "docs").glob("shard-*"))
    probe = version(7, 60, 256)[3]
    query = HybridQuery(probe.vector, [("word7 part3", 1.0)], frozenset({"all"}))
    compaction = asyncio.ensure_future(index.optimize())
    longest, searches = 0.0, 0
    while not compaction.done():
        began = time.perf_counter()
        hits = await index.search(query)
        longest, searches = max(longest, time.perf_counter() - began), searches + 1
        assert hits[0].chunk == probe.chunk
    await compaction
    assert searches > 20 and longest < 0.5
    assert await index.count() == 100 * 60
    assert [folder.name for folder in (tmp_path / "docs").glob("shard-*")] != [before.name]
    await store.close()
    await store.open()
    assert (await (await store.index("docs")).search(query))[0].chunk == probe.chunk
    await store.close()


async def test_what_is_written_beside_a_compaction_is_in_what_it_makes(tmp_path: Path) -> None:
    store = await opened(tmp_path, exact_up_to_kb=1000)
    index = await store.create("docs", 256)
    for number in range(100):
        await index.upsert(version(number, 60, 256))
    before = next((tmp_path / "docs").glob("shard-*"))
    compaction = asyncio.ensure_future(index.optimize())
    written = 0
    while not compaction.done() and written < 90:
        await index.upsert(version(100 + written, 3, 256))
        await index.delete_document("all", "files", f"{written:06}.md")
        await index.upsert(version(99, 20, 256, stamp=1000 + written))
        await index.delete_document("all", "files", f"{99:06}.md", keep_hash=f"{1000 + written:064}")
        written += 1
    await compaction
    assert written > 1
    for _ in range(2):
        assert [folder.name for folder in (tmp_path / "docs").glob("shard-*")] != [before.name]
        expected = {f"{number:06}.md": 60 for number in range(written, 99)}
        expected |= {f"{99:06}.md": 20} | {f"{100 + number:06}.md": 3 for number in range(written)}
        documents = await index.documents("all", "files")
        assert {stored.document: stored.chunks for stored in documents} == expected
        assert all(stored.whole for stored in documents)
        await store.close()
        await store.open()
        index = await store.index("docs")
    await store.close()


async def test_a_compaction_happens_only_where_there_is_something_to_gain(tmp_path: Path) -> None:
    store = await opened(tmp_path, exact_up_to_kb=200)
    index = await store.create("docs", DIMENSION)

    def shards() -> list[str]:
        return [folder.name for folder in (tmp_path / "docs").glob("shard-*")]

    made = shards()
    for number in range(60):
        await index.upsert(version(number, 50))
    await index.optimize()
    assert shards() == made, "small enough to compare one by one"
    await index.upsert(version(60, 500))
    await index.optimize()
    compacted = shards()
    assert compacted != made, "graphs are built"
    await index.upsert(version(61, 100))
    await store.close()
    await store.open()
    index = await store.index("docs")
    await index.upsert(version(62, 100))
    await index.optimize()
    assert shards() == compacted, "known also when it is opened again"
    for number in range(30):
        await index.delete_document("all", "files", f"{number:06}.md")
    await index.optimize()
    assert shards() != compacted, "a third of it was deleted"
    assert len(await index.documents("all")) == 33
    await store.close()


async def test_a_graph_finds_what_may_be_read_among_much_that_may_not(tmp_path: Path) -> None:
    store = await opened(tmp_path, exact_up_to_kb=500)
    index = await store.create("docs", DIMENSION)
    near = [1.0] + [0.0] * (DIMENSION - 1)
    dice = random.Random(1)
    for start_ in range(0, 12_000, 1000):
        vectors = [[1.0, *(dice.gauss(0, 0.1) for _ in near[1:])] for _ in range(1000)]
        places = [(f"{start_ + i}.md", "", (), "salary table", 0, 12, 0, 1, "1" * 64) for i in range(1000)]
        await index.upsert(
            [Point(Chunk("board", *place), vector) for place, vector in zip(places, vectors, strict=True)]
        )
    few = [Chunk("all", f"{i}.md", "", (), "on salary", 0, 9, 0, 1, "1" * 64) for i in range(30)]
    await index.upsert([Point(chunk, [-1.0, *(dice.gauss(0, 1) for _ in near[1:])]) for chunk in few])
    await index.optimize()
    for weights in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)):
        query = HybridQuery(near, [("salary table", 1.0)], frozenset({"all"}), 20, 20, weights)
        assert [hit.chunk.collection for hit in await index.search(query)] == ["all"] * 20
    await store.close()


@pytest.mark.parametrize("seed", range(3))
async def test_documents_are_counted_as_they_are_through_any_history(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    store = await opened(tmp_path, exact_up_to_kb=20)
    index = await store.create("docs", DIMENSION)
    for step in range(60):
        number, length = dice.randrange(12), dice.choice((1, 5, 80))
        match dice.randrange(4):
            case 0 | 1:
                await index.upsert(version(number, length, stamp=dice.randrange(1, 4)))
            case 2:
                kept = dice.choice((None, f"{dice.randrange(1, 4):064}"))
                await index.delete_document("all", "files", f"{number:06}.md", keep_hash=kept)
            case _ if step % 3 == 0:
                await index.optimize()
            case _ if step % 3 == 1:
                await store.close()
                await store.open()
                index = await store.index("docs")
        scrolled = Counter([(chunk.document, chunk.content_hash) async for chunk in index.scroll("all")])
        listed = {(stored.document, stored.content_hash): stored.chunks for stored in await index.documents("all")}
        assert listed == scrolled
        assert await index.counts(frozenset({"all"})) == ({"all": scrolled.total()} if scrolled else {})
    await store.close()


async def test_closing_gives_up_a_compaction(tmp_path: Path) -> None:
    store = await opened(tmp_path, exact_up_to_kb=1000)
    index = await store.create("docs", 256)
    for number in range(100):
        await index.upsert(version(number, 60, 256))
    compaction = asyncio.ensure_future(index.optimize())
    await asyncio.sleep(0.2)
    await store.close()
    await compaction
    store = await opened(tmp_path)
    assert await (await store.index("docs")).count() == 6000
    await store.close()


async def test_a_cancelled_write_is_finished_before_the_next_begins(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    index = await store.create("docs", DIMENSION)
    write = asyncio.ensure_future(index.upsert(version(1, 2000)))
    await asyncio.sleep(0.01)
    write.cancel()
    await index.delete_collection("all")
    assert write.cancelled()
    assert await index.count() == 0
    await store.close()


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from assistant.knowledge.store.embedded import EmbeddedStore\n"
        "asyncio.run(EmbeddedStore(Path(sys.argv[1])).open())"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "StoreLocked" in refused.stderr
    assert f"in use by another process (pid {os.getpid()})" in refused.stderr
    await store.close()
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


async def test_a_second_store_in_this_process_is_refused(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.open()
    with pytest.raises(StoreLocked):
        await opened(tmp_path)
    await store.close()
    await (await opened(tmp_path)).close()


async def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    writer = start("tests.knowledge.store_kills", "write_versions", tmp_path, "1")
    assert writer.stdout is not None
    writer.stdout.readline()
    with pytest.raises(StoreLocked):
        await opened(tmp_path)
    kill(writer)
    await (await opened(tmp_path)).close()


async def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "odd" / ".lock").mkdir(parents=True)
    for folder in (
        tmp_path / "file",
        tmp_path / "file" / "below",
        tmp_path / "odd",
        Path("/proc/switchyard"),
    ):
        with pytest.raises(StoreError, match="may write to") as refused:
            await opened(folder)
        assert str(folder) in str(refused.value)
        assert not isinstance(refused.value, StoreLocked)


async def test_constructing_touches_nothing(tmp_path: Path) -> None:
    EmbeddedStore(tmp_path / "base")
    assert not (tmp_path / "base").exists()


async def test_aliases_that_cannot_be_written_stay_as_they_were(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    for name in ("docs-1", "docs-2"):
        await store.create(name, DIMENSION)
    await store.switch("live", "docs-1")
    (tmp_path / ".aliases.json.new").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        await store.switch("live", "docs-2")
    assert await store.aliases() == {"live": "docs-1"}
    await store.close()
    assert json.loads((tmp_path / "aliases.json").read_text()) == {"live": "docs-1"}


async def test_a_switch_cut_off_before_the_rename_changes_nothing(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.create("docs", DIMENSION)
    await store.switch("live", "docs")
    await store.close()
    (tmp_path / ".aliases.json.new").write_text('{"live": "do')
    store = await opened(tmp_path)
    assert await store.aliases() == {"live": "docs"}
    await store.switch("next", "docs")
    assert await store.aliases() == {"live": "docs", "next": "docs"}
    await store.close()


@pytest.mark.parametrize("text", ["{", "[]", "null", "\udce9"])
async def test_aliases_that_cannot_be_read_are_named_and_the_lock_is_free_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "aliases.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StoreError, match=r"aliases\.json cannot be read"):
        await opened(tmp_path)
    (tmp_path / "aliases.json").unlink()
    await (await opened(tmp_path)).close()


async def test_a_half_made_index_is_no_index_and_goes(tmp_path: Path) -> None:
    (tmp_path / ".switchyard-0123" / "shard-1").mkdir(parents=True)
    store = await opened(tmp_path)
    assert await store.indexes() == []
    assert not (tmp_path / ".switchyard-0123").exists()
    assert await (await store.create("docs", DIMENSION)).count() == 0
    await store.close()


async def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "thesis.txt").write_text("mine")
    store = await opened(tmp_path)
    assert await store.indexes() == []
    with pytest.raises(StoreError, match="move away what is there"):
        await store.create("docs", DIMENSION)
    assert [path.name for path in tmp_path.rglob("*") if path.name != ".lock"] == ["docs", "thesis.txt"]
    await store.close()


async def test_a_damaged_index_is_named(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.create("docs", DIMENSION)
    await store.close()
    manifest = tmp_path / "docs" / "index.json"
    whole = manifest.read_text()
    for broken in ("", "{}", json.dumps({**json.loads(whole), "shard": "shard-gone"})):
        manifest.write_text(broken)
        store = await opened(tmp_path)
        with pytest.raises(StoreError, match="cannot be read"):
            await store.index("docs")
        await store.close()
    assert list((tmp_path / "docs").glob("shard-*")), "what cannot be read is not removed"


async def test_the_same_index_is_loaded_once(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    made = await store.create("docs", DIMENSION)
    await store.switch("live", "docs")
    assert isinstance(made, EmbeddedIndex)
    assert await store.index("docs") is made
    assert await store.index("live") is made
    with pytest.raises(IndexMismatch):
        await store.create("docs", DIMENSION + 1)
    assert await asyncio.gather(*(store.create("docs", DIMENSION) for _ in range(5))) == [made] * 5
    await store.close()
