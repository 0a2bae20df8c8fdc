"""``assistant keys add``, ``list`` and ``revoke``: on the records themselves, so that they work beside a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from assistant.cli.common import console, friendly, stop
from assistant.cli.router_learning import records_of
from assistant.cli.work import load

if TYPE_CHECKING:
    from assistant.access.api_keys import ApiKey
    from assistant.access.identity import Role
    from assistant.config_file import Loaded
    from assistant.records.repository import Repository

T = TypeVar("T")
MOST_NAME = 100
ROLES = ("user", "editor", "admin")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key that is asked for; None is no bound."""

    name: str
    surfaces: Sequence[str] | None
    collections: Sequence[str] | None
    groups: Sequence[str]
    role: str
    days: int | None


def add(config: Path | None, wanted: Wanted, as_json: bool) -> None:
    """Make a key; exits with 2 for a surface or a collection that there is not."""
    loaded = load(config, level="error")
    if not 0 < len(wanted.name) <= MOST_NAME or not wanted.name.isprintable() or not wanted.name.strip():
        stop(f"give the key a name in one line, of at most {MOST_NAME} characters: what it is for")
    for group in wanted.groups:
        if not group.strip() or group != group.strip() or not group.isprintable():
            stop("the name of a group stands in one line, without blanks around it")
    _known("role", [wanted.role], ROLES)
    _known("surface", wanted.surfaces or (), loaded.settings.surfaces)

    async def made(records: Repository) -> tuple[str, ApiKey, list[ApiKey]]:
        from assistant.access.api_keys import ApiKeys

        if wanted.collections:
            _known("collection", wanted.collections, await _collections(loaded, records))
        keys = ApiKeys(records)
        before = [each for each in await keys.listed() if each.name == wanted.name.strip() and not each.ended]
        key, known = await keys.add(
            wanted.name.strip(),
            surfaces=wanted.surfaces,
            collections=wanted.collections,
            groups=wanted.groups,
            role=cast("Role", wanted.role),
            days=wanted.days,
        )
        return key, known, before

    key, known, before = _on_records(loaded, made)
    for each in before:
        told = f"There is another key of this name, and both count. To end it: assistant keys revoke {each.id}"
        console(stderr=True).print(told, markup=False)
    if as_json:
        print(json.dumps({"key": key, **_row(known)}, ensure_ascii=False, indent=2))
        return
    print(key)
    console(stderr=True).print(
        "This is the only time that it is shown: keep it as you would a password. Programs send it as\n"
        f"Authorization: Bearer {key[:6]}…   To end it: assistant keys revoke {known.id}",
        markup=False,
    )


def show(config: Path | None, as_json: bool) -> None:
    """A table of the keys, those that have ended dimmed."""

    async def listed(records: Repository) -> list[ApiKey]:
        from assistant.access.api_keys import ApiKeys

        return await ApiKeys(records).listed()

    found = _on_records(load(config, level="error"), listed)
    if as_json:
        print(json.dumps([_row(each) for each in found], ensure_ascii=False, indent=2))
    elif not found:
        console().print("There are no API keys. `assistant keys add NAME` makes one", markup=False)
    else:
        _print(found)


def revoke(config: Path | None, identifier: str) -> None:
    """End a key; exits with 2 where there is none of that id."""
    from assistant.access.api_keys import PREFIX, REMEMBERED

    # Whoever has the whole key at hand gives that; it is not repeated in any message.
    identifier = identifier.removeprefix(PREFIX).partition("_")[0]

    async def ended(records: Repository) -> tuple[bool, ApiKey | None]:
        from assistant.access.api_keys import ApiKeys

        keys = ApiKeys(records)
        done = await keys.revoke(identifier)
        return done, next((each for each in await keys.listed() if each.id == identifier), None)

    done, key = _on_records(load(config, level="error"), ended)
    if key is None:
        stop("there is no key of this id. `assistant keys list` shows those there are")
    word = f"revoked. A running server refuses it within {REMEMBERED:g} seconds" if done else "was revoked before"
    console().print(f"{key.id} ({key.name}): {word}", markup=False)


async def _collections(loaded: Loaded, records: Repository) -> set[str]:
    """Those of the settings, and those that commands have made."""
    from assistant.records.manifest import Manifest

    return {*loaded.settings.collections, *(each.collection for each in await Manifest(records).sources())}


def _known(kind: str, given: Sequence[str], known: Collection[str]) -> None:
    from assistant.config_types import did_you_mean

    for name in given:
        if name not in known:
            there = f"There are: {', '.join(sorted(known))}." if known else "There are none."
            stop(" ".join(f"there is no {kind} '{name}'. {did_you_mean(name, known)} {there}".split()))


def _on_records(loaded: Loaded, work: Callable[[Repository], Awaitable[T]]) -> T:
    async def worked() -> T:
        records = records_of(loaded.settings)
        await records.open()
        try:
            return await work(records)
        finally:
            await records.close()

    with friendly():
        return asyncio.run(worked())


def _row(key: ApiKey) -> dict[str, Any]:
    times = {name: getattr(key, name) for name in ("made_at", "used_at", "expires_at", "revoked_at")}
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "surfaces": None if key.surfaces is None else sorted(key.surfaces),
        "collections": None if key.collections is None else sorted(key.collections),
        "groups": sorted(key.groups),
        **{name: at.isoformat(timespec="seconds") if at else None for name, at in times.items()},
        "counts": not key.ended,
    }


def _print(keys: Sequence[ApiKey]) -> None:
    from rich.markup import escape
    from rich.table import Column, Table

    out = console()
    out.soft_wrap = False
    table = Table(
        Column("id", no_wrap=True),
        Column("name", overflow="fold", ratio=1),
        Column("role", no_wrap=True),
        Column("may use", overflow="fold", ratio=1),
        *(Column(name, no_wrap=True) for name in ("last used", "expires")),
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for each in keys:
        ends = "revoked" if each.revoked_at else _day(each.expires_at) if each.expires_at else "never"
        cells = [each.id, each.name, each.role, _bounds(each), _minute(each.used_at), ends]
        table.add_row(*map(escape, cells), style="dim" if each.ended else "")
    out.print(table)


def _bounds(key: ApiKey) -> str:
    """What it is held to, and what it may read besides."""
    given = (("surfaces", key.surfaces), ("collections", key.collections))
    parts = [f"all {name}" if bound is None else f"{name} {', '.join(sorted(bound))}" for name, bound in given]
    return "; ".join([*parts, *([f"groups {', '.join(sorted(key.groups))}"] if key.groups else [])])


def _minute(at: datetime | None) -> str:
    return at.astimezone().strftime("%m-%d %H:%M") if at else "never"


def _day(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d")
