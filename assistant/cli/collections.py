"""``assistant collections list`` and ``remove``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from assistant.cli.common import FAILED, MISTAKE, console, friendly, load_settings, prepare_data, stop
from assistant.cli.remote import RemoteError, Running
from assistant.settings import Settings


def show(config: Path | None) -> None:
    """A table of the collections there are."""
    from rich.table import Table

    found = _do(config, "GET", "/api/collections")
    table = Table("collection", "passages", box=None, pad_edge=False, header_style="bold")
    for name, passages in sorted(found["collections"].items()):
        table.add_row(name, str(passages))
    console().print(table)


def remove(config: Path | None, name: str) -> None:
    """Delete a collection; exits with 2 if there is none of that name."""
    if not _do(config, "DELETE", f"/api/collections/{name}", name)["removed"]:
        stop(f"there is no collection '{name}'. `assistant collections list` shows those there are")
    console().print(f"{name}: removed")


def _do(config: Path | None, method: str, path: str, name: str = "") -> dict[str, Any]:
    settings = load_settings(config, level="error").settings
    prepare_data(settings.data)
    try:
        with friendly():
            return asyncio.run(_here_or_there(settings, method, path, name))
    except RemoteError as error:
        stop(str(error), MISTAKE if error.mistake else FAILED)


async def _here_or_there(settings: Settings, method: str, path: str, name: str) -> dict[str, Any]:
    from assistant.app import build_assistant
    from assistant.knowledge.store import StoreLocked

    try:
        async with build_assistant(settings) as assistant:
            if name:
                return {"removed": await assistant.remove(name)}
            return {"collections": assistant.collections}
    except StoreLocked:
        running = Running.read(settings.data)
        if running is None:
            raise
        found: dict[str, Any] = await running.call(method, path)
        return found
