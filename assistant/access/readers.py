"""Which collections somebody may search on a surface, while collections and settings come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from assistant.access.policy import EVERYONE, readable
from assistant.knowledge.base import DocumentBase
from assistant.knowledge.collections import Collections
from assistant.knowledge.store import StoreError
from assistant.settings import Settings

AWAY = 30.0
"""Seconds in which a store that did not answer is not asked again."""
SECONDS = 2.0
"""Another process may fill a shared store, so what there is is read again after so long."""


@dataclass(slots=True)
class Readers:
    """Reads what collections there are, and remembers it for a moment."""

    base: DocumentBase
    collections: Collections
    _found: Mapping[str, Collection[str]] = field(default_factory=dict)
    _read: tuple[float, int, Settings | None] = (0.0, -1, None)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, settings: Settings, surface: str, groups: Collection[str]) -> frozenset[str]:
        """The collections that somebody of these groups may search on a surface."""
        # Whoever comes while it is being read waits: what was found before may be nothing.
        async with self._reading:
            at, changes, by = self._read
            if changes != self.collections.changes or by is not settings or time.monotonic() - at >= SECONDS:
                now = (time.monotonic(), self.collections.changes, settings)
                present: Collection[str] = tuple(self._found)
                try:
                    await self.base.look_again()
                    present = await self.base.live.index.collections()
                except StoreError:
                    if by is None:
                        raise
                    # What was known counts for a while: else all who wait would try again, one after the other.
                    now = (time.monotonic() + AWAY, now[1], settings)
                self._found = await self.who_reads(settings, present)
                self._read = now
        place = settings.surfaces[surface]
        found = readable(self._found, [*place.groups, *groups])
        return found if place.collections is None else found & frozenset(place.collections)

    async def who_reads(self, settings: Settings, present: Collection[str]) -> Mapping[str, Collection[str]]:
        """Who may read each collection that there is: as the settings say, else everyone where a command made it. One
        that has left the settings, or that nobody knows the origin of, is nobody's."""
        made = await self.collections.of_commands()
        named = settings.collections
        return {name: named[name].readers if name in named else [EVERYONE] if name in made else [] for name in present}
