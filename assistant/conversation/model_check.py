"""An optional second check of an answer: the main model says of each claim whether the passages state it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import prompts
from assistant.conversation.compose import document
from assistant.conversation.events import Mark, Support
from assistant.knowledge.documents import Passage
from connectors import ChatMessage, ChatModel, ChatRequest, ConnectorError, Part, TextPart
from connectors.wrapper import Closing

log = logging.getLogger(__name__)
SECONDS = 20.0
"""After so long the own check stands alone."""
LONGEST = 4_000
_LINE = re.compile(r"^\W*(\d{1,3})\W+(supported|partly|unsupported)\b", re.IGNORECASE | re.MULTILINE)
STATES: Mapping[str, Support] = {"supported": "supported", "partly": "partly", "unsupported": "unsupported"}
WHY: Mapping[Support, str] = {
    "supported": "",
    "partly": "the model that checks answers finds only part of this in the sources",
    "unsupported": "the model that checks answers does not find this in the sources",
}


class ModelCheck:
    """Asks a chat model; where it says nothing of a claim, the mark stays as it is."""

    def __init__(self, model: ChatModel, seconds: float = SECONDS) -> None:
        self._model = model
        self._seconds = seconds

    async def marked(self, answer: str, marks: Sequence[Mark], passages: Sequence[Passage]) -> tuple[Mark, ...]:
        """The marks as the model sees them."""
        if not marks:
            return ()
        claims = [" ".join(answer[mark.start : mark.end].split()) for mark in marks]
        try:
            said = await asyncio.wait_for(self._ask(claims, passages), self._seconds)
        except (ConnectorError, TimeoutError) as error:
            log.warning("%s did not check an answer: %s", self._model.name, error or "it took too long")
            return tuple(marks)
        return tuple(_judged(mark, said.get(number)) for number, mark in enumerate(marks, 1))

    async def _ask(self, claims: Sequence[str], passages: Sequence[Passage]) -> dict[int, Support]:
        numbered = "\n".join(f"{number}: {claim}" for number, claim in enumerate(claims, 1))
        documents = (document(passage) for passage in passages)
        parts: tuple[Part, ...] = (*documents, TextPart(f"Sentences:\n\n{numbered}"))
        system = ChatMessage.of("system", prompts.load("check").render())
        text = ""
        async with Closing(self._model.stream(ChatRequest((system, ChatMessage("user", parts)), 0.0))) as deltas:
            async for delta in deltas:
                text += delta.text
                if len(text) > LONGEST:
                    break
        return {int(number): STATES[word.lower()] for number, word in _LINE.findall(text)}


def _judged(mark: Mark, state: Support | None) -> Mark:
    if state is None or state == mark.state:
        return mark
    return replace(mark, state=state, why=WHY[state])
