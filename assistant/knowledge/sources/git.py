"""Git repositories: the files of one commit, of a checkout on this machine or of a mirror of one elsewhere.

The version of a document is the id of its blob; what is changed but not committed is not seen.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Self

from assistant.knowledge.documents import Document
from assistant.knowledge.loading import MAX_BYTES, ReadError
from assistant.knowledge.readers import read_bytes
from assistant.knowledge.sources import Fetched, Listed, Listing, SourceError, SourceSpec
from assistant.knowledge.sources.git_command import Git, GitError, Objects
from assistant.knowledge.sources.git_mirror import is_remote, mirrored
from assistant.knowledge.sources.names import Patterns, is_document, is_entered, listed, text_option

_LFS = b"version https://git-lfs.github.com/spec/"
_FILES = ("100644", "100755")
_DAY = re.compile(rb"\x01(\d{4}-\d\d-\d\d)")


class GitSource:
    """The files of a commit below a folder; links and submodules are left out.

    ``cache`` is the folder that mirrors of repositories elsewhere are kept in; ``avoid`` names files to leave out.
    """

    def __init__(self, spec: SourceSpec, avoid: tuple[str, ...] = (), cache: Path | None = None) -> None:
        self.spec = spec
        self._avoid = avoid
        self._cache = cache
        self._patterns = Patterns(spec)
        self._ref = text_option(spec.options, "ref", "HEAD")
        self._folder = text_option(spec.options, "folder", "").strip("/")
        self._opened = AsyncExitStack()
        self._dating = asyncio.Lock()
        self._git: Git | None = None
        self._objects: Objects | None = None
        self._commit = ""
        self._paths: frozenset[str] = frozenset()
        self._dates: Mapping[str, date] | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            try:
                if is_remote(self.spec.location):
                    self._git = await opened.enter_async_context(mirrored(self.spec.location, self._cache))
                else:
                    self._git = Git(self.spec.location)
                    await self._git.run("rev-parse", "--git-dir")
                self._objects = await opened.enter_async_context(Objects(self._git))
            except GitError as error:
                raise SourceError(f"{self.spec.label}: {error}") from error
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()
        self._git = self._objects = self._dates = None

    async def list(self) -> Listing:
        try:
            self._commit, self._dates = await self._resolved(), None
            files = await self._files()
        except GitError as error:
            raise SourceError(f"{self.spec.label}: {error}") from error
        self._paths = frozenset(each.uri for each in files)
        return Listing(tuple(sorted(files, key=lambda each: each.uri)))

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        if self._objects is None or listed.version is None:
            raise ReadError("not a file of the repository")
        try:
            data = await self._objects.read(listed.version)
            modified = (await self._dated()).get(listed.uri)
        except GitError as error:
            raise ReadError(str(error)) from error
        if data.startswith(_LFS):
            raise ReadError("kept in Git LFS: only a pointer to it is in the repository")
        return Fetched(await asyncio.to_thread(_document, data, listed.uri, modified), listed.version)

    async def _resolved(self) -> str:
        """The commit that is read."""
        try:
            found = await self._open.run(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{self._ref}^{{commit}}"
            )
        except GitError as error:
            if "ref" in self.spec.options:
                raise GitError(f"there is no branch, tag or commit {self._ref}") from error
            raise GitError("it has no commit yet") from error
        return found.decode().strip()

    async def _files(self) -> tuple[Listed, ...]:
        tree = f"{self._commit}:{self._folder}" if self._folder else self._commit
        try:
            found = await self._open.run("ls-tree", "-r", "-z", "--long", "--full-tree", tree)
        except GitError as error:
            if self._folder:
                raise GitError(f"there is no folder {self._folder} in {self._ref}") from error
            raise
        files = (_file(entry) for entry in found.split(b"\0") if entry)
        return tuple(
            listed(each.path, each.blob, f"larger than {MAX_BYTES >> 20} MB" if each.size > MAX_BYTES else "")
            for each in files
            if each is not None and self._is_wanted(each.path)
        )

    def _is_wanted(self, path: str) -> bool:
        *folders, name = path.split("/")
        above = ("/".join(folders[: depth + 1]) for depth in range(len(folders)))
        return (
            is_document(name)
            and name not in self._avoid
            and all(map(is_entered, folders))
            and all(map(self._patterns.enter, above))
            and self._patterns.take(path)
        )

    async def _dated(self) -> Mapping[str, date]:
        """When each file was last committed: one pass through the history, and only if anything is read at all."""
        async with self._dating:
            if self._dates is None:
                self._dates = await _dates(self._open, self._commit, self._folder, self._paths)
            return self._dates

    @property
    def _open(self) -> Git:
        if self._git is None:
            raise RuntimeError("the source is not open")
        return self._git


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    blob: str
    size: int


def _file(entry: bytes) -> _File | None:
    """A line of ls-tree; None for what is not a file."""
    about, _, path = entry.partition(b"\t")
    mode, _, blob, size = about.decode().split()
    return _File(path.decode("utf-8", "surrogateescape"), blob, int(size)) if mode in _FILES else None


def _document(data: bytes, uri: str, modified: date | None) -> Document:
    return read_bytes(data, PurePosixPath(uri).suffix, uri, modified)


async def _dates(git: Git, commit: str, folder: str, wanted: Collection[str]) -> dict[str, date]:
    """The newest commit's day for each wanted path below ``folder``.

    git writes a commit as a field ``\\x01day``, then each path as a field, the first one after a line end.
    """
    prefix = f"{folder}/" if folder else ""
    below = (commit, "--", folder) if folder else (commit,)
    arguments = ("log", "-z", "-c", "--name-only", "--no-renames", "--no-show-signature", "--format=%x01%cs", *below)
    missing = set(wanted)
    found: dict[str, date] = {}
    day, first = date.min, False
    async with aclosing(git.fields(*arguments)) as fields:
        async for field in fields:
            if match := _DAY.fullmatch(field):
                day, first = date.fromisoformat(match[1].decode()), True
                continue
            path = (field.removeprefix(b"\n") if first else field).decode("utf-8", "surrogateescape")
            path = path.removeprefix(prefix)
            first = False
            if path in missing:
                found[path] = day
                missing.discard(path)
                if not missing:
                    break
    return found
