"""A conversation as the one prompt of a model that runs in this process, by the model's own chat template."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from connectors.base import ChatMessage, DocumentPart
from connectors.errors import ConfigurationError
from connectors.openai_compat import render_document

Message = dict[str, str]
Render = Callable[[list[Message]], str]
"""A chat template: raises whatever it likes where it refuses the messages."""

PLAIN_UNTIL = "\nUser:"
_NAMES = {"user": "User", "assistant": "Assistant"}


def as_messages(messages: Sequence[ChatMessage], special: Collection[str] = ()) -> list[Message]:
    """Role and text of each message, documents fenced. ``special`` are the tokenizer's marks (such as that of a
    turn's end): each is broken with a space, so that no text can end its own turn and begin another's."""
    marks = sorted((mark for mark in special if len(mark) > 1), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, marks))) if marks else None
    found = []
    for message in messages:
        pieces = [render_document(part) if isinstance(part, DocumentPart) else part.text for part in message.parts]
        text = "\n\n".join(pieces)
        if pattern is not None:
            text = pattern.sub(lambda mark: f"{mark[0][0]} {mark[0][1:]}", text)
        found.append({"role": message.role, "content": text})
    return found


def rendered(render: Render, messages: list[Message], name: str) -> str:
    """The prompt by a model's template; where that refuses the system's role, passes over it or wants the roles to
    alternate, what the system says goes into the first message of the user. Raises ConfigurationError."""
    try:
        prompt = render(messages)
        if all(message["content"].strip() in prompt for message in messages if message["role"] == "system"):
            return prompt
    except Exception:  # a template raises what its author chose
        pass
    try:
        return render(folded(messages))
    except Exception as error:
        raise ConfigurationError(
            f"{name}: the model's chat template refuses the conversation ({error}). Is it a model for chat?"
        ) from error


def folded(messages: Sequence[Message]) -> list[Message]:
    """The same without a system message, from a user's message on, the roles alternating."""
    system = [message["content"] for message in messages if message["role"] == "system"]
    turns = [message for message in messages if message["role"] != "system"]
    if system:
        turns.insert(0, {"role": "user", "content": "\n\n".join(system)})
    found: list[Message] = []
    for message in turns:
        if found and found[-1]["role"] == message["role"]:
            found[-1]["content"] += f"\n\n{message['content']}"
        else:
            found.append(dict(message))
    return found


def plain(messages: Sequence[Message]) -> str:
    """The prompt for a model without a chat template; ``PLAIN_UNTIL`` ends its answer."""
    lines = [
        message["content"] if message["role"] == "system" else f"{_NAMES[message['role']]}: {message['content']}"
        for message in messages
    ]
    return "\n\n".join([*lines, "Assistant:"])


class Until:
    """Text up to a phrase, which may arrive in pieces; ``found`` once it came."""

    def __init__(self, phrase: str | None) -> None:
        self._phrase = phrase or ""
        self._held = ""
        self.found = False

    def add(self, text: str) -> str:
        """What of all that came can be said now."""
        if self.found or not self._phrase:
            return "" if self.found else text
        text = self._held + text
        before, mark, _ = text.partition(self._phrase)
        self.found = bool(mark)
        kept = 0 if mark else _overlap(text, self._phrase)
        self._held = text[len(text) - kept :] if kept else ""
        return before[: len(before) - kept]

    def rest(self) -> str:
        """What was held back, at the end of the text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, phrase: str) -> int:
    """How many of the last characters of ``text`` begin ``phrase``."""
    return next((size for size in range(len(phrase) - 1, 0, -1) if text.endswith(phrase[:size])), 0)
