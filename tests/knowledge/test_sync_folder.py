"""A real folder with the shipped embedder: what is stored of its files, and found."""

from pathlib import Path

import pytest

from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.sources import SourceSpec
from assistant.knowledge.sources.local import FolderSource
from assistant.knowledge.store import HybridQuery
from assistant.knowledge.store.embedded import EmbeddedStore
from assistant.knowledge.sync import Progress, Sync
from assistant.records.manifest import Manifest
from assistant.records.repository import Repository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text(
        "---\ntitle: Leave\nupdated: 2026-01-02\n---\n# Leave\n\n## Carry-over\n\nFive days.\n"
    )
    (folder / "sub" / "b.txt").write_text("The canteen opens at noon.\n")
    (folder / "c.py").write_text("def carry_over(days: int) -> int:\n    return min(days, 5)\n")
    return folder


async def test_a_folder_is_followed(tmp_path: Path, folder: Path, embedder: FastEmbedder) -> None:
    store, records = EmbeddedStore(tmp_path / "store"), Repository(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    await store.open()
    await records.open()
    index = await store.create("test", embedder.dimension)
    sync, source = Sync(index, embedder, Manifest(records), 10_000), FolderSource(SourceSpec("folder", str(folder)))
    seen: list[Progress] = []
    report = await sync.run("docs", source, seen.append)
    assert (report.added, report.failed, report.chunks) == (3, [], 3) and report.seconds > 0
    assert {each.uri for each in seen} == {"a.md", "c.py", "sub/b.txt"}

    (chunk,) = [point.chunk for point in await index.points("docs", source.spec.id, "a.md")]
    assert (chunk.title, chunk.below_title, chunk.text.strip()) == ("Leave", ("Carry-over",), "Five days.")
    assert (str(chunk.modified), len(chunk.content_hash), chunk.of) == ("2026-01-02", 64, 1)

    (folder / "a.md").write_text("# Leave\n\nSix days can be carried over.\n")
    (folder / "sub" / "b.txt").unlink()
    report = await sync.run("docs", source, seen.append)
    assert (report.changed, report.unchanged, report.deleted) == (1, 1, 1)
    question = "How many days of leave can be carried over?"
    (vector,) = await embedder.embed([question])
    hits = await index.search(HybridQuery(vector.tolist(), [(question, 1.0)], frozenset({"docs"}), limit=3))
    assert hits[0].chunk.text.strip() == "Six days can be carried over." and len(hits) == 2
    await records.close()
    await store.close()
