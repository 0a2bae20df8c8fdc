"""What a server does for its collections by itself: up to date at the start, in step from then on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from assistant.cli.progress import Screen, changes, counts
from assistant.knowledge.happenings import Ended, Happening, Removed
from assistant.knowledge.watching import Watched, keep_in_step

if TYPE_CHECKING:
    from assistant.app import Assistant
    from assistant.records.manifest import SourceState

log = logging.getLogger(__name__)
ON_THIS_MACHINE = ("folder", "file")


class Keeper:
    """Keeps an open assistant's collections in step with their sources, as its settings say."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._collections = assistant.collections
        self._known: list[Watched] = []
        self._of = -1
        self._later: list[SourceState] = []

    async def start(self) -> None:
        """Bring the collections of the settings up to date, with a bar. What is elsewhere and has been read before
        comes later, so that a site that is down does not keep the page from coming up."""
        due = [state for state in await self._collections.due() if state.collection in self._collections.configured]
        first = [state for state in due if state.spec.kind in ON_THIS_MACHINE or state.outcome == ""]
        self._later = [state for state in await self._collections.due() if state not in first]
        if self._assistant.settings.log_format == "json":  # whoever reads that has no use for a bar
            await self._collections.sync(first, _logged)
            return
        screen = Screen(quiet=True)
        with screen.bar():
            await self._collections.sync(first, screen.tell)

    async def keep(self) -> None:
        """Go on until cancelled. A pass that fails is logged."""
        settings = self._assistant.settings
        if settings.sync.every and self._later:
            try:
                await self._collections.sync(self._later, _logged)
            except Exception:  # nobody waits for this pass, and the server must go on
                log.exception("a sync failed; the collections stay as they were")
        await keep_in_step(
            self._sources,
            self._follow,
            watch=settings.sync.watch,
            every=settings.sync.every * 60,
            avoid=[settings.data],
        )

    async def _sources(self) -> Sequence[Watched]:
        if self._of != self._collections.changes:
            self._of = self._collections.changes
            self._known = [
                Watched(state.collection, state.spec.id, state.spec.kind, state.spec.location)
                for state in await self._collections.due()
            ]
        return self._known

    async def _follow(self, changed: Sequence[Watched]) -> None:
        wanted = {(each.collection, each.id) for each in changed}
        due = [state for state in await self._collections.due() if (state.collection, state.spec.id) in wanted]
        await self._collections.sync(due, _logged)


def _logged(happening: Happening) -> None:
    if isinstance(happening, Removed):
        log.info(
            "%s: %s %s, %d documents removed",
            happening.collection, happening.label, happening.reason, happening.documents,
        )  # fmt: skip
    if not isinstance(happening, Ended):
        return
    if happening.report is None:
        log.warning("%s, %s: %s", happening.collection, happening.label, happening.message)
        return
    if changes(happening.report):
        log.info("%s, %s: %s", happening.collection, happening.label, counts([happening.report]))
    for uri, reason in happening.report.failed:
        log.warning("%s, %s: %s could not be read: %s", happening.collection, happening.label, uri, reason)
