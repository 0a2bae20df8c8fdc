"""A file of a stranger, read in a process of its own: however it was made, it neither holds up the chat nor takes its
memory, and it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from assistant.knowledge.documents import Document, PageStart
from assistant.knowledge.loading import ReadError, load
from assistant.knowledge.readers import read_bytes

SECONDS = 180.0
MEMORY = 4 * 2**30
"""Bytes of address space; a PDF of 20 MB takes some hundred megabytes."""

_PROGRAM = "import sys; sys.path[:] = sys.argv[3:]; from assistant.knowledge import apart; apart.main(*sys.argv[1:3])"
_BROKE = "reading it takes too much memory, or it is damaged"


async def read_apart(path: Path, suffix: str, seconds: float = SECONDS) -> Document:
    """The document in a file that is read by the format that ``suffix`` names; its uri is empty. Raises ReadError.
    Being cancelled ends the process."""
    place = (str(path.absolute()), suffix, *sys.path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, *place, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError as error:
        raise ReadError(f"it takes longer than {seconds:.0f} seconds to read") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ReadError(_BROKE)
    return await asyncio.to_thread(_decoded, said)


def main(path: str, suffix: str) -> None:
    """What the process does: the document, or why there is none, as JSON on its output."""
    _bound()
    said: dict[str, Any]
    try:
        said = asdict(read_bytes(load(Path(path)), suffix, ""))
    except ReadError as error:
        said = {"reason": error.reason}
    sys.stdout.write(json.dumps(said, default=date.isoformat))


def _decoded(said: bytes) -> Document:
    found = json.loads(said)
    if "reason" in found:
        raise ReadError(found["reason"])
    found["pages"] = tuple(PageStart(**page) for page in found["pages"])
    found["modified"] = date.fromisoformat(found["modified"]) if found["modified"] else None
    return Document(**found)


def _bound() -> None:
    """Bound its memory, where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
