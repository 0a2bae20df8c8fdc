"""Real repositories: what is read of a commit, its dates, mirrors, and everything that can go wrong."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assistant.knowledge import loading
from assistant.knowledge.loading import ReadError
from assistant.knowledge.sources import Fetched, Listed, SourceError, SourceSpec
from assistant.knowledge.sources.git import GitSource
from assistant.knowledge.sources.git_command import Git
from tests.knowledge.sources.repository import Repository
from tests.knowledge.sources.site import Answer, serving
from tests.knowledge.sources.test_local import ODD


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository.made(tmp_path / "repository")
    repository.commit({"a.md": "one", "docs/b.md": "two", "docs/deep/c.txt": "three"}, "2024-01-01")
    return repository


def source(repository: Repository, **options: Any) -> GitSource:
    return GitSource(SourceSpec("git", str(repository.path), options))


async def read(source: GitSource) -> dict[str, Fetched]:
    async with source:
        return {each.uri: await source.fetch(each, None) for each in (await source.list()).documents}


async def uris(repository: Repository, **options: Any) -> list[str]:
    async with source(repository, **options) as opened:
        return [each.uri for each in (await opened.list()).documents]


async def test_the_version_is_the_blob(repository: Repository) -> None:
    found = await read(source(repository))
    assert found["a.md"].version == repository.git("rev-parse", "HEAD:a.md")
    repository.git("mv", "a.md", "moved.md")
    repository.commit()
    moved = await read(source(repository))
    assert moved["moved.md"].version == found["a.md"].version
    assert moved["moved.md"].document.content_hash == found["a.md"].document.content_hash


async def test_dates_are_those_of_the_last_commit_that_touched_a_file(repository: Repository) -> None:
    repository.commit({"a.md": "one more"}, "2024-03-03")
    repository.commit({}, "2024-04-04")
    repository.git("checkout", "--quiet", "-b", "side", "HEAD~2")
    repository.commit({"docs/b.md": "on the side", "new.md": "new", "docs/deep/c.txt": "left"}, "2024-05-05")
    repository.git("checkout", "--quiet", "main")
    repository.commit({"docs/deep/c.txt": "right"}, "2024-05-06")
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("merge", "--quiet", "side", date="2024-06-06T00:00:00+0000")
    repository.commit({"docs/deep/c.txt": "both", "stated.md": "---\nupdated: 2020-02-02\n---\ntext"}, "2024-06-06")
    dates = {uri: each.document.modified for uri, each in (await read(source(repository))).items()}
    assert dates == {
        "a.md": date(2024, 3, 3),
        "docs/b.md": date(2024, 5, 5),
        "docs/deep/c.txt": date(2024, 6, 6),
        "new.md": date(2024, 5, 5),
        "stated.md": date(2020, 2, 2),
    }
    below = {uri: each.document.modified for uri, each in (await read(source(repository, folder="docs"))).items()}
    assert below == {"b.md": date(2024, 5, 5), "deep/c.txt": date(2024, 6, 6)}


async def test_the_history_is_read_once_and_only_if_something_is(repository: Repository, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    repository.git("config", "trace2.normalTarget", str(trace))
    async with source(repository) as opened:
        documents = (await opened.list()).documents
        assert " log " not in _traced(trace)
        for each in documents * 2:
            await opened.fetch(each, None)
    assert _traced(trace).count("git log") <= 1 and _traced(trace).count("cat-file") <= 1


def _traced(trace: Path) -> str:
    return "\n".join(line for line in trace.read_text().splitlines() if " start " in line) if trace.exists() else ""


async def test_a_shallow_clone_is_fine(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a.md": "changed"}, "2024-03-03")
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth=1", repository.path.as_uri(), str(shallow))
    found = await read(source(Repository(shallow)))
    assert {each.document.modified for each in found.values()} == {date(2024, 3, 3)}


async def test_what_is_not_committed_is_not_read(repository: Repository) -> None:
    (repository.path / "a.md").write_text("changed")
    (repository.path / "new.md").write_text("new")
    found = await read(source(repository))
    assert found["a.md"].document.text == "one" and "new.md" not in found


async def test_links_submodules_and_hidden_files_are_left_out(repository: Repository, tmp_path: Path) -> None:
    (repository.path / "link.md").symlink_to("/etc/passwd")
    (repository.path / "below.md").symlink_to("docs")
    other = Repository.made(tmp_path / "other")
    other.commit({"x.md": "x"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), "sub.md")
    repository.commit({".github/x.md": "x", "node_modules/x.md": "x", "x.png": b"\x89PNG", ".hidden.md": "x"})
    assert await uris(repository) == ["a.md", "docs/b.md", "docs/deep/c.txt"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"folder": "docs"}, ["b.md", "deep/c.txt"]),
        ({"folder": "docs/"}, ["b.md", "deep/c.txt"]),
        ({"folder": "docs", "exclude": ["/deep/"]}, ["b.md"]),
        ({"include": ["*.md"]}, ["a.md", "docs/b.md"]),
        ({"exclude": ["docs/*", "!docs/b.md"]}, ["a.md", "docs/b.md"]),
        ({"ref": "old"}, ["a.md"]),
        ({"ref": "v1"}, ["a.md"]),
    ],
)
async def test_options(repository: Repository, options: dict[str, Any], expected: list[str]) -> None:
    repository.git("checkout", "--quiet", "--orphan", "old")
    repository.git("rm", "-rf", "--quiet", "docs")
    repository.commit()
    repository.git("tag", "v1")
    repository.git("checkout", "--quiet", "main")
    assert await uris(repository, **options) == expected


async def test_a_commit_and_a_bare_repository(repository: Repository, tmp_path: Path) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.commit({"a.md": None})
    repository.git("clone", "--quiet", "--bare", str(repository.path), str(tmp_path / "bare.git"))
    bare = Repository(tmp_path / "bare.git")
    assert await uris(bare) == ["docs/b.md", "docs/deep/c.txt"]
    assert await uris(bare, ref=first[:10]) == ["a.md", "docs/b.md", "docs/deep/c.txt"]


async def test_any_name_is_listed_read_and_dated(tmp_path: Path) -> None:
    repository = Repository.made(tmp_path / "odd")
    repository.commit({name: f"text {number}" for number, name in enumerate(ODD)}, "2024-02-03")
    repository.commit({"z.md": "z"}, "2024-04-05")
    (repository.path / os.fsdecode(b"caf\xe9.md")).write_text("x")
    repository.commit()
    async with source(repository) as opened:
        documents = (await opened.list()).documents
        assert [each.uri for each in documents if each.trouble] == ["caf\\udce9.md"]
        found = {each.uri: (await opened.fetch(each, None)).document for each in documents if not each.trouble}
    assert len(found) == len(ODD) + 1
    for number, name in enumerate(ODD):
        assert (found[name].text, found[name].modified) == (f"text {number}", date(2024, 2, 3))


async def test_large_files_and_pointers(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.knowledge.sources.git.MAX_BYTES", 1000)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 5\n"
    repository.commit({"large.md": "x" * 1001, "lfs.pdf": pointer})
    async with source(repository) as opened:
        documents = {each.uri: each for each in (await opened.list()).documents}
        assert documents["large.md"].trouble.startswith("larger than")
        with pytest.raises(ReadError, match="Git LFS"):
            await opened.fetch(documents["lfs.pdf"], None)
    assert loading.MAX_BYTES > 1000


async def test_a_mirror_follows_what_happens_elsewhere(repository: Repository, tmp_path: Path) -> None:
    spec = SourceSpec("git", repository.path.as_uri())
    cache = tmp_path / "cache"

    async def found() -> list[str]:
        return sorted(await read(GitSource(spec, cache=cache)))

    assert await found() == ["a.md", "docs/b.md", "docs/deep/c.txt"]
    repository.commit({"a.md": None, "new.md": "new"})
    assert await found() == ["docs/b.md", "docs/deep/c.txt", "new.md"]
    repository.git("commit", "--quiet", "--amend", "--message=rewritten")
    repository.git("branch", "-M", "trunk")
    repository.commit({"newer.md": "newer"})
    assert await found() == ["docs/b.md", "docs/deep/c.txt", "new.md", "newer.md"]
    (mirror,) = cache.glob("*.git")
    (mirror / "HEAD").write_text("damaged")
    assert await found() == ["docs/b.md", "docs/deep/c.txt", "new.md", "newer.md"]
    assert list(cache.glob("*.git")) == [mirror]
    assert await asyncio.gather(*(found() for _ in range(4))) == [await found()] * 4
    shutil.rmtree(repository.path)
    with pytest.raises(SourceError, match="there is no git repository"):
        await found()


async def test_a_first_mirror_is_made_once(repository: Repository, tmp_path: Path) -> None:
    specs = [SourceSpec("git", repository.path.as_uri(), {"folder": folder}) for folder in ("docs", "docs/deep")]
    found = await asyncio.gather(*(read(GitSource(spec, cache=tmp_path / "cache")) for spec in specs))
    assert [sorted(each) for each in found] == [["b.md", "deep/c.txt"], ["c.txt"]]
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".git", ".lock"}


async def test_without_a_cache_nothing_is_left_behind(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert len(await read(GitSource(SourceSpec("git", repository.path.as_uri())))) == 3
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ref": "nowhere"}, "there is no branch, tag or commit nowhere"),
        ({"ref": "--all"}, "there is no branch, tag or commit"),
        ({"folder": "nowhere"}, "there is no folder nowhere"),
        ({"folder": "a.md"}, "there is no folder a.md"),
        ({"folder": "../.."}, "there is no folder"),
    ],
)
async def test_what_is_not_in_the_repository(repository: Repository, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        await uris(repository, **options)


async def test_what_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceError, match="there is no git repository"):
        await uris(Repository(tmp_path / "plain"))
    with pytest.raises(SourceError, match="there is no such folder"):
        await uris(Repository(tmp_path / "missing"))
    with pytest.raises(SourceError, match="no commit yet"):
        await uris(Repository.made(tmp_path / "new"))


async def test_git_that_is_not_installed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SourceError, match="git is not installed"):
        await uris(repository)


async def test_a_damaged_repository(repository: Repository) -> None:
    blob = repository.git("rev-parse", "HEAD:a.md")
    file = repository.path / ".git" / "objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    async with source(repository) as opened:
        documents = {each.uri: each for each in (await opened.list()).documents}
        file.write_bytes(b"damaged")
        with pytest.raises(ReadError, match="repository"):
            await opened.fetch(documents["a.md"], None)
        assert (await opened.fetch(documents["docs/b.md"], None)).document.text == "two"
        with pytest.raises(ReadError, match="missing in the repository"):
            await opened.fetch(Listed("x.md", "0" * 40), None)


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "asks for a sign-in"), (403, "asks for a sign-in"), (404, "no such")]
)
async def test_a_server_that_refuses(status: int, reason: str) -> None:
    with serving() as site:
        refusal = Answer(status=status, headers={"WWW-Authenticate": "Basic"} if status == 401 else {})
        site.answers["/x.git/info/refs?service=git-upload-pack"] = refusal
        address = f"http://ann:hunter2@127.0.0.1:{site.port}/x.git"
        with pytest.raises(SourceError, match=reason) as caught:
            await read(GitSource(SourceSpec("git", address)))
    assert "hunter2" not in str(caught.value) and "ann" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("https://ann:hunter2@127.0.0.1:9/x.git", "does not answer"),
        ("ext::sh -c 'touch hacked'", "there is no|addresses of this kind"),
        ("nowhere://ann:hunter2@host/x", "addresses of this kind"),
        ("file:///nowhere/--upload-pack=x", "there is no"),
    ],
)
async def test_an_address_that_leads_nowhere(address: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        await read(GitSource(SourceSpec("git", address), cache=tmp_path / "cache"))
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "cache").exists() or list((tmp_path / "cache").glob("[!.]*[!k]")) == []


def test_complaints_hold_no_credentials() -> None:
    git = Git(None, secrets=("hunter2",))
    said = git.explained(b"fatal: unable to frobnicate 'https://ann:hunter2@host/x.git/': token hunter2")
    assert said == "unable to frobnicate 'https://host/x.git/': token ***"


async def test_inherited_settings_of_another_repository_do_not_matter(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert len(await uris(repository)) == 3


async def test_names_to_avoid(repository: Repository) -> None:
    repository.commit({"docs/assistant.yaml": "x: 1"})
    spec = SourceSpec("git", str(repository.path))
    assert "docs/assistant.yaml" in await read(GitSource(spec))
    assert "docs/assistant.yaml" not in await read(GitSource(spec, avoid=("assistant.yaml",)))
