"""``assistant config explain`` and ``assistant config check``."""

from __future__ import annotations

from pathlib import Path

from assistant.cli.common import console, friendly, load_settings, stop
from assistant.cli.entrances import address_of, reached_by_all, shut_out
from assistant.settings import DEMO_PATH, Settings, Source


def explain(path: Path | None) -> None:
    """A table of every setting, its value (secrets masked) and its origin."""
    from rich.markup import escape
    from rich.table import Table

    from assistant.config_schema import explain as rows

    table = Table("setting", "value", "from", box=None, pad_edge=False, header_style="bold")
    for row in rows(load_settings(path)):
        style = "dim" if row.origin == "default" else ""
        table.add_row(row.key, escape(row.value), row.origin, style=style)
    console().print(table)


def check(path: Path | None) -> None:
    """Load the settings and build every part of them that needs no connection."""
    loaded = load_settings(path)
    with friendly():
        from assistant.app import build_assistant

        build_assistant(loaded.settings)
    for name, collection in loaded.settings.collections.items():
        for index, source in enumerate(collection.sources):
            if problem := _missing(source):
                stop(f"collections.{name}.sources[{index}]: {problem}")
    address = address_of(loaded.settings.server.host)
    if address and (problem := reached_by_all(loaded.settings, address)):
        stop(f"server.host: {problem}")
    out = console()
    out.print(f"{loaded.path or 'no assistant.yaml, so the defaults'}: fine")
    for label, chain in _chains(loaded.settings).items():
        out.print(f"  {label}: answered by {', else '.join(chain)}")
    out.print(f"  collections: {', '.join(loaded.settings.collections)}")
    out.print(f"  data: {loaded.settings.data}")
    if closed := shut_out(loaded.settings):
        out.print(f"  note: {closed}", markup=False)


def _chains(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Who answers for each role, and on each surface that has models of its own."""
    from assistant.backends import ROLES

    found: dict[str, tuple[str, ...]] = {role: settings.roles.chain(role) for role in ROLES}
    for surface, policy in settings.surfaces.items():
        for role in ROLES:
            chain = settings.roles_on(surface).chain(role)
            if policy.roles.model_fields_set and chain != found[role]:
                found[f"{surface}, {role}"] = chain
    return found


def _missing(source: Source) -> str:
    """What is wrong with a place on this machine, or with a source's options; nothing is read."""
    from assistant.knowledge.sources import SourceError
    from assistant.knowledge.sources.registry import build

    place = Path(source.place)
    if source.kind in ("path", "folder", "file") and source.place != DEMO_PATH and not place.exists():
        return f"there is no file or folder {place}"
    if source.kind == "folder" and not place.is_dir():
        return f"{place} is not a folder"
    if source.kind == "file" and not place.is_file():
        return f"{place} is not a file"
    try:
        build(source.spec())
    except SourceError as error:
        return str(error)
    return ""
