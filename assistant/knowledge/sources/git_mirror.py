"""Mirrors of repositories elsewhere, kept in a folder between one sync and the next."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from assistant.knowledge.sources.git_command import Git, GitError
from assistant.knowledge.sources.urls import credentials

_PAUSE = 0.2
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[\w.-]+@[\w.-]+:")


def is_remote(location: str) -> bool:
    """Whether a location is an address (``https://…``, ``git@host:…``), not a path."""
    return bool(_REMOTE.match(location))


@asynccontextmanager
async def mirrored(address: str, cache: Path | None) -> AsyncIterator[Git]:
    """A mirror of the repository, brought up to date; without a ``cache`` it goes when the block ends.

    Raises GitError.
    """
    secrets = credentials(address)
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="switchyard-", ignore_cleanup_errors=True) as folder:
            yield await _cloned(address, Path(folder) / "mirror.git", secrets)
        return
    name = hashlib.sha256(address.encode()).hexdigest()[:16]
    mirror = cache / f"{name}.git"
    async with _alone(cache / f"{name}.lock"):
        git = await (_fetched if mirror.exists() else _cloned)(address, mirror, secrets)
    yield git


@asynccontextmanager
async def _alone(lock: Path) -> AsyncIterator[None]:
    """One at a time in all processes, for two folders of one repository are two sources with one mirror."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise GitError(f"its mirror cannot be kept in {lock.parent}: {error.strerror or error}") from error
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


async def _cloned(address: str, mirror: Path, secrets: tuple[str, ...]) -> Git:
    """A new mirror; one that is not complete never has its name."""
    try:
        with tempfile.TemporaryDirectory(prefix="new-", dir=mirror.parent, ignore_cleanup_errors=True) as folder:
            part = Path(folder) / "mirror.git"
            await Git(None, secrets).run("clone", "--mirror", "--quiet", "--", address, str(part))
            part.rename(mirror)
    except OSError as error:
        raise GitError(f"its mirror cannot be kept at {mirror}: {error.strerror or error}") from error
    return Git(mirror, secrets)


async def _fetched(address: str, mirror: Path, secrets: tuple[str, ...]) -> Git:
    git = Git(mirror, secrets)
    try:
        await git.run("rev-parse", "--git-dir")
    except GitError:  # damaged, for instance by a full disk: it is only a copy
        await asyncio.to_thread(shutil.rmtree, mirror, ignore_errors=True)
        return await _cloned(address, mirror, secrets)
    await git.run("fetch", "--prune", "--quiet", "--force", "origin")
    head = await git.run("ls-remote", "--symref", "origin", "HEAD")
    if match := re.match(rb"ref: (refs/heads/\S+)\tHEAD", head):
        await git.run("symbolic-ref", "HEAD", match[1].decode())
    return git
