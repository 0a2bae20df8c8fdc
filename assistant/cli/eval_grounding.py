"""``assistant eval grounding``: what the check of answers catches, and what it flags wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assistant.cli.common import console, friendly, load_settings, stop


def run(config: Path | None, file: Path, as_json: bool) -> None:
    """Measure and print; exits with 2 if the file cannot be used."""
    from assistant.conversation.grounding_eval import GroundingFileError

    load_settings(config, level="error")
    try:
        with friendly():
            found = _measure(file)
    except GroundingFileError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)


def _measure(file: Path) -> dict[str, Any]:
    from rich.progress import Progress

    from assistant.conversation.grounding_eval import measure, read_rows
    from assistant.knowledge.embedder import FastEmbedder

    rows = read_rows(file)
    embedder = FastEmbedder()
    embedder.embed_now(["ready"])
    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("Answers", total=len(rows))
        return measure(rows, embedder.embed_now, lambda n: bar.update(task, completed=n))


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("figure", "value", box=None, pad_edge=False, header_style="bold")
    for name, value in _flat(found):
        table.add_row(name, f"{value:g}")
    console().print(table)


def _flat(found: dict[str, Any], above: str = "") -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = []
    for name, value in found.items():
        label = f"{above} {name}".strip()
        rows += _flat(value, label) if isinstance(value, dict) else [(label, value)]
    return rows
