"""``assistant desk``: a link that opens the desk of the server on the same data folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

from assistant.cli.common import FAILED, console, friendly, load_settings, stop
from assistant.cli.remote import Running


def run(config: Path | None, at: str | None) -> None:
    """Print it. ``at`` is the address that people use, where that is not the server's own."""
    loaded = load_settings(config, level="error")
    running = Running.read(loaded.settings.data)
    if running is None:
        stop("no server runs on this data folder. Start one: assistant serve", FAILED)
    with friendly():
        code = asyncio.run(running.call("POST", "/api/v1/desk/code"))["code"]
    console().print(link(at or running.url, code), markup=False)
    if not at and loaded.settings.server.root_path:
        console(stderr=True).print("Behind a proxy the link begins with the address that people use: --at ADDRESS")


def link(url: str, code: str) -> str:
    """The code stands in the fragment, which browsers send to nobody."""
    return f"{url.rstrip('/')}/desk/enter#{code}"
