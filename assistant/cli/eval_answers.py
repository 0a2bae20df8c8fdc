"""``assistant eval answers``: how close the configured model's answers are to references, what they cite and refuse."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from assistant.cli.common import console, friendly, load_settings, stop
from assistant.settings import Settings


def run(config: Path | None, passages: Path, turns: Path, as_json: bool) -> None:
    """Measure and print; exits with 2 if a file cannot be used."""
    from assistant.knowledge.evaluate import EvaluationError

    settings = load_settings(config, level="error").settings
    try:
        with friendly():
            found = asyncio.run(_measure(settings, passages, turns))
    except EvaluationError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)


async def _measure(settings: Settings, passages: Path, turns: Path) -> dict[str, Any]:
    from rich.progress import Progress

    from assistant.backends import Backends, CurrentModel
    from assistant.conversation.answers_eval import answers, read_answered
    from assistant.knowledge import evaluate
    from assistant.knowledge.embedder import FastEmbedder
    from assistant.parts import Voice, make_embedder, retriever_maker, voice_examples

    chunks = evaluate.read_passages(passages)
    asked = read_answered(turns, [chunk.document for chunk in chunks])
    shipped = FastEmbedder()
    embedder = make_embedder(settings, shipped)
    backends = Backends(Voice.of(voice_examples(settings), shipped).resources)
    backends.use(backends.chains(settings))
    try:
        with Progress(console=console(stderr=True), transient=True) as bar:
            writing = bar.add_task("Passages", total=len(chunks))
            asking = bar.add_task("Turns", total=len(asked))
            async with evaluate.indexed(chunks, embedder, lambda n: bar.update(writing, completed=n)) as index:
                retriever = retriever_maker(settings, CurrentModel(backends))(index, embedder)
                return await answers(
                    asked,
                    retriever,
                    lambda role: CurrentModel(backends, role),
                    lambda n: bar.update(asking, completed=n),
                )
    finally:
        await embedder.aclose()
        await backends.aclose()


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("figure", *found, box=None, pad_edge=False, header_style="bold")
    columns = [dict(_flat(figures)) for figures in found.values()]
    for name in columns[0]:
        table.add_row(name, *("–" if column[name] is None else f"{column[name]:g}" for column in columns))
    console().print(table)


def _flat(found: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in found.items():
        label = f"{above} {name.replace('_', ' ')}".strip()
        rows += _flat(value, label) if isinstance(value, dict) else [(label, value)]
    return rows
