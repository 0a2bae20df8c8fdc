"""Optimising a shard beside the chat: on a copy, in a child process of low priority.

Building graphs takes a minute for 100,000 chunks and holds Python's global lock, so it cannot be a thread.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

_SCRIPT = """
import ctypes, os, sys, qdrant_edge
os.nice(10)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: killed when its parent dies
shard = qdrant_edge.EdgeShard.load(sys.argv[1])
print("changed" if shard.optimize() else "unchanged")
shard.flush()
shard.close()
"""


class CompactionFailed(Exception):
    """The child process gave up; the message is the last line that it said."""


class Compactor:
    """Runs one child at a time; once stopped it runs none."""

    def __init__(self) -> None:
        self.stopped = False
        self._child: asyncio.subprocess.Process | None = None

    def stop(self) -> None:
        self.stopped = True
        if self._child is not None and self._child.returncode is None:
            self._child.kill()

    async def run(self, shard: Path) -> bool:
        """Optimise the shard in this folder; whether that changed it. False when it was stopped."""
        if self.stopped:
            return False
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-c", _SCRIPT, str(shard))
        self._child = child = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        try:
            said, complaint = await child.communicate()
        except asyncio.CancelledError:
            if child.returncode is None:
                child.kill()
            await child.wait()
            raise
        if child.returncode and not self.stopped:
            raise CompactionFailed(complaint.decode(errors="replace").strip().rpartition("\n")[2])
        return not child.returncode and said.strip() == b"changed"
