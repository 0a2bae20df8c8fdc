"""Folders and files: odd names, links, fresh files, and places that vanish."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.knowledge.loading import ReadError
from assistant.knowledge.sources import Gone, Listed, Listing, SourceError, SourceSpec, local
from assistant.knowledge.sources.local import FileSource, FolderSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("one")
    (folder / "sub" / "b.txt").write_text("two")
    return folder


def source(folder: Path, *avoid: Path, **options: Any) -> FolderSource:
    return FolderSource(SourceSpec("folder", str(folder), options), avoid)


async def listing(folder: Path, *avoid: Path, **options: Any) -> Listing:
    async with source(folder, *avoid, **options) as opened:
        return await opened.list()


async def uris(folder: Path, *avoid: Path, **options: Any) -> list[str]:
    return [each.uri for each in (await listing(folder, *avoid, **options)).documents]


async def test_hidden_and_ignored_files_are_left_out(folder: Path) -> None:
    for name in (".git/x.md", "node_modules/x.md", "sub/__pycache__/x.py", "venv/x.md", ".hidden.md", "~$plan.docx"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (folder / "picture.png").write_bytes(b"x")
    assert await uris(folder) == ["a.md", "sub/b.txt"]


async def test_the_programs_own_files_are_left_out(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "x.json").write_text("{}")
    (folder / "sub" / "assistant.yaml").write_text("x: 1")
    (folder / "link.json").symlink_to(folder / "data" / "x.json")
    avoid = (folder / "data", Path("assistant.yaml"))
    assert await uris(folder, *avoid) == ["a.md", "sub/b.txt"]
    for path in (folder / "data" / "x.json", folder / "sub" / "assistant.yaml"):
        with pytest.raises(SourceError, match="settings or data of this program"):
            await FileSource(SourceSpec("file", str(path)), avoid).list()


async def test_links(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.md").write_text("x")
    (folder / ".private").mkdir()
    (folder / ".private" / "x.md").write_text("x")
    (folder / "inside.md").symlink_to("sub/b.txt")
    (folder / "out.md").symlink_to(tmp_path / "secret.md")
    (folder / "up.md").symlink_to("../secret.md")
    (folder / "hidden.md").symlink_to(".private/x.md")
    (folder / "elsewhere").symlink_to(tmp_path / "elsewhere")
    (folder / "named.md").symlink_to(tmp_path / "elsewhere")
    (folder / "broken.md").symlink_to("nothing.md")
    (folder / "loop.md").symlink_to("loop.md")
    (folder / "sub" / "loop").symlink_to(folder)
    assert await uris(folder) == ["a.md", "inside.md", "sub/b.txt"]
    async with source(folder) as opened:
        assert (await opened.fetch(Listed("inside.md"), None)).document.text == "two"
        await opened.list()
        (folder / "a.md").unlink()
        (folder / "a.md").symlink_to(tmp_path / "secret.md")
        with pytest.raises(Gone):
            await opened.fetch(Listed("a.md"), None)


async def test_a_folder_that_is_a_link_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert await uris(tmp_path / "link") == ["a.md", "sub/b.txt"]


ODD = (
    "two words.md",
    'it\'s "quoted".md',
    "new\nline.md",
    "tab\t.md",
    "😀 Übersicht.md",
    "-rf.md",
    "100%.md",
    "a#b?c=d&e.md",
    "[x]*{y}!.md",
    "back\\slash.md",
    "$(id);`id`|.md",
    "x" * 250 + ".md",
    "e\u0301.md",
    "\xe9.md",
    " leading.md",
    "dot..md",
)


async def test_any_name_is_listed_and_read(tmp_path: Path) -> None:
    for number, name in enumerate(ODD):
        (tmp_path / name).write_text(f"text {number}")
        (tmp_path / f"folder {name[:-3]}"[:200]).mkdir()
        (tmp_path / f"folder {name[:-3]}"[:200] / name).write_text(f"text {number}")
    async with source(tmp_path) as opened:
        found = {each.uri: await opened.fetch(each, None) for each in (await opened.list()).documents}
    assert len(found) == 2 * len(ODD)
    for number, name in enumerate(ODD):
        assert found[name].document.text == f"text {number}"
        assert found[name].document.title


async def test_a_name_that_is_not_utf8_is_said(folder: Path) -> None:
    (Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.md"))).write_text("x")
    os.mkdir(os.fsencode(folder) + b"/caf\xe9")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9/x.md")).write_text("x")
    troubled = {each.uri: each.trouble for each in (await listing(folder)).documents if each.trouble}
    assert troubled == dict.fromkeys(["caf\\udce9.md", "caf\\udce9/x.md"], "its name is not UTF-8: rename it")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": ["*.md"]}, ["a.md", "guides/deep/c.md", "guides/drafts/d.md"]),
        ({"include": ["/guides/"]}, ["guides/deep/c.md", "guides/deep/c.txt", "guides/drafts/d.md"]),
        ({"include": ["guides/**/*.md"], "exclude": ["drafts/"]}, ["guides/deep/c.md"]),
        ({"exclude": ["guides"]}, ["a.md", "sub/b.txt"]),
        ({"exclude": ["*.txt", "/guides/drafts"]}, ["a.md", "guides/deep/c.md"]),
        ({"exclude": ["*", "!/a.md"]}, ["a.md"]),
        ({"include": "*.txt"}, ["guides/deep/c.txt", "sub/b.txt"]),
        ({"include": []}, ["a.md", "guides/deep/c.md", "guides/deep/c.txt", "guides/drafts/d.md", "sub/b.txt"]),
    ],
)
async def test_patterns(folder: Path, options: dict[str, Any], expected: list[str]) -> None:
    for name in ("guides/deep/c.md", "guides/deep/c.txt", "guides/drafts/d.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert await uris(folder, **options) == expected


@pytest.mark.parametrize(("pattern", "why"), [("!", "means nothing"), ("https://x.org/a", "write the path only")])
def test_a_pattern_that_is_none_is_said(folder: Path, pattern: str, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        source(folder, exclude=[pattern])


async def test_what_is_no_plain_file_is_listed_but_not_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe.md")
    async with source(folder) as opened:
        each = next(each for each in (await opened.list()).documents if each.uri == "pipe.md")
        with pytest.raises(ReadError, match="not a file"):
            await opened.fetch(each, None)


async def test_a_fresh_file_has_no_version_and_a_quiet_one_has(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with source(folder) as opened:
        first = (await opened.list()).documents[0]
        assert first.version is None
        assert (await opened.fetch(first, None)).version is None
        monkeypatch.setattr(local, "QUIET_NS", 0)
        quiet = (await opened.list()).documents[0]
        assert quiet.version is not None
        assert (await opened.fetch(quiet, None)).version == quiet.version == (await opened.list()).documents[0].version


async def test_a_file_with_its_old_date_put_back_has_another_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "QUIET_NS", 0)
    before = (await listing(folder)).documents[0].version
    state = (folder / "a.md").stat()
    time.sleep(0.05)
    (folder / "a.md").write_text("two")
    os.utime(folder / "a.md", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (folder / "a.md").stat().st_mtime_ns == state.st_mtime_ns
    assert (await listing(folder)).documents[0].version != before


async def test_a_file_from_the_future_is_read_each_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "QUIET_NS", 0)
    os.utime(folder / "a.md", (time.time() + 9999,) * 2)
    assert [each.version is None for each in (await listing(folder)).documents] == [True, False]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "there is no folder"),
        (lambda path: path.write_text("x"), "is not a folder"),
        (lambda path: path.symlink_to(path), "cannot be read|there is no folder"),
    ],
)
async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, make: Any, reason: str) -> None:
    make(tmp_path / "docs")
    with pytest.raises(SourceError, match=reason):
        await listing(tmp_path / "docs")


async def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        await FileSource(SourceSpec("file", str(tmp_path / "a.md"))).list()


@pytest.fixture
def nobody() -> Iterator[Callable[[], None]]:
    """Gives up root's rights, who may read everything, until the test ends."""
    yield lambda: os.seteuid(65534) if os.getuid() == 0 else None
    if os.getuid() == 0:
        os.seteuid(0)


async def test_folders_that_may_not_be_read(nobody: Callable[[], None]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "docs"
        (folder / "shut" / "below").mkdir(parents=True)
        (folder / "shut" / "b.md").write_text("two")
        (folder / "a.md").write_text("one")
        (folder / "secret.md").write_text("three")
        (folder / "secret.md").chmod(0)
        (folder / "shut").chmod(0)
        Path(place).chmod(0o755)
        nobody()
        try:
            async with source(folder) as opened:
                found = await opened.list()
                assert [each.uri for each in found.documents] == ["a.md", "secret.md"]
                assert dict(found.unlisted) == {"shut/": "unreadable folder: Permission denied"}
                for uri in ("secret.md", "shut/b.md"):
                    with pytest.raises(ReadError, match=r"(?i)permission denied"):
                        await opened.fetch(Listed(uri), None)
            with pytest.raises(SourceError, match="may not be read: permission denied"):
                await listing(folder / "shut")
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
            (folder / "shut").chmod(0o755)


class _Vanishing(local.Walk):
    """A walk under which the ground goes while it is on its way."""

    def _entries(self, folder: str) -> Any:
        found = super()._entries(folder)
        if not folder:
            shutil.move(self.root, f"{self.root}-gone")
            self.root.mkdir()
        return found


async def test_a_mount_that_vanishes_on_the_way_is_no_empty_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "Walk", _Vanishing)
    with pytest.raises(SourceError, match="replaced or unmounted"):
        await listing(folder)


async def test_a_folder_that_vanishes_after_the_listing_deletes_nothing(folder: Path) -> None:
    async with source(folder) as opened:
        documents = (await opened.list()).documents
        (folder / "sub" / "b.txt").unlink()
        with pytest.raises(Gone):
            await opened.fetch(documents[1], None)
        shutil.move(folder, f"{folder}-gone")
        for _ in range(2):
            for each in documents:
                with pytest.raises(ReadError, match="not there any more"):
                    await opened.fetch(each, None)
            folder.mkdir(exist_ok=True)


async def test_a_very_deep_folder(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    depth = 1200  # its path is longer than the system takes at once
    for number in range(depth):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        if number == 3:
            os.close(os.open("a.md", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    found = await listing(tmp_path)
    assert [each.uri for each in found.documents] == ["deep/deep/deep/deep/a.md"]
    assert len(found.unlisted) == 1
    subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)


async def test_many_files_are_listed_without_looking_into_them(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:05}.md").touch()
    assert len(set(await uris(tmp_path))) == 3000
