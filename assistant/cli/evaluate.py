"""``assistant eval retrieval`` and ``assistant eval evidence``: figures on files of one's own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

from assistant.cli.common import console, friendly, load_settings, stop
from assistant.settings import Settings

What = Literal["retrieval", "evidence"]


def run(config: Path | None, what: What, passages: Path, turns: Path, as_json: bool) -> None:
    """Measure and print; exits with 2 if a file cannot be used."""
    from assistant.knowledge.evaluate import EvaluationError

    settings = load_settings(config, level="error").settings
    try:
        with friendly():
            found = asyncio.run(_measure(settings, what, passages, turns))
    except EvaluationError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)


async def _measure(settings: Settings, what: What, passages: Path, turns: Path) -> dict[str, Any]:
    from rich.progress import Progress

    from assistant.backends import Backends, CurrentModel
    from assistant.knowledge import evaluate
    from assistant.knowledge.embedder import FastEmbedder
    from assistant.parts import Voice, make_embedder, retriever_maker

    chunks = evaluate.read_passages(passages)
    labelled = evaluate.read_turns(turns, {chunk.document for chunk in chunks})
    shipped = FastEmbedder()
    embedder = make_embedder(settings, shipped)
    backends = Backends(Voice.of((), shipped).resources)
    backends.use(backends.chains(settings))
    try:
        with Progress(console=console(stderr=True), transient=True) as bar:
            writing = bar.add_task("Passages", total=len(chunks))
            asking = bar.add_task("Turns", total=len(labelled))
            async with evaluate.indexed(chunks, embedder, lambda n: bar.update(writing, completed=n)) as index:
                retriever = retriever_maker(settings, CurrentModel(backends))(index, embedder)
                measure = evaluate.retrieval if what == "retrieval" else evaluate.evidence
                return await measure(retriever, labelled, lambda n: bar.update(asking, completed=n))
    finally:
        await embedder.aclose()
        await backends.aclose()


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("figure", "value", box=None, pad_edge=False, header_style="bold")
    for name, value in found.items():
        parts = {f"{name} {part}": each for part, each in value.items()} if isinstance(value, dict) else {name: value}
        for label, each in parts.items():
            table.add_row(label, f"{each:g}")
    console().print(table)
