"""Where the documents of each collection came from: the files and folders, in the order in which they were ingested.

Kept as JSON in the data folder. It names documents the same way each time, lets a rebuild read everything again, and
tells a collection of the settings from one that a command made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assistant.files import write_atomically
from assistant.knowledge.store import StoreError

NAME = "sources.json"
Origin = Literal["settings", "command"]


@dataclass(frozen=True, slots=True)
class Entry:
    """The paths of a collection, and who named them first."""

    paths: tuple[Path, ...]
    origin: Origin


class Roots:
    """The record in one data folder."""

    def __init__(self, data: Path) -> None:
        self._file = data / NAME

    def read(self) -> dict[str, Entry]:
        """All collections. Raises StoreError if the file is damaged."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return {
                name: Entry(tuple(Path(path) for path in entry["paths"]), entry["origin"])
                for name, entry in found.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{self._file} cannot be read ({error}). Move it away and ingest the collections again"
            ) from error

    def paths(self, collection: str) -> tuple[Path, ...]:
        """Those of one collection."""
        entry = self.read().get(collection)
        return entry.paths if entry else ()

    def add(self, collection: str, paths: Sequence[Path], origin: Origin) -> None:
        """Remember paths; those known already keep their place, and the collection its first origin, unless the
        settings come to name it."""
        known = self.read()
        entry = known.get(collection, Entry((), origin))
        merged = tuple(dict.fromkeys([*entry.paths, *paths]))
        known[collection] = Entry(merged, "settings" if origin == "settings" else entry.origin)
        self._write(known)

    def remove(self, collection: str) -> None:
        """Forget a collection."""
        known = self.read()
        if known.pop(collection, None) is not None:
            self._write(known)

    def _write(self, known: dict[str, Entry]) -> None:
        plain = {
            name: {"paths": [str(path) for path in each.paths], "origin": each.origin} for name, each in known.items()
        }
        write_atomically(self._file, json.dumps(plain, indent=2, ensure_ascii=False))
