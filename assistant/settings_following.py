"""Takes over what the settings file says while the program runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from assistant.config_errors import ConfigError
from assistant.knowledge.happenings import Mistake
from assistant.routing.heads import HeadsError
from assistant.settings import Settings
from assistant.settings_file import SettingsFile
from assistant.voice.examples import VoiceExamplesError
from connectors import ConnectorError

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Following:
    """Follows a file, if there is one: ``take`` exchanges what its settings change, or changes nothing and raises.
    ``problem`` is what is wrong with it."""

    file: SettingsFile | None
    take: Callable[[Settings], Awaitable[None]]
    problem: str | None = None
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _refreshing: set[asyncio.Task[None]] = field(default_factory=set)

    async def follow(self) -> None:
        """Take over the settings if their file has changed, or wait for whoever is about to. What is wrong with it is
        logged, kept as ``problem``, and changes nothing."""
        if self.file is not None and (self.file.changed() or self._taking.locked()):
            with suppress(Mistake):
                await self.refresh()

    async def refresh(self) -> None:
        """Take over what the file now says. Raises Mistake for a file that is wrong."""
        if self.file is None:
            return
        # A task of its own: whoever stops the turn that noticed the change must not stop the change half-way.
        task = asyncio.ensure_future(self._refresh(self.file))
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)
        await asyncio.shield(task)

    async def _refresh(self, file: SettingsFile) -> None:
        async with self._taking:
            if not file.changed():
                if self.problem:
                    raise Mistake(self.problem)
                return
            try:
                await self.take(await file.read())
            except (ConfigError, ConnectorError, VoiceExamplesError, HeadsError) as error:
                told, self.problem = self.problem, _not_taken(error)
                if self.problem != told:
                    log.error("%s", self.problem)
                raise Mistake(self.problem) from error
            except Exception:  # a locked database, say: the change is tried again, and whoever asked hears of it
                file.forget()
                raise
            self.problem = None


def _not_taken(error: Exception) -> str:
    return f"the settings cannot be taken over, so the earlier ones still count: {error}"
