"""A writer of documents that is killed at random moments, and what its index holds then.

``python -m tests.knowledge.store_kills 200`` kills it so many times and prints a table.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import Point
from assistant.knowledge.store.embedded import EmbeddedStore

ROOT = Path(__file__).parents[2]
DIMENSION, DOCUMENTS = 16, 60
EXACT_UP_TO_KB = 30
"""480 points: the writer compacts all the time, while it goes on writing."""


@dataclass
class Killed:
    """Documents acknowledged, and of these and others: lost, half, or of a version that nobody wrote last."""

    acknowledged: int = 0
    lost: int = 0
    half: int = 0
    unexpected: int = 0
    compactions: int = 0


async def write_versions(folder: str, first: str) -> None:
    """Run in a process of its own: replace random documents for ever, and print each as it is acknowledged."""
    dice = random.Random(int(first))
    store = EmbeddedStore(Path(folder), exact_up_to_kb=EXACT_UP_TO_KB)
    await store.open()
    index = await store.create("docs", DIMENSION)
    optimising = asyncio.ensure_future(index.optimize())
    stamp = int(first)
    while True:
        document, chunks, digest = f"{dice.randrange(DOCUMENTS)}.md", dice.choice((1, 3, 20, 150)), f"{stamp:064}"
        vectors = [[dice.gauss(0, 1) for _ in range(DIMENSION)] for _ in range(chunks)]
        places = [("Title", (), f"part {i}", 0, 6, i, chunks, digest) for i in range(chunks)]
        made = [Chunk("all", document, *place, source="files") for place in places]
        await index.upsert([Point(chunk, vector) for chunk, vector in zip(made, vectors, strict=True)])
        await index.delete_document("all", "files", document, keep_hash=digest)
        print(document, stamp, chunks, flush=True)
        stamp += 1
        if optimising.done():
            optimising = asyncio.ensure_future(index.optimize())


def start(module: str, function: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A process that runs a coroutine of a module of tests."""
    script = f"import asyncio, sys; from {module} import {function}; asyncio.run({function}(*sys.argv[1:]))"
    command = [sys.executable, "-c", script, str(folder), *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> str:
    """Kill -9, and what the process still had said."""
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    return said


async def killed(folder: Path, kills: int, seed: int) -> Killed:
    """Kill the writer so often, and look at the index after each time."""
    dice, found, first = random.Random(seed), Killed(), 1
    acknowledged: dict[str, tuple[int, int]] = {}
    for _ in range(kills):
        writer = start("tests.knowledge.store_kills", "write_versions", folder, str(first))
        assert writer.stdout is not None
        said = writer.stdout.readline()
        time.sleep(dice.uniform(0, 1.2))
        for line in (said + kill(writer)).splitlines():
            document, stamp, chunks = line.split()
            acknowledged[document] = int(stamp), int(chunks)
            first = int(stamp) + 1
            found.acknowledged += 1
        await _look(folder, acknowledged, first, found)
        first += 1
    return found


async def _look(folder: Path, acknowledged: dict[str, tuple[int, int]], in_flight: int, found: Killed) -> None:
    shards = list((folder / "docs").glob("shard-*"))
    found.compactions += len(shards) > 1
    store = EmbeddedStore(folder, exact_up_to_kb=EXACT_UP_TO_KB)
    await store.open()
    index = await store.index("docs")
    seen: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    async for chunk in index.scroll("all"):
        seen[chunk.document][int(chunk.content_hash)].add(chunk.position)
        found.half += chunk.position >= chunk.of
    for stored in await index.documents("all"):
        found.half += not stored.whole or len(seen[stored.document][int(stored.content_hash)]) != stored.of
    for document, versions in seen.items():
        last = acknowledged.get(document, (0, 0))[0]
        found.unexpected += not set(versions) <= {last, in_flight}
        if in_flight in versions:  # written and not acknowledged; a sync would finish it like this
            acknowledged[document] = in_flight, len(versions[in_flight])
            await index.delete_document("all", "files", document, keep_hash=f"{in_flight:064}")
    for document, (stamp, chunks) in acknowledged.items():
        found.lost += len(seen[document][stamp]) != chunks
    await store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        result = asyncio.run(killed(Path(place), int(sys.argv[1]), seed=int(time.time())))
    print(f"{sys.argv[1]} kills, {result.compactions} of them during a compaction, {result.acknowledged} acknowledged")
    print(f"lost {result.lost}, half {result.half}, of an unexpected version {result.unexpected}")
