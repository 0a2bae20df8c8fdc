"""``assistant collections list``, ``remove`` and ``rollback``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.common import console, stop
from assistant.cli.ingest import finish
from assistant.cli.work import Job, Question, ask, load

if TYPE_CHECKING:
    from assistant.app import Assistant
    from assistant.knowledge.happenings import Tell


def show(config: Path | None) -> None:
    """A table of the collections there are, and one of the indexes that are kept."""
    from rich.table import Table

    async def here(assistant: Assistant) -> dict[str, Any]:
        return await assistant.list_collections()

    found = ask(config, Question(here, "GET", "/api/v1/collections", whatever=True))
    out = console()
    out.soft_wrap = False
    look: dict[str, Any] = {"box": None, "pad_edge": False, "header_style": "bold"}
    table = Table("collection", "passages", "readers", **look)
    for row in found["collections"]:
        table.add_row(row["name"], f"{row['passages']:,}", ", ".join(row["readers"]) or "nobody")
    out.print(table)
    indexes = Table("index", "passages", "built with", **look)
    for row in found["indexes"]:
        indexes.add_row(row["use"] or "unused", f"{row['passages']:,}", row["made_with"])
    out.print()
    out.print(indexes)


def remove(config: Path | None, name: str) -> None:
    """Delete a collection; exits with 2 if there is none of that name."""

    async def here(assistant: Assistant) -> dict[str, Any]:
        return {"removed": await assistant.collections.drop(name)}

    if not ask(config, Question(here, "DELETE", f"/api/v1/collections/{name}"))["removed"]:
        stop(f"there is no collection '{name}'. `assistant collections list` shows those there are")
    console().print(f"{name}: removed")


def rollback(config: Path | None) -> None:
    """Search the index before the last rebuild again, and bring it up to date."""

    async def here(assistant: Assistant, tell: Tell) -> None:
        await assistant.roll_back(tell)

    finish(load(config), [Job(here, "/api/v1/collections/rollback")], whatever=True)
