"""The kinds of source: each a row, its module imported when one is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from assistant.knowledge.sources import OUTWARD, Source, SourceError, SourceSpec

_HERE = "assistant.knowledge.sources"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is around every source: what it must not read (absolute paths with all below them, and bare file names
    wherever they are), and the folder in which copies of places elsewhere are kept (None: nowhere)."""

    avoid: tuple[Path, ...] = ()
    cache: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The bare file names of ``avoid``."""
        return tuple(path.name for path in self.avoid if not path.is_absolute())


@dataclass(frozen=True, slots=True)
class Kind:
    """A row: where its class is, which options it takes, and which of the surroundings."""

    module: str
    name: str
    options: frozenset[str] = frozenset()
    around: Callable[[Surroundings], Mapping[str, Any]] = lambda _: {}


_GLOBS = frozenset({"include", "exclude"})
KINDS: Mapping[str, Kind] = {
    "folder": Kind("local", "FolderSource", _GLOBS, lambda given: {"avoid": given.avoid}),
    "file": Kind("local", "FileSource", frozenset(), lambda given: {"avoid": given.avoid}),
    "url": Kind("web", "PageSource", frozenset({OUTWARD})),
    "sitemap": Kind("web", "SitemapSource", _GLOBS | {"limit", OUTWARD}),
    "git": Kind(
        "git", "GitSource", _GLOBS | {"ref", "folder"}, lambda given: {"avoid": given.names, "cache": given.cache}
    ),
    "reader": Kind("llamahub", "ReaderSource", frozenset({"arguments", "load"})),
}


def build(spec: SourceSpec, *, avoid: Sequence[Path] = (), cache: Path | None = None) -> Source:
    """The source that a spec describes; nothing is read yet. See `Surroundings` for ``avoid`` and ``cache``.

    Raises SourceError for an unknown kind or option, and for patterns that mean nothing.
    """
    kind = KINDS.get(spec.kind)
    if kind is None:
        raise SourceError(f"there is no kind of source '{spec.kind}': it is one of {', '.join(KINDS)}")
    if unknown := sorted(set(spec.options) - kind.options):
        takes = ", ".join(sorted(kind.options)) or "no options"
        raise SourceError(f"{spec.label} does not take {', '.join(unknown)}: it takes {takes}")
    around = kind.around(Surroundings(tuple(avoid), cache))
    source: Source = getattr(import_module(f"{_HERE}.{kind.module}"), kind.name)(spec, **around)
    return source
