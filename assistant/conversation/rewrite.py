"""An optional rewrite: the main model makes a follow-up stand on its own before it is searched."""

from __future__ import annotations

import asyncio
import logging

import prompts
from assistant.conversation.citations import without_citations
from assistant.conversation.turn import Turn
from connectors import ChatMessage, ChatModel, ChatRequest, ConnectorError

log = logging.getLogger(__name__)
SECONDS = 8.0
"""After so long the turn is searched as it is, mixed with its conversation."""
LONGEST = 500
MESSAGES = 6
MESSAGE_CHARACTERS = 1200


class ModelRewriter:
    """Asks a chat model; whatever goes wrong, the turn is searched without a rewrite."""

    def __init__(self, model: ChatModel, seconds: float = SECONDS) -> None:
        self._model = model
        self._seconds = seconds

    async def rewrite(self, turn: Turn) -> str | None:
        """The turn as a question that needs no history; None where the model failed, said nothing or too much."""
        said = [
            f"{message.role}: {without_citations(message.content)[:MESSAGE_CHARACTERS]}"
            for message in turn.history[-MESSAGES:]
        ]
        conversation = "\n".join([*said, f"user: {turn.text}"])
        system = prompts.load("rewrite").render()
        request = ChatRequest((ChatMessage.of("system", system), ChatMessage.of("user", conversation)))
        try:
            text = await asyncio.wait_for(self._read(request), self._seconds)
        except (ConnectorError, TimeoutError) as error:
            log.warning("turn %s was not rewritten: %s", turn.id, error or "it took too long")
            return None
        text = " ".join(text.split()).strip("\"'“” ")
        return text if 0 < len(text) <= LONGEST else None

    async def _read(self, request: ChatRequest) -> str:
        pieces: list[str] = []
        deltas = self._model.stream(request)
        try:
            async for delta in deltas:
                pieces.append(delta.text)
                if sum(map(len, pieces)) > LONGEST:
                    break
        finally:  # a connector owes an iterator, and only a generator has something to close
            close = getattr(deltas, "aclose", None)
            if close is not None:
                await close()
        return "".join(pieces)
