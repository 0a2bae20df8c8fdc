"""Between the model's stream and the reader: citation markers of any form become ``[n]``, invented ones go."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from assistant.conversation.lexing import Lexer, Token


class Citations:
    """Passes on the text of one answer whose passages have these ``numbers``.

    Whatever way the text is cut, what comes out is the same, and nothing is reordered or said twice. A number that
    no passage has goes, with the space before it; code, links, indexes (``a[1]``) and escaped brackets stay. Held back
    is only what may be part of a marker: a space at the end, an opening bracket, a marker whose number is unknown
    until it is clear that it is in no code and in no link.
    """

    def __init__(self, numbers: Collection[int]) -> None:
        self._numbers = frozenset(numbers)
        self._lexer = Lexer(self._numbers.__contains__)
        self._said = 0
        self._cited: dict[int, None] = {}
        self._invented: dict[int | str, None] = {}

    @property
    def cited(self) -> tuple[int, ...]:
        """The passages that were cited so far, each once, in their order."""
        return tuple(self._cited)

    @property
    def invented(self) -> tuple[int | str, ...]:
        """What was cited and is no passage's number, each once; a text where it is no whole number (``4:0``)."""
        return tuple(self._invented)

    def feed(self, text: str) -> str:
        """What can be said now of all that came."""
        said = self._resolved(self._lexer.feed(text))
        settled = self._lexer.settled()
        if settled > self._said:
            said += self._lexer.undecided[self._said : settled]
            self._said = settled
        return said

    def end(self) -> str:
        """The rest, once nothing more comes."""
        return self._resolved(self._lexer.feed("", final=True))

    def _resolved(self, tokens: Iterable[Token]) -> str:
        shown = []
        for token in tokens:
            for number in token.numbers:
                if number in self._numbers and isinstance(number, int):
                    self._cited[number] = None
                else:
                    self._invented[number] = None
            already = min(self._said, len(token.raw))
            self._said -= already
            shown.append(token.shown[already:])
        return "".join(shown)
