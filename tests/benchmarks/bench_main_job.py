"""The main job on a real portal's pages, end to end over the command line and a real server.

    python -m tests.benchmarks.bench_main_job --documents ../shared/documents/handbook

Prints: pages and passages, ingestion against the embedder alone on the same texts in the same run, questions whose
page is among the first three sources (by split), seconds until ready, resident memory, latency of a turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from assistant.app import build_assistant
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.happenings import Ended
from assistant.settings import Settings
from tests.conftest import ROOT
from tests.serving import Serving, serving

QUESTIONS = ROOT / "tests" / "data" / "handbook_questions.jsonl"


def row(name: str, value: object) -> None:
    print(f"{name:58} {value}")


async def ingestion(documents: Path, data: Path) -> None:
    told: list[Ended] = []
    async with build_assistant(Settings(data=data)) as assistant:
        await assistant.warm_up()
        await assistant.warm_up_for_doubt()
        began = time.perf_counter()
        await assistant.ingest(
            [documents], "handbook", lambda each: told.append(each) if isinstance(each, Ended) else None
        )
        took = time.perf_counter() - began
        texts = [chunk.embedding_text() async for chunk in assistant.index.scroll("handbook")]
        began = time.perf_counter()
        FastEmbedder().embed_now(texts)
        alone = time.perf_counter() - began
        began = time.perf_counter()
        await assistant.ingest([documents], "handbook")
        again = time.perf_counter() - began
    report = told[0].report
    assert report is not None, told[0].message
    row("files, of them failed", f"{report.added + len(report.failed)}, {len(report.failed)}")
    row("passages", report.chunks)
    rates = f"({report.chunks / took:.0f}/s, {len(texts) / alone:.0f}/s)"
    row("ingestion rate / the embedder's alone", f"{alone / took:.2f} {rates}")
    row("the same files again", f"{again:.2f} s")


def turn(server: Serving, text: str, route: str | None) -> list[dict[str, Any]]:
    body = {"message": text, "collection": "handbook", "route": route}
    frames = httpx.post(f"{server.url}/api/v1/chat", json=body, timeout=60).text.strip().split("\n\n")
    return [json.loads(frame.split("data: ", 1)[1]) for frame in frames]


def questions(server: Serving) -> None:
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    first: list[float] = []
    for split in ("dev", "check", "test"):
        asked = [each for each in rows if each["split"] == split and each["pages"]]
        hits = 0
        for each in asked:
            events = turn(server, each["question"], "retrieve")
            pages = [passage["document"] for passage in events[1]["passages"][:3]]
            hits += any(page in each["pages"] for page in pages)
            first.append(events[-1]["timings"]["retrieved"])
        row(f"right page among the first three sources, {split} questions", f"{hits} of {len(asked)}")
    looked_up = sum(turn(server, each["question"], None)[0]["route"] != "voice" for each in rows)
    row("of all questions, routed to a lookup", f"{looked_up} of {len(rows)}")
    row("routed and retrieved, p50", f"{statistics.median(first) * 1000:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    documents = parser.parse_args().documents.absolute()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(ingestion(documents, Path(folder) / "data"))
        with serving(Path(folder)):
            pass
        with serving(Path(folder)) as server:
            row("server ready, not the first start", f"{server.seconds:.1f} s")
            questions(server)
            row("resident memory with the handbook, after the questions", f"{server.resident_megabytes():.0f} MB")


if __name__ == "__main__":
    main()
