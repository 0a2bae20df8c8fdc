"""An optional second opinion: the main model says whether to look up, where the router is unsure."""

from __future__ import annotations

import re

import prompts
from assistant.conversation.brief import brief
from assistant.conversation.turn import Turn
from connectors import ChatModel

SECONDS = 4.0
"""After so long the router decides alone."""
LONGEST = 40
_WORD = re.compile(r"\W*(lookup|look up|answer)\b", re.IGNORECASE)


class ModelOpinion:
    """Asks a chat model; whatever goes wrong, the router's own score decides."""

    def __init__(self, model: ChatModel, organisation: str, seconds: float = SECONDS) -> None:
        self._model = model
        self._organisation = organisation
        self._seconds = seconds

    async def looks_up(self, turn: Turn) -> bool | None:
        """Whether the turn has to be looked up; None where the model failed or did not say."""
        system = prompts.load("route").render(organisation=self._organisation)
        said = await brief(self._model, system, turn, longest=LONGEST, seconds=self._seconds)
        found = _WORD.match(said or "")
        return None if found is None else found[1].casefold().startswith("look")
