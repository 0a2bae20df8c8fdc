"""A brief word of a chat model on a turn: for a rewrite, and for a second opinion on the route."""

from __future__ import annotations

import asyncio
import logging

from assistant.conversation.citations import without_citations
from assistant.conversation.turn import Turn
from connectors import ChatMessage, ChatModel, ChatRequest, ConnectorError

log = logging.getLogger(__name__)
MESSAGES = 6
MESSAGE_CHARACTERS = 1200


async def brief(model: ChatModel, system: str, turn: Turn, *, longest: int, seconds: float) -> str | None:
    """What the model says of a turn and its latest messages, given as data; None where it failed, took longer than
    ``seconds``, or said nothing or more than ``longest`` characters."""
    said = [
        f"{message.role}: {without_citations(message.content)[:MESSAGE_CHARACTERS]}"
        for message in turn.history[-MESSAGES:]
    ]
    conversation = "\n".join([*said, f"user: {turn.text}"])
    request = ChatRequest((ChatMessage.of("system", system), ChatMessage.of("user", conversation)))
    try:
        text = await asyncio.wait_for(_read(model, request, longest), seconds)
    except (ConnectorError, TimeoutError) as error:
        log.warning("%s said nothing of turn %s: %s", model.name, turn.id, error or "it took too long")
        return None
    text = " ".join(text.split()).strip("\"'“” ")
    return text if 0 < len(text) <= longest else None


async def _read(model: ChatModel, request: ChatRequest, longest: int) -> str:
    pieces: list[str] = []
    deltas = model.stream(request)
    try:
        async for delta in deltas:
            pieces.append(delta.text)
            if sum(map(len, pieces)) > longest:
                break
    finally:  # a connector owes an iterator, and only a generator has something to close
        close = getattr(deltas, "aclose", None)
        if close is not None:
            await close()
    return "".join(pieces)
