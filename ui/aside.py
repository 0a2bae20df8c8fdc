"""Work of many milliseconds, away from the event loop, on which everybody waits for their next word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_THREADS = ThreadPoolExecutor(2, "html")
"""Two at a time: where forty answers end at once, forty threads would keep everybody else waiting all the same."""


async def aside(work: Callable[[], T]) -> T:
    """What ``work`` returns, from a thread. Whoever stops waiting does not stop it."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
