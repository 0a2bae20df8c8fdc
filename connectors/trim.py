"""A request made to fit: its oldest history goes first, and never what the answer rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from connectors.base import ChatMessage, DocumentPart, Part, TextPart
from connectors.tokens import REPLY, Counter

Messages = tuple[ChatMessage, ...]
SHORTEST = 100
"""Characters to which a message is cut at most, before it goes."""
_CUT = "\n…\n"


class DoesNotFit(Exception):
    """Not even what is never trimmed fits; ``missing`` is by how many tokens, before the counter's ratio."""

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing


def trimmed(messages: Messages, room: int, counter: Counter) -> Messages:
    """``messages`` within ``room`` tokens as ``counter`` counts them before its ratio. Raises DoesNotFit.

    Kept whole and in order: what the system says, all documents with their exchanges, and the last text of the last
    message, which is the turn. In this order go: whole exchanges, the oldest first; the middle of what is long in the
    newest exchange and in what the last message says before its turn; the newest exchange; what was said before the
    turn. The steps do not depend on ``room``, so a larger one never keeps less.
    """
    sizes = [counter.message(message) for message in messages]
    total = REPLY + sum(sizes)
    if total <= room:
        return messages
    exchanges = _exchanges(messages)
    gone: set[int] = set()
    for exchange in exchanges[:-1]:
        gone.update(exchange)
        total -= sum(sizes[index] for index in exchange)
        if total <= room:
            return _without(messages, gone)
    newest = exchanges[-1] if exchanges else ()
    for shorter in _shortened(messages, gone, newest):
        if counter.messages(shorter) <= room:
            return shorter
    raise DoesNotFit(least(messages, counter) - room)


def least(messages: Messages, counter: Counter) -> int:
    """Tokens of what is never trimmed, before the counter's ratio."""
    return counter.messages(_bare(_without(messages, {index for each in _exchanges(messages) for index in each})))


def _exchanges(messages: Messages) -> list[tuple[int, ...]]:
    """What may go, oldest first: each from a message of the user up to the next one of theirs after an answer."""
    found: list[list[int]] = []
    before = ""
    for index, message in enumerate(messages[:-1]):
        if message.role == "system":
            continue
        if not found or (message.role == "user" and before == "assistant"):
            found.append([])
        found[-1].append(index)
        before = message.role
    return [tuple(each) for each in found if not any(messages[index].documents for index in each)]


def _shortened(messages: Messages, gone: set[int], newest: Iterable[int]) -> Iterator[Messages]:
    """From the newest exchange alone down to nothing but what must stay."""
    newest = set(newest)
    texts = [part.text for index in newest for part in messages[index].parts if isinstance(part, TextPart)]
    said = [part.text for part in _before_turn(messages[-1])]
    if newest:
        for limit in _limits([*texts, *said]):
            yield _cut(messages, gone, newest, limit)
    left = gone | newest
    yield _without(messages, left)
    for limit in _limits(said):
        yield _cut(messages, left, set(), limit)
    yield _bare(_without(messages, left))


def _limits(texts: Sequence[str]) -> Iterator[int]:
    limit = max(map(len, texts), default=0)
    while limit > SHORTEST:
        limit = max(limit * 3 // 4, SHORTEST)
        yield limit


def _cut(messages: Messages, gone: set[int], indices: set[int], limit: int) -> Messages:
    """Without ``gone``; the texts of the messages at ``indices`` and those before the turn have ``limit`` characters
    at most."""
    cut = [
        replace(message, parts=tuple(_shorter(part, limit) for part in message.parts)) if index in indices else message
        for index, message in enumerate(messages[:-1])
    ]
    earlier = {id(part) for part in _before_turn(messages[-1])}
    parts = (_shorter(part, limit) if id(part) in earlier else part for part in messages[-1].parts)
    return _without((*cut, replace(messages[-1], parts=tuple(parts))), gone)


def _shorter(part: Part, limit: int) -> Part:
    if isinstance(part, DocumentPart) or len(part.text) <= limit:
        return part
    half = (limit - len(_CUT)) // 2
    return TextPart(part.text[:half] + _CUT + part.text[-half:])


def _before_turn(message: ChatMessage) -> list[TextPart]:
    """The texts of the last message but the turn, which is the last of them."""
    return [part for part in message.parts if isinstance(part, TextPart)][:-1]


def _bare(messages: Messages) -> Messages:
    """The last message with its documents and its turn alone."""
    earlier = {id(part) for part in _before_turn(messages[-1])}
    parts = tuple(part for part in messages[-1].parts if id(part) not in earlier)
    return (*messages[:-1], replace(messages[-1], parts=parts))


def _without(messages: Messages, gone: set[int]) -> Messages:
    return tuple(message for index, message in enumerate(messages) if index not in gone)
