"""``assistant sources list``, ``sync`` and ``remove``."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.common import console
from assistant.cli.ingest import finish, syncing
from assistant.cli.progress import some
from assistant.cli.work import Question, ask, load
from assistant.settings import DEMO_DOCUMENTS, DEMO_PATH

if TYPE_CHECKING:
    from assistant.app import Assistant


def show(config: Path | None, collection: str | None, as_json: bool) -> None:
    """A table of the sources, and below it what is wrong with any."""

    async def here(assistant: Assistant) -> dict[str, Any]:
        return await assistant.list_sources()

    found = ask(config, Question(here, "GET", "/api/v1/sources", whatever=True))["sources"]
    rows = [row for row in found if collection is None or row["collection"] == collection]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    _print(rows)


def sync(
    config: Path | None, collection: str | None, source: str | None, force: bool, engine: str, every: str | None
) -> None:
    """Bring sources up to date; with ``every`` go on doing so."""
    loaded = load(config)
    if every is not None:
        from assistant.cli.watch import follow

        follow(loaded, collection, named(source), force, every)
        return
    finish(loaded, [syncing(None, collection, named(source), force, engine)])


def remove(config: Path | None, collection: str, source: str) -> None:
    """Take a source and its documents out."""
    names = named(source)

    async def here(assistant: Assistant) -> dict[str, Any]:
        removed = await assistant.collections.remove(collection, names)
        return {"label": removed.label, "documents": removed.documents}

    body = {"collection": collection, "source": names}
    found = ask(config, Question(here, "POST", "/api/v1/sources/remove", body))
    console().print(
        f"{found['label']}: taken out of {collection}, {some(found['documents'], 'document')} removed", markup=False
    )


def named(source: str | None) -> list[str]:
    """What a typed source can mean: what it says, or the path that it is from here."""
    if source is None:
        return []
    return [str(DEMO_DOCUMENTS)] if source == DEMO_PATH else [source, os.path.abspath(os.path.expanduser(source))]


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Column, Table

    out = console()
    out.soft_wrap = False
    table = Table(
        Column("collection", overflow="fold"),
        Column("source", overflow="fold", ratio=1),
        Column("documents", justify="right", no_wrap=True),
        Column("passages", justify="right", no_wrap=True),
        Column("last sync", no_wrap=True),
        Column("outcome", no_wrap=True),
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for row in rows:
        when = (
            datetime.fromisoformat(row["synced_at"]).astimezone().strftime("%m-%d %H:%M") if row["synced_at"] else "–"
        )
        place = f"{row['kind']} {_shorter(row['location'])}"
        state = "left" if row["left"] else row["outcome"] or "–"
        style = "dim" if row["left"] else "yellow" if row["outcome"] not in ("", "ok") else ""
        cells = [row["collection"], place, f"{row['documents']:,}", f"{row['passages']:,}", when, state]
        table.add_row(*map(escape, cells), style=style)
    out.print(table)
    for row in rows:
        if row["left"]:
            text = "left the settings; its documents go with the next sync of the collection"
        elif row["message"]:
            text = row["message"]
        else:
            continue
        out.print(f"{row['collection']}, {row['kind']} {_shorter(row['location'])}: {text}", markup=False)


def _shorter(location: str) -> str:
    """As people would write it here."""
    if location == str(DEMO_DOCUMENTS):
        return DEMO_PATH
    here = Path.cwd()
    path = Path(location)
    return (
        str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) and path != here else location
    )
