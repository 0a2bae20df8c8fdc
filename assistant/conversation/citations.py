"""Citations in a whole answer: to be found and taken out, and never mistaken for an index in code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby

from assistant.conversation.lexing import Lexer, Token

_PIECE = 1000
_REMEMBERED = 4_000
"""Characters of the longest text that is remembered."""


def _tokens(text: str, known: bool) -> Iterator[Token]:
    """In pieces, because the lexer copies what it has not read yet."""
    lexer = Lexer(lambda _: known)
    for start in range(0, len(text), _PIECE):
        yield from lexer.feed(text[start : start + _PIECE])
    yield from lexer.feed("", final=True)


def split_code(text: str) -> list[str]:
    """``text`` in pieces: prose at even places, code (fences, and spans within a line) at odd ones."""
    pieces: list[str] = [""]
    for code, tokens in groupby(_tokens(text, True), key=lambda token: token.code):
        raw = "".join(token.raw for token in tokens)
        if code or len(pieces) % 2 == 0:
            pieces.append(raw)
        else:
            pieces[-1] += raw
    return pieces if len(pieces) % 2 else [*pieces, ""]


def cited(text: str) -> list[int]:
    """The numbers that the prose of ``text`` cites, each once, in their order."""
    numbers = (number for token in _tokens(text, True) for number in token.numbers)
    return list(dict.fromkeys(number for number in numbers if isinstance(number, int)))


def without_citations(text: str) -> str:
    """``text`` with the citations taken out of its prose; its code stays as it is. Remembered for a while unless it is
    long: an answer is read again by the router, the search and the prompt of every turn after it."""
    return _remembered(text) if len(text) <= _REMEMBERED else _without(text)


def _without(text: str) -> str:
    return "".join(token.shown for token in _tokens(text, False))


_remembered = lru_cache(maxsize=512)(_without)
