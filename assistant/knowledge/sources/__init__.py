"""Sources: places that documents come from and are kept in step with.

A source lists what it holds and reads one document at a time; `assistant.knowledge.sync` compares that with what the
index holds. Kinds of source are rows of `assistant.knowledge.sources.registry`, each in a file of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from assistant.knowledge.documents import Document
from assistant.knowledge.sources.urls import is_secret, masked

OUTWARD = "outward"
"""The option of a web source that came from elsewhere: it is read on the public web or not at all."""
_APART = ("include", "exclude", "limit", OUTWARD)


class SourceError(Exception):
    """A source cannot be listed at all; the message says why and what to do, and holds no secret."""


class Gone(Exception):
    """A document that was listed is not there any more: it is treated as deleted."""


class NotModified(Exception):
    """The source says that a document is still the version that is known."""


@dataclass(frozen=True, slots=True, repr=False)
class SourceSpec:
    """What the settings or a command say of a source: its kind, where it is, and options of the kind.

    ``location`` is an absolute path for kinds on this machine, else a URL or a dotted name.
    """

    kind: str
    location: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The same for the same place in every process; stored with each chunk, 16 hexadecimal digits.

        What only chooses among the documents of a place (include, exclude, limit) is not in it, nor are ``outward``,
        keys and passwords, nor whether a path is a file or a folder: changing those must not make it another source.
        """
        kind = "path" if self.kind in ("file", "folder") else self.kind
        told = {name: value for name, value in self.options.items() if name not in _APART}
        plain = json.dumps([kind, masked(self.location), _without_secrets(told)], sort_keys=True, default=str)
        return hashlib.sha256(plain.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """How people see it: without the passwords and keys in an address."""
        return f"{self.kind} {masked(self.location)}"

    def without_secrets(self) -> SourceSpec:
        """The same source as it may be written down: of the same id, but not enough to open it where it needs keys."""
        return SourceSpec(self.kind, masked(self.location), _without_secrets(self.options))

    def __repr__(self) -> str:
        return f"SourceSpec({self.label!r})"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _without_secrets(each) for name, each in value.items() if not is_secret(str(name))}
    if isinstance(value, list | tuple):
        return [_without_secrets(each) for each in value]
    return masked(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Listed:
    """A document that a source offers.

    ``uri`` names it within the source, and people see it. ``version`` is a token that is never the same for two
    contents (a blob id, or size and times of a file); an equal token means that the document need not be read. None:
    only reading tells.
    ``trouble`` says why it cannot even be tried.
    """

    uri: str
    version: str | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds now. Below the uri prefixes ``unlisted`` ("guides/") it could not look, so nothing there is
    taken for deleted; each comes with the reason."""

    documents: tuple[Listed, ...]
    unlisted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as read, and the version token to remember for it (None: read it again next time)."""

    document: Document
    version: str | None


class Source(Protocol):
    """One place that documents come from. Constructing does no I/O; ``async with`` opens and closes it."""

    spec: SourceSpec

    async def __aenter__(self) -> Source:
        """Open what listing and reading need. Raises SourceError."""

    async def __aexit__(self, *_: object) -> None:
        """Close it."""

    async def list(self) -> Listing:
        """What is there now. Raises SourceError, and never passes off a failure as an empty listing."""

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        """Read one document; ``known`` is the version token remembered from the last time. Raises ReadError with a
        reason in plain words, NotModified, or Gone. May be called for several documents at once."""
