"""What a sync has to do: a source's listing set against what the index holds of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assistant.knowledge.sources import Listed, Listing
from assistant.knowledge.store import StoredDocument

FEW = 20
"""From so many documents on, losing more than half of them looks like a mistake."""

_TWICE = "listed twice under one name: only the first is read"


@dataclass(frozen=True, slots=True)
class Held:
    """What the index holds of one document: its versions, of which there is one unless a sync was killed."""

    versions: Sequence[StoredDocument]

    @property
    def settled(self) -> str | None:
        """The content hash when exactly one version is there, and whole."""
        return self.versions[0].content_hash if len(self.versions) == 1 and self.versions[0].whole else None

    @property
    def contents(self) -> list[str]:
        """The content hashes of the versions that are whole."""
        return [version.content_hash for version in self.versions if version.whole]

    def broken(self, content_hash: str) -> bool:
        """Whether a part of that version is there."""
        return any(version.content_hash == content_hash and not version.whole for version in self.versions)


@dataclass(slots=True)
class Plan:
    """Uris and listings by what is to be done; ``failed`` holds reasons by uri, ``vanished`` is to be deleted."""

    unchanged: list[Listed] = field(default_factory=list)
    read: list[Listed] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Documents in it."""
        return len(self.unchanged) + len(self.read) + len(self.failed) + len(self.vanished)


def held(stored: Sequence[StoredDocument]) -> dict[str, Held]:
    """The index's documents of one source by uri."""
    versions: dict[str, list[StoredDocument]] = {}
    for each in stored:
        versions.setdefault(each.document, []).append(each)
    return {uri: Held(each) for uri, each in versions.items()}


def compared(listing: Listing, stored: Mapping[str, Held], tokens: Mapping[str, str]) -> Plan:
    """What to do. ``tokens`` are the versions remembered of documents that the index holds settled."""
    plan, seen = Plan(failed=list(listing.unlisted.items())), set[str]()
    for listed in listing.documents:
        if listed.uri in seen:
            plan.failed.append((listed.uri, _TWICE))
        elif listed.trouble:
            plan.failed.append((listed.uri, listed.trouble))
        elif listed.version is not None and tokens.get(listed.uri) == listed.version:
            plan.unchanged.append(listed)
        else:
            plan.read.append(listed)
        seen.add(listed.uri)
    kept = tuple(listing.unlisted)
    plan.vanished = [uri for uri in stored if uri not in seen and not uri.startswith(kept)]
    return plan


class Vanished:
    """Stored documents that are not listed any more, and which of them come back under another name."""

    def __init__(self, uris: Sequence[str], stored: Mapping[str, Held]) -> None:
        gone = set(uris)
        self._uris, self._moved = uris, set[str]()
        self._elsewhere = {digest for uri, each in stored.items() if uri not in gone for digest in each.contents}
        self._waiting: dict[str, list[str]] = {}
        for uri in reversed(uris):
            for digest in stored[uri].contents:
                self._waiting.setdefault(digest, []).append(uri)

    def claim(self, content_hash: str) -> bool:
        """Whether a new document of this content is one of them; each is found again once."""
        waiting = self._waiting.get(content_hash, [])
        while waiting:
            if (uri := waiting.pop()) not in self._moved:
                self._moved.add(uri)
                return True
        return False

    @property
    def moved(self) -> list[str]:
        """Found again; the old name can go."""
        return [uri for uri in self._uris if uri in self._moved]

    @property
    def left(self) -> list[str]:
        """Not found again."""
        return [uri for uri in self._uris if uri not in self._moved]

    def lost(self, stored: Mapping[str, Held]) -> int:
        """How many contents would be deleted: those left that no other stored document has."""
        return sum(not self._elsewhere.intersection(stored[uri].contents) for uri in self.left)


def alarming(lost: int, stored: int, offered: int) -> bool:
    """Whether losing so many of the stored documents is more likely a source's failure than its news; ``offered``
    is the number of documents that it still has."""
    return bool(lost) and (not offered or (stored >= FEW and 2 * lost > stored))
