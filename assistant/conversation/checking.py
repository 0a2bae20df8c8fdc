"""The check of a finished answer as the settings want it: our own, a model's too, or none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from assistant.conversation import grounding
from assistant.conversation.citations import cited
from assistant.conversation.events import Checked
from assistant.conversation.model_check import ModelCheck
from assistant.knowledge.documents import Passage
from assistant.knowledge.evidence import EvidenceState
from assistant.knowledge.remembered import Remembered
from connectors import Embed

log = logging.getLogger(__name__)
T = TypeVar("T")
_CHECKS = ThreadPoolExecutor(2, "checks")
"""Two at a time: where forty answers end at once, forty threads would keep everybody else's first word waiting."""


@dataclass(frozen=True, slots=True)
class Checker:
    """``embed`` is the shipped embedder, which the check's weights belong to; without it nothing is marked. ``second``
    asks a model as well."""

    embed: Embed | None = None
    second: ModelCheck | None = None
    remembered: Remembered = field(default_factory=Remembered)

    async def prepare(self, passages: Sequence[Passage]) -> None:
        """Read the passages, while the model writes: a check takes a third of the time then."""
        if self.embed is not None and passages:
            with suppress(Exception):  # the check itself will meet it, and tell
                await _aside(lambda: grounding.prepare(passages))

    async def check(self, answer: str, passages: Sequence[Passage], state: EvidenceState | None) -> Checked:
        """What the passages say of the answer. A fault of the check must not take away an answer that was read."""
        unmarked = Checked(state, tuple(cited(answer)), ())
        if self.embed is None:
            return unmarked
        try:
            embed = self.embed
            found = await _aside(lambda: grounding.check(answer, passages, state, embed, self.remembered))
        except Exception:  # whatever it is, the reader has the answer and keeps it
            log.exception("an answer could not be checked")
            return unmarked
        if self.second is None:
            return found
        return replace(found, marks=await self.second.marked(answer, found.marks, passages))


async def _aside(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_CHECKS, work)
