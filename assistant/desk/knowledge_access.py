"""Who may read which collection, why, and changing that in the settings file."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.access.policy import EVERYONE
from assistant.app import Assistant
from assistant.config_edit import written
from assistant.config_errors import ConfigError
from assistant.desk.knowledge import CollectionView, overview
from assistant.desk.knowledge_question import readable
from assistant.desk.knowledge_uploads import COLLECTION
from assistant.knowledge.happenings import Mistake

TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read a collection; ``origin`` is where that is said, ``surfaces`` are those that search it."""

    collection: str
    title: str
    readers: tuple[str, ...]
    origin: str
    surfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a collection may be read, and the reason in words."""

    collection: str
    allowed: bool
    why: str


async def access(assistant: Assistant, seen: Sequence[CollectionView] | None = None) -> list[Access]:
    """Of every collection, by name; ``seen`` are those of the overview, where somebody has just looked."""
    settings, origins = assistant.settings, await asyncio.to_thread(_origins, assistant)
    made = await assistant.collections.of_commands()
    found = []
    for each in await overview(assistant) if seen is None else seen:
        if each.name in settings.collections:
            key = f"collections.{each.name}.readers"
            origin = next((where for name, where in origins.items() if name in (key, f"{key}[0]")), "default")
        elif each.name in made:
            origin = "not in the settings: made by a command or an upload, so everyone may"
        else:
            origin = "it has left the settings, so nobody may"
        surfaces = [
            name
            for name, surface in settings.surfaces.items()
            if surface.collections is None or each.name in surface.collections
        ]
        found.append(Access(each.name, each.title, each.readers, origin, tuple(surfaces)))
    return found


async def verdicts(assistant: Assistant, surface: str, groups: Sequence[str]) -> list[Verdict]:
    """For each collection whether somebody of these groups may read it on a surface: decided by what turns ask.
    Raises Mistake for a surface there is not."""
    may = await readable(assistant, surface, groups)
    mine = {*groups, *assistant.settings.surfaces[surface].groups}
    return [
        Verdict(each.collection, each.collection in may, _why(each, surface, mine)) for each in await access(assistant)
    ]


def _why(each: Access, surface: str, groups: set[str]) -> str:
    if surface not in each.surfaces:
        return f"the surface {surface} does not search it"
    if EVERYONE in each.readers:
        return "everyone may read it"
    if held := [group for group in each.readers if group in groups]:
        return f"as one of {', '.join(held)}"
    if not each.readers:
        return "nobody may read it"
    return f"only {', '.join(each.readers)} may read it"


def parsed(text: str) -> list[str]:
    """Groups as people type them, separated by commas or lines."""
    return list(dict.fromkeys(part.strip() for part in text.replace("\n", ",").split(",") if part.strip()))


async def set_readers(assistant: Assistant, collection: str, readers: Sequence[str]) -> str:
    """Write who may read a collection into the settings file, by `assistant config set`: comments stay, and a file
    that would be wrong is not written. Returns what it says. Raises Mistake with its messages."""
    if assistant.file is None or not COLLECTION.fullmatch(collection):
        raise Mistake("there is no settings file here to write to")
    await assistant.refresh()
    file = assistant.file.watched[0]
    key, value = f"collections.{collection}.readers", list(readers)
    if await asyncio.to_thread(_unwritten, file):
        # The key would end the default, which is the demo: so that is written down beside it.
        demo = {"title": "Fernhill Outfitters (demo)", "sources": ["demo:"]}
        others = {} if collection == "demo" else {"demo": demo}
        own = {**demo, "readers": value} if collection == "demo" else {"readers": value}
        said = await _config_set(file, "collections", {**others, collection: own})
    else:
        said = await _config_set(file, key, value)
    await assistant.refresh()
    return said


def _unwritten(file: Path) -> bool:
    """Whether the settings file does not name collections, so that the default counts."""
    try:
        return written(file.read_text(encoding="utf-8"), ("collections",)) is None
    except FileNotFoundError:
        return True
    except (OSError, ValueError) as error:
        raise Mistake(f"{file.name} cannot be read: {error}") from error


async def _config_set(file: Path, key: str, value: object) -> str:
    named = ["--config", str(file)] if await asyncio.to_thread(file.exists) else []  # else it begins the default one
    command = ["-m", "assistant", "config", "set", *named, key, json.dumps(value, ensure_ascii=False)]
    run = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(run.communicate(), TIMEOUT)
    except TimeoutError as error:
        raise Mistake(f"writing {file.name} took longer than {TIMEOUT:.0f} seconds; look whether it changed") from error
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()
    if run.returncode:
        raise Mistake(err.decode(errors="replace").strip().removeprefix("assistant: ") or "it could not be written")
    return out.decode(errors="replace").strip()


def _origins(assistant: Assistant) -> dict[str, str]:
    if assistant.file is None:
        return {}
    try:
        return dict(assistant.file.load().origins)
    except ConfigError:
        return {}
