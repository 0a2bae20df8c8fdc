"""Files into an index and out again, with the real pipeline, embedder and store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.ingest import Ingestion, NothingToIngest, Progress, Report, sources
from assistant.knowledge.store import Index
from assistant.knowledge.store.embedded import EmbeddedStore


@pytest.fixture
async def index(tmp_path: Path, embedder: FastEmbedder) -> AsyncIterator[Index]:
    store = EmbeddedStore(tmp_path / "store")
    await store.open()
    yield await store.create("test", embedder.dimension)
    await store.close()


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


async def ingest(index: Index, embedder: FastEmbedder, *paths: Path) -> tuple[Report, list[Progress]]:
    seen: list[Progress] = []
    return await Ingestion(index, embedder, "docs", 240).run(sources(paths), seen.append), seen


async def test_what_is_stored_of_a_document(index: Index, embedder: FastEmbedder, folder: Path) -> None:
    report, seen = await ingest(index, embedder, folder)
    assert (report.added, report.failed) == (3, [])
    assert [(progress.done, progress.total) for progress in seen] == [(1, 3), (2, 3), (3, 3)]
    assert {each.document for each in await index.documents("docs")} == {"a.md", "c.py", "sub/b.txt"}
    (chunk,) = [chunk async for chunk in index.scroll("docs", "a.md")]
    assert (chunk.title, chunk.below_title, chunk.text.strip()) == ("Leave", ("Carry-over",), "Five days.")
    assert (
        str(chunk.modified) == "2026-01-02" and len(chunk.content_hash) == 64 and (chunk.position, chunk.of) == (0, 1)
    )


async def test_a_second_run_writes_nothing(index: Index, embedder: FastEmbedder, folder: Path) -> None:
    await ingest(index, embedder, folder)
    report, seen = await ingest(index, embedder, folder)
    assert report == Report(unchanged=3)
    assert {progress.outcome for progress in seen} == {"unchanged"}


async def test_a_changed_document_replaces_its_old_chunks(index: Index, embedder: FastEmbedder, folder: Path) -> None:
    await ingest(index, embedder, folder)
    (folder / "a.md").write_text("# Leave\n\nSix days.\n")
    report, _ = await ingest(index, embedder, folder)
    assert (report.changed, report.unchanged) == (1, 2)
    assert [chunk.text.strip() async for chunk in index.scroll("docs", "a.md")] == ["Six days."]


async def test_a_document_that_breaks_keeps_its_last_good_version(
    index: Index, embedder: FastEmbedder, folder: Path
) -> None:
    await ingest(index, embedder, folder)
    (folder / "a.md").write_bytes(b"")
    report, _ = await ingest(index, embedder, folder)
    assert [uri for uri, _ in report.failed] == ["a.md"]
    assert len([chunk async for chunk in index.scroll("docs", "a.md")]) == 1


def test_hidden_files_and_links_out_of_the_folder_are_left_out(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / ".hidden.md").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.md").write_text("x")
    (folder / "picture.png").write_bytes(b"x")
    assert [source.uri for source in sources([folder])] == ["a.md", "c.py", "sub/b.txt"]


def test_two_files_of_one_name_keep_apart(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.md").write_text("x")
    assert [source.uri for source in sources([folder / "a.md", other / "a.md"])] == ["a.md", "other/a.md"]
    assert [source.uri for source in sources([folder, folder / "a.md"])] == ["a.md", "c.py", "sub/b.txt"]


def test_a_file_keeps_its_name_when_another_of_that_name_comes_later(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "x.md", tmp_path / "b" / "x.md"
    for file in (first, second):
        file.parent.mkdir()
        file.write_text("x")
    known = [first, second]
    assert [source.uri for source in sources([second], known)] == ["b/x.md"]
    assert [source.uri for source in sources([first], known)] == ["x.md"]
    assert [source.uri for source in sources(known, known)] == ["b/x.md", "x.md"]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_to_ingest_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToIngest, match=name):
        sources([tmp_path / name])
