"""Searches while a large index is being written and optimised: the embedded store, one searcher who asks all the time.

``python -m tests.benchmarks.bench_scale --chunks 100000`` prints search times alone, during writing, during the
optimisation, and after it, each beside those alone; what a write waits during the optimisation; the time to open; the
time to list all documents; and the memory. ``--rate`` writes at most so many chunks a second, as an embedder would;
without it the writer goes as fast as it can.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import resource
import tempfile
import time
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path

import numpy as np

from assistant.knowledge.store import HybridQuery, Index, Point
from assistant.knowledge.store.embedded import EmbeddedStore
from tests.benchmarks.corpus import COLLECTIONS, DIMENSION, GROUP, Corpus

ALONE = 300


async def ask_while(index: Index, queries: Sequence[HybridQuery], work: Awaitable[object] | None = None) -> list[float]:
    """Milliseconds of each search: one after another, a little pause between, until the work is done."""
    task = None if work is None else asyncio.ensure_future(work)
    taken: list[float] = []
    for query in itertools.cycle(queries):
        if task.done() if task else len(taken) == ALONE:
            break
        began = time.perf_counter()
        await index.search(query)
        taken.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(0.01)
    if task:
        await task
    return taken


async def write(index: Index, groups: Iterator[list[Point]], rate: float | None) -> list[float]:
    """Milliseconds of each group's upsert."""
    taken: list[float] = []
    began, written = time.perf_counter(), 0
    while points := await asyncio.to_thread(next, groups, None):
        start = time.perf_counter()
        await index.upsert(points)
        taken.append(1000 * (time.perf_counter() - start))
        written += len(points)
        if rate:
            await asyncio.sleep(max(0.0, began + written / rate - time.perf_counter()))
    return taken


async def optimise_and_write(index: Index, corpus: Corpus, first: int) -> tuple[float, list[float]]:
    """Seconds of the optimisation, and milliseconds of upserts beside it: 100 chunks every half second, as an embedder
    makes them on two cores."""
    began = time.perf_counter()
    optimisation = asyncio.ensure_future(index.optimize())
    writes: list[float] = []
    for number in itertools.count():
        await asyncio.wait([optimisation], timeout=0.5)
        if optimisation.done():
            break
        points = next(corpus.groups(first + number * GROUP, GROUP))
        writes.append(1000 * await timed(index.upsert(points[: GROUP // 2])))
    await optimisation
    return time.perf_counter() - began, writes


async def timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def memory() -> str:
    """What the process holds now: all, with mapped files that the system may take back, and its own (Linux)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most"
    sizes = dict(line.split(":", 1) for line in status.read_text().splitlines())
    resident, own = (int(sizes[name].split()[0]) // 1024 for name in ("VmRSS", "RssAnon"))
    return f"{resident:,} MB, {own:,} without mapped files"


def row(label: str, taken: Sequence[float], alone: Sequence[float]) -> None:
    p50, p95 = np.percentile(taken, 50), np.percentile(taken, 95)
    ratios = f"{p50 / np.percentile(alone, 50):8.1f}x{p95 / np.percentile(alone, 95):8.1f}x"
    print(f"{label:28}{len(taken):9,}{p50:9.2f}{p95:9.2f}{max(taken):9.1f}{ratios}", flush=True)


async def main(chunks: int, rate: float | None) -> None:
    corpus = Corpus(7)
    queries = corpus.queries(ALONE)
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder))
        await store.open()
        index = await store.create("bench", DIMENSION)
        empty = memory()
        await write(index, corpus.groups(0, chunks // 2), None)
        half = await ask_while(index, queries)
        print(f"{'search, ms':28}{'searches':>9}{'p50':>9}{'p95':>9}{'longest':>9}{'p50':>9}{'p95':>9}")
        row(f"alone, {chunks // 2:,} chunks", half, half)
        began = time.perf_counter()
        writing = await ask_while(index, queries, write(index, corpus.groups(chunks // 2, chunks // 2), rate))
        speed = chunks // 2 / (time.perf_counter() - began)
        row(f"during writing, {speed:,.0f}/s", writing, half)
        written = memory()
        alone = await ask_while(index, queries)
        row(f"alone, {chunks:,} chunks", alone, half)
        optimisation = asyncio.ensure_future(optimise_and_write(index, corpus, chunks))
        during = await ask_while(index, queries, optimisation)
        row("during optimisation", during, alone)
        seconds, waited = await optimisation
        after = await ask_while(index, queries)
        row("after it", after, alone)
        print(f"\nmemory at the start {empty}; after writing {written}; now {memory()}")
        print(f"optimisation took {seconds:.1f} s")
        if waited:
            most, usual = max(waited), np.median(waited)
            print(f"{len(waited)} writes beside it waited {most:,.0f} ms at most, {usual:,.0f} ms at the median")
        listed = [await timed(index.documents(f"c{i}", "files")) for i in range(COLLECTIONS)]
        print(f"documents() of {COLLECTIONS} collections, one after another: {sum(listed):.2f} s")
        nothing = await timed(index.optimize())
        print(f"optimize() again: {nothing:.2f} s")
        await store.close()
        opening = await timed(store.open()) + await timed(store.index("bench"))
        await store.close()
    print(f"opening: {opening:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--rate", type=float)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.chunks, arguments.rate))
