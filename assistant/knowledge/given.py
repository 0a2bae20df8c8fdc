"""What people type after `assistant ingest`: a file, a folder or an address, as a source of a collection."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from assistant.knowledge.happenings import Mistake
from assistant.knowledge.sources import OUTWARD, SourceSpec
from assistant.knowledge.sources.names import is_document, is_entered
from assistant.settings import DEMO_DOCUMENTS, DEMO_PATH

_SITEMAP = re.compile(r"sitemap[^/]*\.xml(\.gz)?$", re.IGNORECASE)


def spec_of(given: str, known: Sequence[SourceSpec] = (), *, outward: bool = False) -> SourceSpec:
    """The source that is meant: one of ``known`` where that holds it already, else a new one; with ``outward`` only
    an address, to be read on the public web. Raises Mistake for a path that does not exist."""
    if re.match(r"https?://[^/]", given):
        options = {OUTWARD: True} if outward else {}
        return SourceSpec("sitemap" if _SITEMAP.search(given.partition("?")[0]) else "url", given, options)
    if outward:
        raise Mistake("only addresses that begin with https:// or http:// can be added from elsewhere")
    path = DEMO_DOCUMENTS if given == DEMO_PATH else Path(os.path.abspath(Path(given).expanduser()))
    if not path.exists():
        raise Mistake(f"there is no file or folder {given}")
    spec = SourceSpec("folder" if path.is_dir() else "file", str(path))
    return next((each for each in known if each == spec or covers(each, spec)), spec)


def covers(folder: SourceSpec, spec: SourceSpec) -> bool:
    """Whether a folder source reads all that another one of this machine does."""
    if folder.kind != "folder" or folder.options or spec.kind not in ("folder", "file") or spec.options:
        return False
    root, path = Path(folder.location).resolve(), Path(spec.location).resolve()
    if not path.is_relative_to(root):
        return False
    parts = path.relative_to(root).parts
    if spec.kind == "file":
        return is_document(path.name) and all(map(is_entered, parts[:-1]))
    return all(map(is_entered, parts))
