"""The program ``git``: run without questions, its complaints in plain words."""

from __future__ import annotations

import asyncio
import os
import re
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Self

from assistant.knowledge.sources.urls import masked_text

_SECONDS = 3600.0
_PLAIN = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}
_OTHER_REPOSITORY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)
_SETTINGS = ("core.fsmonitor=false", "log.showSignature=false", "http.lowSpeedLimit=100", "http.lowSpeedTime=60")
_COMPLAINTS = {
    r"dubious ownership": "it belongs to another user: allow it: git config --global --add safe.directory <path>",
    r"not a git repository|does not appear to be a git repository": "there is no git repository",
    r"cannot change to '.*': No such file": "there is no such folder",
    r"cannot change to '.*': Permission denied": "its folder may not be read: permission denied",
    r"Authentication failed|could not read (?:Username|Password)|HTTP Basic: Access denied|error: 40[13]": (
        "it asks for a sign-in that git does not have: set up a credential helper or a key for the user that runs this"
    ),
    r"Permission denied \(|Host key verification failed": "ssh is refused: check the key and known_hosts of the user "
    "that runs this",
    r"Repository not found|repository '.*' not found|error: 404": "there is no such repository, or it is not public",
    r"Could not resolve host": "its host name is not known: check the address and the network",
    r"Failed to connect|Connection (?:refused|timed out|reset)|Could not connect": "its server does not answer",
    r"SSL certificate problem|server certificate verification": "its TLS certificate is not trusted here",
    r"transport '.*' not allowed|'remote-.*' is not a git command|Unable to find remote helper": (
        "git does not take addresses of this kind"
    ),
}


class GitError(Exception):
    """git could not do it; the message says why, and holds no credentials."""


class Git:
    """git, asked in one repository. ``secrets`` are never repeated."""

    def __init__(self, folder: str | Path | None, secrets: tuple[str, ...] = ()) -> None:
        self._folder = folder
        self._secrets = secrets

    async def run(self, *arguments: str) -> bytes:
        """What git prints. Raises GitError."""
        process = await self.start(*arguments, stdin=DEVNULL)
        try:
            async with asyncio.timeout(_SECONDS):
                out, complaint = await process.communicate()
        except TimeoutError as error:
            raise GitError("git did not come to an end") from error
        finally:
            await stop(process)
        if process.returncode:
            raise GitError(self.explained(complaint))
        return out

    async def fields(self, *arguments: str) -> AsyncGenerator[bytes]:
        """What git prints with NUL between, as it comes. Raises GitError."""
        process = await self.start(*arguments, stdin=DEVNULL, stderr=DEVNULL)
        assert process.stdout is not None
        rest = b""
        try:
            while piece := await process.stdout.read(65536):
                *whole, rest = (rest + piece).split(b"\0")
                for each in whole:
                    yield each
            if rest:
                yield rest
            if await process.wait():
                raise GitError(f"git {arguments[0]} failed: is the repository damaged?")
        finally:
            await stop(process)

    async def start(self, *arguments: str, stdin: int = PIPE, stderr: int = PIPE) -> Process:
        """A running git, in a session of its own, so that nothing can ask at the terminal."""
        place = ("-C", os.fspath(self._folder)) if self._folder is not None else ()
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        kept = {name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORY}
        try:
            return await asyncio.create_subprocess_exec(
                "git",
                *("--no-pager", "--literal-pathspecs", *place, *settings, *arguments),
                stdin=stdin,
                stdout=PIPE,
                stderr=stderr,
                env=kept | _PLAIN,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise GitError("the program git is not installed") from error

    def explained(self, complaint: bytes) -> str:
        """git's complaint in plain words, or its last line."""
        text = masked_text(complaint.decode("utf-8", "replace"), *self._secrets)
        for pattern, plain in _COMPLAINTS.items():
            if re.search(pattern, text):
                return plain
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines or ["git failed"]
        return said[-1].removeprefix("fatal: ").removeprefix("error: ")


class Objects:
    """The contents of a repository by id; ``async with`` ends the process that reads them."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._lock = asyncio.Lock()
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def read(self, blob: str) -> bytes:
        """The bytes of a blob. Raises GitError."""
        async with self._lock:
            try:
                return await self._read(blob)
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                await self._end()
                raise GitError("git stopped reading: is the repository damaged?") from error
            except asyncio.CancelledError:
                await self._end()
                raise

    async def _read(self, blob: str) -> bytes:
        if self._process is None:
            self._process = await self._git.start("cat-file", "--batch", stderr=DEVNULL)
        out, into = self._process.stdout, self._process.stdin
        assert out is not None and into is not None
        into.write(f"{blob}\n".encode())
        await into.drain()
        header = (await out.readline()).split()
        if len(header) != 3 or header[1] != b"blob":
            raise GitError("its content is missing in the repository") if header else OSError("git ended")
        data = await out.readexactly(int(header[2]))
        await out.readexactly(1)
        return data

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await stop(process)


async def stop(process: Process) -> None:
    """End a process, if it still runs, and close its pipes."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        if process.stdout is not None:
            while await process.stdout.read(65536):
                pass
        await process.wait()
