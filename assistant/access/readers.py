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


_Found = Mapping[str, Collection[str]]
"""Who may read each collection that there is."""
_Of = tuple[int, Settings]
"""What it was read for: so many changes of the collections, and the settings."""


@dataclass(slots=True)
class Readers:
    """Reads what collections there are, and remembers it for a moment."""

    base: DocumentBase
    collections: Collections
    _found: _Found = field(default_factory=dict)
    _of: _Of | None = None
    _at: float = 0.0
    _reading: tuple[_Of, asyncio.Task[_Found]] | None = None

    async def of(self, settings: Settings, surface: str, groups: Collection[str]) -> frozenset[str]:
        """The collections that somebody of these groups may search on a surface."""
        wanted = (self.collections.changes, settings)
        if self._of != wanted or time.monotonic() - self._at >= SECONDS:
            found = await self._anew(wanted)
        else:
            found = self._found
        place = settings.surfaces[surface]
        mine = readable(found, [*place.groups, *groups])
        return mine if place.collections is None else mine & frozenset(place.collections)

    async def _anew(self, wanted: _Of) -> _Found:
        """Read once for all who come meanwhile, and all go on together: what was found before may be nothing. A lock
        would let them go on one by one, each after what the one before does next."""
        if self._reading is None or self._reading[0] != wanted:
            self._reading = wanted, asyncio.create_task(self._read(*wanted))
            self._reading[1].add_done_callback(self._over)
        return await asyncio.shield(self._reading[1])

    async def _read(self, changes: int, settings: Settings) -> _Found:
        at = time.monotonic()
        present: Collection[str] = tuple(self._found)
        try:
            await self.base.look_again()
            present = await self.base.live.index.collections()
        except StoreError:
            if self._of is None:
                raise
            # What was known counts for a while from now on: else all who come would try again.
            at = time.monotonic() + AWAY
        found = await self.who_reads(settings, present)
        if self._reading is not None and self._reading[0] == (changes, settings):  # else there is newer to come
            self._found, self._at, self._of = found, at, (changes, settings)
        return found

    def _over(self, task: asyncio.Task[_Found]) -> None:
        if self._reading is not None and self._reading[1] is task:
            self._reading = None
        if not task.cancelled():
            task.exception()  # told to those who wait; where nobody does any more, it is nobody's

    async def who_reads(self, settings: Settings, present: Collection[str]) -> _Found:
        """Who may read each collection that there is: as the settings say, else everyone where a command made it. One
        that has left the settings, or that nobody knows the origin of, is nobody's."""
        made = await self.collections.of_commands()
        named = settings.collections
        return {name: named[name].readers if name in named else [EVERYONE] if name in made else [] for name in present}
