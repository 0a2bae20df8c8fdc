"""What a model may have left behind when it is closed: tasks and sockets."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


async def eventually(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait for what other tasks still have to do; only a hang makes this fail."""
    for _ in range(500):
        if holds():
            return
        gc.collect(0)
        await asyncio.sleep(0.01)
    raise AssertionError(what())


def sockets() -> int:
    """Sockets that this process holds, where the system tells."""
    folder = Path("/proc/self/fd")
    names = list(folder.iterdir()) if folder.is_dir() else []
    links = []
    for name in names:
        try:
            links.append(os.readlink(name))
        except OSError:
            continue
    return sum(link.startswith("socket:") for link in links)


def others() -> set[asyncio.Task[Any] | None]:
    """Every task but the one that asks."""
    return {*asyncio.all_tasks()} - {asyncio.current_task()}
