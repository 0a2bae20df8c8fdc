"""An optional rewrite: the main model makes a follow-up stand on its own before it is searched."""

from __future__ import annotations

import prompts
from assistant.conversation.brief import brief
from assistant.conversation.turn import Turn
from connectors import ChatModel

SECONDS = 8.0
"""After so long the turn is searched as it is, mixed with its conversation."""
LONGEST = 500


class ModelRewriter:
    """Asks a chat model; whatever goes wrong, the turn is searched without a rewrite."""

    def __init__(self, model: ChatModel, seconds: float = SECONDS) -> None:
        self._model = model
        self._seconds = seconds

    async def rewrite(self, turn: Turn) -> str | None:
        """The turn as a question that needs no history; None where the model failed, said nothing or too much."""
        system = prompts.load("rewrite").render()
        return await brief(self._model, system, turn, longest=LONGEST, seconds=self._seconds)
