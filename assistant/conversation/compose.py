"""From a decided turn to the request that a model gets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import prompts
from assistant.conversation.routes import Route
from assistant.conversation.turn import Message, Turn
from assistant.knowledge.documents import Passage
from assistant.voice.examples import VoiceExample
from connectors import ChatMessage, ChatRequest, DocumentPart, TextPart

HISTORY_CHARACTERS = 12_000
"""About 3,000 tokens; the newest messages are kept."""

_CITATION = re.compile(r"\s?\[\d{1,2}\]")


def compose(
    route: Route,
    turn: Turn,
    passages: Sequence[Passage],
    *,
    organisation: str,
    contact: str | None,
    today: date,
    examples: Sequence[VoiceExample] = (),
) -> tuple[ChatRequest, str]:
    """The request for a turn and the version of the prompt that it was made with."""
    prompt = prompts.load(route.prompt)
    values: dict[str, object] = {
        "organisation": organisation,
        "today": today.isoformat(),
        "contact": contact,
        "examples": [(example.said, example.answer) for example in examples],
    }
    system = prompt.render(**{name: value for name, value in values.items() if name in prompt.variables})
    history = [ChatMessage.of(message.role, _quiet(message)) for message in _recent(turn.history)]
    asked = ChatMessage("user", (*(document(passage) for passage in passages), TextPart(turn.text)))
    return ChatRequest((ChatMessage.of("system", system), *history, asked)), prompt.version


def document(passage: Passage) -> DocumentPart:
    """A passage as a connector sees it."""
    chunk = passage.chunk
    return DocumentPart(
        number=passage.number,
        title=chunk.title,
        section=" › ".join(chunk.below_title),
        text=chunk.text,
        date=chunk.modified.isoformat() if chunk.modified else None,
        page=chunk.page,
    )


def _recent(history: Sequence[Message]) -> list[Message]:
    kept: list[Message] = []
    room = HISTORY_CHARACTERS
    for message in reversed(history):
        room -= len(message.content)
        if room < 0:
            break
        kept.append(message)
    return kept[::-1]


def _quiet(message: Message) -> str:
    """Citations of earlier answers point to passages that this request does not hold, so they go."""
    return _CITATION.sub("", message.content) if message.role == "assistant" else message.content
