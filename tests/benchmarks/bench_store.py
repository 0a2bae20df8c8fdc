"""Hybrid search with an access filter: the embedded store beside the Qdrant client's local mode, in one run.

``python -m tests.benchmarks.bench_store --chunks 20000`` prints a table. Searches come one after another,
20 of the local mode and ``--queries`` of the embedded store. Vectors are random directions, words follow
Zipf's law.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from qdrant_client import AsyncQdrantClient

from assistant.knowledge.store import HybridQuery, Index, Point, Store
from assistant.knowledge.store.embedded import EmbeddedStore
from assistant.knowledge.store.server import ServerStore
from tests.benchmarks.corpus import COLLECTIONS, DIMENSION, Corpus

LOCAL_QUERIES = 20


async def fill(store: Store, points: list[Point]) -> tuple[Index, float]:
    """The filled index, and chunks written per second."""
    await store.open()
    index = await store.create("bench", DIMENSION)
    began = time.perf_counter()
    for start in range(0, len(points), 1000):
        await index.upsert(points[start : start + 1000])
    await index.optimize()
    return index, len(points) / (time.perf_counter() - began)


async def timed(index: Index, queries: list[HybridQuery]) -> tuple[float, float]:
    """Median and 95th percentile of one search, in milliseconds."""
    await index.search(queries[0])
    taken = []
    for query in queries:
        began = time.perf_counter()
        await index.search(query)
        taken.append(1000 * (time.perf_counter() - began))
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 95))


async def main(chunks: int, number: int) -> None:
    corpus = Corpus(7)
    points = [point for group in corpus.groups(0, chunks) for point in group]
    queries = corpus.queries(number)
    with tempfile.TemporaryDirectory() as folder:
        embedded = EmbeddedStore(Path(folder))
        index, written = await fill(embedded, points)
        fast = await timed(index, queries)
        began = time.perf_counter()
        await asyncio.gather(*(index.search(query) for query in queries))
        searches = len(queries) / (time.perf_counter() - began)
        await embedded.close()
    local = ServerStore("http://local", client=AsyncQdrantClient(":memory:"))
    index, local_written = await fill(local, points)
    slow = await timed(index, queries[:LOCAL_QUERIES])
    print(f"{chunks:,} chunks, {DIMENSION} dimensions, 2 of {COLLECTIONS} collections readable\n")
    print(f"{'':24}{'embedded':>12}{'local mode':>12}{'ratio':>8}")
    rows = {
        "search p50, ms": (fast[0], slow[0], slow[0] / fast[0]),
        "search p95, ms": (fast[1], slow[1], slow[1] / fast[1]),
        "chunks written per s": (written, local_written, written / local_written),
    }
    for label, (ours, theirs, ratio) in rows.items():
        print(f"{label:24}{ours:12,.2f}{theirs:12,.2f}{ratio:8,.1f}")
    print(f"{'searches per s, at once':24}{searches:12,.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    asyncio.run(main(arguments.chunks, arguments.queries))
