"""Takes over what the first version noted of its collections, in ``sources.json`` in the data folder."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from assistant.knowledge.collections import NAMED
from assistant.knowledge.sources import SourceSpec
from assistant.records.manifest import Manifest
from assistant.settings import DEMO_DOCUMENTS, DEMO_PATH

NAME = "sources.json"


async def take_over(data: Path, manifest: Manifest) -> None:
    """Make sources of its paths, once; the file stays under another name. One that is damaged is left alone."""
    file = data / NAME
    try:
        found = json.loads(await asyncio.to_thread(file.read_text, encoding="utf-8"))
        entries = [(name, entry["origin"], [Path(path) for path in entry["paths"]]) for name, entry in found.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for collection, origin, paths in entries:
        if origin == "settings":
            await manifest.add(collection, NAMED, "settings")
            continue
        for path in paths:
            place = DEMO_DOCUMENTS if str(path) == DEMO_PATH else path
            kind = "file" if place.is_file() else "folder"
            await manifest.add(collection, SourceSpec(kind, str(place)), "command")
    file.rename(file.with_suffix(".json.taken-over"))
