"""Folders and files of this machine.

The version of a file is its size, its times and its inode. The clock of a file system ticks in steps, so two changes
within one step look alike; a version counts only if the file was quiet for a while before it was looked at.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from assistant.knowledge.loading import ReadError
from assistant.knowledge.readers import read
from assistant.knowledge.sources import Fetched, Gone, Listed, Listing, SourceError, SourceSpec
from assistant.knowledge.sources.names import Patterns, is_document, is_entered, listed, shown

QUIET_NS = 3 * 10**9
"""Longer than the step of any file system's clock: FAT's is two seconds."""

_Identity = tuple[int, int]


class FolderSource:
    """A folder with all below it: no hidden files, no links out of it, nothing of ``avoid``.

    ``avoid`` holds absolute paths, left out with all below them, and bare file names, left out wherever they are.
    """

    def __init__(self, spec: SourceSpec, avoid: Sequence[Path] = ()) -> None:
        self.spec = spec
        self._avoid = avoid
        self._patterns = Patterns(spec)
        self._root = Path(spec.location)
        self._folders: dict[str, _Identity] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._folders = {}

    async def list(self) -> Listing:
        return await asyncio.to_thread(self._list)

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        return await asyncio.to_thread(self._fetch, listed)

    def _list(self) -> Listing:
        try:
            self._root = Path(self.spec.location).resolve(strict=True)
            walk = Walk(self._root, self._patterns, _Avoided(self._avoid))
            documents = sorted(walk.documents(), key=lambda each: each.uri)
            walk.recheck()
        except (OSError, RuntimeError) as error:  # before Python 3.13 a loop of links is a RuntimeError
            raise SourceError(self._why(error)) from error
        self._folders = walk.folders
        unlisted = {f"{shown(folder)}/": reason for folder, reason in walk.unlisted.items()}
        return Listing(tuple(each for each in documents if not each.uri.startswith(tuple(unlisted))), unlisted)

    def _why(self, error: Exception) -> str:
        place = self.spec.location
        if isinstance(error, FileNotFoundError):
            return f"there is no folder {place}: if it moved, name its new place; a drive must be mounted"
        if isinstance(error, NotADirectoryError):
            return f"{place} is not a folder"
        if isinstance(error, PermissionError):
            return f"the folder {place} may not be read: permission denied"
        return f"the folder {place} cannot be read: {getattr(error, 'strerror', None) or 'a link that leads nowhere'}"

    def _fetch(self, listed: Listed) -> Fetched:
        path = self._root / listed.uri
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(self._root):
                raise Gone(listed.uri)
            return fetched(path, listed.uri)
        except FileNotFoundError as error:
            if self._whole(path.parent):
                raise Gone(listed.uri) from error
            raise ReadError("unreadable: its folder is not there any more") from error
        except OSError as error:
            raise ReadError(f"unreadable: {error.strerror or error}") from error

    def _whole(self, folder: Path) -> bool:
        """Whether the nearest folder that is left is the one that was listed, not an empty place to mount on."""
        for each in (folder, *folder.parents):
            if not each.is_relative_to(self._root):
                return False
            try:
                state = each.stat()
            except OSError:
                continue
            return self._folders.get(each.relative_to(self._root).as_posix()) == (state.st_dev, state.st_ino)
        return False


class FileSource:
    """A single file, named by its own name."""

    def __init__(self, spec: SourceSpec, avoid: Sequence[Path] = ()) -> None:
        self.spec = spec
        self._avoid = avoid
        self._path = Path(spec.location)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def list(self) -> Listing:
        return await asyncio.to_thread(self._list)

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        return await asyncio.to_thread(self._fetch, listed)

    def _list(self) -> Listing:
        now = time.time_ns()
        try:
            state = self._path.stat()
            if _Avoided(self._avoid).holds(self._path.resolve()):
                raise SourceError(f"{self._path} holds the settings or data of this program")
        except FileNotFoundError as error:
            reason = f"there is no file {self._path}: if it was removed on purpose, remove this source"
            raise SourceError(reason) from error
        except OSError as error:
            raise SourceError(f"the file {self._path} cannot be read: {error.strerror or error}") from error
        return Listing((listed(self._path.name, version_of(state, now)),))

    def _fetch(self, listed: Listed) -> Fetched:
        try:
            return fetched(self._path, listed.uri)
        except FileNotFoundError as error:
            raise ReadError("unreadable: no such file") from error
        except OSError as error:
            raise ReadError(f"unreadable: {error.strerror or error}") from error


def fetched(path: Path, uri: str) -> Fetched:
    """A file as read, with its version if that is sure to be the one of these bytes. Raises ReadError and OSError."""
    now = time.time_ns()
    before = version_of(path.stat(), now)
    document = read(path, uri)
    after = version_of(path.stat(), now)
    return Fetched(document, before if before == after else None)


def version_of(state: os.stat_result, now: int) -> str | None:
    """The version token of a file that was looked at at ``now`` (nanoseconds), None where it is too fresh for one."""
    if max(state.st_mtime_ns, state.st_ctime_ns) > now - QUIET_NS:
        return None
    return f"{state.st_size}-{state.st_mtime_ns}-{state.st_ctime_ns}-{state.st_ino}"


class _Avoided:
    def __init__(self, avoid: Sequence[Path]) -> None:
        self._names = {path.name for path in avoid if not path.is_absolute()}
        self._paths = {os.fspath(path.resolve()) for path in avoid if path.is_absolute()}

    def named(self, name: str, path: str) -> bool:
        """For an entry whose folders were asked before."""
        return name in self._names or path in self._paths

    def holds(self, path: Path) -> bool:
        """For any resolved path."""
        return self.named(path.name, os.fspath(path)) or any(os.fspath(each) in self._paths for each in path.parents)


@dataclass(slots=True)
class Walk:
    """One look through a folder. ``folders`` are those seen, ``unlisted`` those that could not be looked into, both
    relative to ``root``; the root itself is ``.``."""

    root: Path
    patterns: Patterns
    avoided: _Avoided
    folders: dict[str, _Identity] = field(default_factory=dict)
    unlisted: dict[str, str] = field(default_factory=dict)

    def documents(self) -> Iterator[Listed]:
        """The documents below the root. Raises OSError if the root itself cannot be looked into."""
        open_folders = [""]
        while open_folders:
            folder = open_folders.pop()
            try:
                files, below = self._entries(folder)
            except OSError as error:
                if not folder:
                    raise
                self.unlisted[folder] = f"unreadable folder: {error.strerror or error}"
                continue
            open_folders += below
            yield from files

    def recheck(self) -> None:
        """What was unmounted or replaced on the way counts as not looked into. Raises OSError for the root."""
        for folder, identity in self.folders.items():
            parent = self.folders.get(os.path.dirname(folder) or ".", identity)
            if folder == "." or parent[0] != identity[0]:
                try:
                    same = _identity(os.stat(self.root / folder)) == identity
                except OSError:
                    same = False
                if not same and folder == ".":
                    raise OSError(None, "it was replaced or unmounted while it was being looked through")
                if not same:
                    self.unlisted[folder] = "unmounted while it was being looked through"

    def _entries(self, folder: str) -> tuple[list[Listed], list[str]]:
        files: list[Listed] = []
        below: list[str] = []
        place = os.path.join(self.root, folder) if folder else os.fspath(self.root)
        with os.scandir(place) as entries:
            self.folders[folder or "."] = _identity(os.stat(place))
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if self.avoided.named(entry.name, entry.path):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if is_entered(entry.name) and self.patterns.enter(path):
                        below.append(path)
                elif is_document(entry.name) and self.patterns.take(path) and (found := self._file(entry, path)):
                    files.append(found)
        return files, below

    def _file(self, entry: os.DirEntry[str], path: str) -> Listed | None:
        if entry.is_symlink() and not self._is_inside(Path(entry.path)):
            return None
        now = time.time_ns()
        try:
            state = entry.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return listed(path, None, f"unreadable: {error.strerror or error}")
        if stat.S_ISDIR(state.st_mode):
            return None
        return listed(path, version_of(state, now))

    def _is_inside(self, link: Path) -> bool:
        """Whether a link leads to a file that would be read at its own place, too."""
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):
            return False
        if not target.is_relative_to(self.root) or self.avoided.holds(target):
            return False
        *above, name = target.relative_to(self.root).parts or ("",)
        return not name.startswith(".") and all(map(is_entered, above))


def _identity(state: os.stat_result) -> _Identity:
    return state.st_dev, state.st_ino
