"""English sentences that the assistant makes, found again by their patterns and said in another language.

The assistant gives its reasons to people and programs alike, as English sentences with values in them; turns that were
recorded long ago hold them too. So the sentence itself is the key: what stands in its places is taken out of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

LONGEST = 2_000
"""Characters of a sentence that is looked at."""
_PLACE = re.compile(r"\{(\w+)\}")
_SENTENCES = frozenset({"reason", "route", "there", "where"})
"""Places in which a sentence of ours may stand itself."""
_SWAPPED = str.maketrans(",.", ".,")


class Sentences:
    """``said`` maps patterns of English sentences to those of another language; empty, it leaves all as it is. Where
    several fit, the one with the most words of its own counts."""

    def __init__(self, said: Mapping[str, str]) -> None:
        self._whole = {english: other for english, other in said.items() if not _PLACE.search(english)}
        patterns = sorted(said.keys() - self._whole.keys(), key=lambda each: -len(_PLACE.sub("", each)))
        self._patterns = [(_pattern(each), said[each]) for each in patterns]
        self._known = lru_cache(maxsize=4096)(self._find)

    def say(self, sentence: str) -> str:
        """The sentence in the other language, or as it stands."""
        return self._known(sentence) if len(sentence) <= LONGEST else sentence

    def _find(self, sentence: str) -> str:
        if sentence in self._whole:
            return self._whole[sentence]
        for pattern, other in self._patterns:
            if found := pattern.fullmatch(sentence):
                return other.format(**{name: self._filled(name, text) for name, text in found.groupdict().items()})
        return sentence

    def _filled(self, name: str, text: str) -> str:
        if name.startswith("figure"):
            return text.translate(_SWAPPED)
        return self._whole.get(text, text) if name in _SENTENCES else text


def _pattern(english: str) -> re.Pattern[str]:
    pieces = _PLACE.split(english)
    for index, piece in enumerate(pieces):
        if not index % 2:
            pieces[index] = re.escape(piece)
        else:
            pieces[index] = f"(?P<{piece}>{r'-?[0-9.,]+' if piece.startswith('figure') else '.+?'})"
    return re.compile("".join(pieces), re.DOTALL)
