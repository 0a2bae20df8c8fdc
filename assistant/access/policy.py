"""Who may read which collection. The store applies what this says inside every query."""

from __future__ import annotations

from collections.abc import Collection, Mapping

EVERYONE = "everyone"


def readable(readers: Mapping[str, Collection[str]], groups: Collection[str]) -> frozenset[str]:
    """The collections that somebody of these groups may read. ``readers`` maps each collection to the groups that
    may: ``everyone`` among them is whoever asks, no group at all is nobody."""
    mine = {EVERYONE, *groups}
    return frozenset(name for name, allowed in readers.items() if not mine.isdisjoint(allowed))
