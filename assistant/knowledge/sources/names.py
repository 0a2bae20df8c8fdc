"""Which files of a folder or a repository are documents, and how their names are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from assistant.knowledge.readers import supported
from assistant.knowledge.sources import Listed, SourceError, SourceSpec

IGNORED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv"})
_WHOLE_ADDRESS = re.compile(r"!?[a-z]+://", re.IGNORECASE)


class Patterns:
    """The options ``include`` and ``exclude``: globs as in a .gitignore, so ``*.pdf``, ``drafts/``, ``/top`` and
    ``guides/**/*.md`` mean what people know from there. Raises SourceError for a pattern that is none."""

    def __init__(self, spec: SourceSpec) -> None:
        self._include = _compiled(spec, "include")
        self._exclude = _compiled(spec, "exclude")

    def take(self, path: str) -> bool:
        """Whether a document with this path, relative and with slashes, is wanted."""
        if self._exclude is not None and self._exclude.match_file(path):
            return False
        return self._include is None or bool(self._include.match_file(path))

    def enter(self, folder: str) -> bool:
        """Whether anything below a folder, given without its last slash, can be wanted."""
        return self._exclude is None or not self._exclude.match_file(f"{folder}/")


def _compiled(spec: SourceSpec, option: str) -> Any:
    patterns: Iterable[str] = spec.options.get(option) or ()
    for pattern in (found := [patterns] if isinstance(patterns, str) else list(patterns)):
        if _WHOLE_ADDRESS.match(pattern):
            raise SourceError(f"{spec.label}: {option}: write the path only, as in /guides/*")
    if not found:
        return None
    import pathspec

    try:
        return pathspec.GitIgnoreSpec.from_lines(found)
    except ValueError as error:
        raise SourceError(f"{spec.label}: {option} holds a pattern that means nothing: {error}") from error


def is_document(name: str) -> bool:
    """Whether a file of this name is read: of a known suffix, not hidden."""
    return not name.startswith(".") and supported(PurePath(name))


def is_entered(folder: str) -> bool:
    """Whether a folder of this name is looked into."""
    return not folder.startswith(".") and folder not in IGNORED_FOLDERS


def shown(name: str) -> str:
    """A name as text that can be stored; what is not UTF-8 in it is written as ``\\udcff``."""
    return name.encode("utf-8", "backslashreplace").decode()


def listed(name: str, version: str | None, trouble: str = "") -> Listed:
    """A file of this path as offered; one whose name is not UTF-8 cannot be read."""
    uri = shown(name)
    return Listed(uri, version, trouble if uri == name else "its name is not UTF-8: rename it")


def text_option(options: Mapping[str, Any], name: str, default: str) -> str:
    """An option that is a text."""
    value = options.get(name)
    return default if value is None else str(value)
