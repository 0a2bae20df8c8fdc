"""Following a folder: ingestion against the embedder alone, unchanged files, chat meanwhile, and kills.

    python -m tests.benchmarks.bench_sync --documents ../shared/documents/handbook
    python -m tests.benchmarks.bench_sync --kills 200

The first prints the rate of a first sync over the embedder's own on the same chunks in the same run, the time of a
sync in which nothing changed, and how long the embedding of a question takes while a sync runs. The second kills
syncs of a changing folder at random moments and prints what the next sync finds and leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.sources import SourceSpec
from assistant.knowledge.sources.local import FolderSource
from assistant.knowledge.store import Index
from assistant.knowledge.store.embedded import EmbeddedStore
from assistant.knowledge.sync import Report, Sync
from assistant.records.manifest import Manifest
from assistant.records.repository import Repository
from tests.knowledge.kills import Kills

Run = Callable[[Path, str], Awaitable[Report]]
ROUNDS = 3
QUESTION = "How many days of annual leave can I carry over into the next year?"


def row(name: str, value: object) -> None:
    print(f"{name:62} {value}")


async def asked(embedder: FastEmbedder, seconds: list[float], pause: float) -> None:
    """Embed a question now and then, until cancelled."""
    while True:
        began = time.perf_counter()
        await embedder.embed([QUESTION])
        seconds.append(time.perf_counter() - began)
        await asyncio.sleep(pause)


async def watched(seconds: list[float]) -> None:
    """How late the event loop wakes a task up."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.01)
        seconds.append(time.perf_counter() - began - 0.01)


def shown(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=20)
    return f"p50 {statistics.median(seconds) * 1000:.1f} ms, p95 {cuts[-1] * 1000:.1f} ms ({len(seconds)} times)"


async def ingestion(documents: Path, folder: Path) -> None:
    embedder = FastEmbedder()
    embedder.embed_now([QUESTION])
    embedder.count_tokens([QUESTION])
    store, records = EmbeddedStore(folder / "index"), Repository(f"sqlite+aiosqlite:///{folder / 'records.db'}")
    await store.open()
    await records.open()
    index = await store.create("bench", embedder.dimension)
    sync = Sync(index, embedder, Manifest(records), 240)

    async def run(place: Path, collection: str) -> Report:
        return await sync.run(collection, FolderSource(SourceSpec("folder", str(place))), lambda _: None)

    await pipeline_loaded(run, folder)
    await rates(run, index, embedder, documents)
    for _ in range(2):  # what was written just now has a version only after some seconds
        await run(documents, "all")
        await asyncio.sleep(4)
    again = await run(documents, "all")
    row(f"{again.unchanged} unchanged documents", f"{again.seconds:.3f} s")
    await chat(embedder, run(documents, "meanwhile"))
    await records.close()
    await store.close()


async def rates(run: Run, index: Index, embedder: FastEmbedder, documents: Path) -> None:
    """First syncs of all documents, each into a collection of its own, and their texts embedded alone, by turns: what
    else the machine does then meets both alike."""
    synced = alone = 0.0
    chunks, ratios = 0, []
    for number in range(ROUNDS):
        report = await run(documents, f"first-{number}")
        texts = [chunk.embedding_text() async for chunk in index.scroll(f"first-{number}")]
        took = await timed(embedder, texts)
        alone, synced, chunks = alone + took, synced + report.seconds, chunks + report.chunks
        ratios.append(f"{took / report.seconds:.3f}")
    row("documents, of them failed", f"{report.added}, {len(report.failed)}")
    row("chunks", report.chunks)
    row(
        "ingestion rate / the embedder's alone",
        f"{alone / synced:.3f} ({chunks / synced:.0f}/s, {chunks / alone:.0f}/s; {', '.join(ratios)})",
    )


async def timed(embedder: FastEmbedder, texts: list[str]) -> float:
    """Seconds of the embedder alone."""
    began = time.perf_counter()
    await embedder.embed(texts)
    return time.perf_counter() - began


async def pipeline_loaded(run: Run, folder: Path) -> None:
    """Import what the first sync imports."""
    (folder / "warm").mkdir()
    (folder / "warm" / "up.md").write_text("# Warm up\n\nThis loads the pipeline.\n")
    await run(folder / "warm", "warm")


async def chat(embedder: FastEmbedder, running: Awaitable[Report]) -> None:
    """The same question while nothing goes on and while a sync does."""
    quiet: list[float] = []
    busy: list[float] = []
    late: list[float] = []
    asking = asyncio.create_task(asked(embedder, quiet, 0.01))
    await asyncio.sleep(2)
    asking.cancel()
    meanwhile = [asyncio.create_task(asked(embedder, busy, 0.1)), asyncio.create_task(watched(late))]
    await running
    for task in meanwhile:
        task.cancel()
    row("a question embedded, nothing else going on", shown(quiet))
    row("a question embedded while a sync runs", shown(busy))
    row("the event loop is late by, while a sync runs", shown(late))


def kill(place: Path, times: int) -> None:
    """Kill so many syncs, each after other changes of the folder."""
    kills = Kills(place, seed=time.time_ns())
    for _ in range(times):
        kills.round()
    found = kills.found
    row("kills, of them while a sync ran", f"{found.kills}, {found.hits}")
    row("documents acknowledged before the kill, of them lost", f"{found.acknowledged}, {found.lost}")
    row("half documents", found.half)
    row("orphans after the next sync", found.orphans)
    row("missing or doubled after the next sync", found.untrue)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, help="a folder to sync")
    parser.add_argument("--kills", type=int, default=0, help="syncs to kill")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.documents:
            copy = Path(folder) / "documents"
            shutil.copytree(chosen.documents, copy)
            asyncio.run(ingestion(copy, Path(folder)))
        if chosen.kills:
            kill(Path(folder) / "killed", chosen.kills)


if __name__ == "__main__":
    main()
