"""What tells of a name that stands where another one belongs: the words right beside it, and initials in brackets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from assistant.conversation.facts import Fact
from assistant.conversation.grounding_context import size
from assistant.conversation.grounding_sources import Sources
from assistant.conversation.reading import Reading

TELLING = 3.0
"""The rarity of a word whose neighbours tell as much as 1 of the signal."""
_INITIALS = re.compile(r"\(([A-Z]{2,6})s?\)")
_WORD = re.compile(r"\w+")
_Place = tuple[int, int]
Alike = Callable[[Fact, Fact], bool]


def beside(
    fact: Fact, at: int, claim: Reading, sources: Sources, among: Sequence[int], theirs: Sequence[_Place], alike: Alike
) -> float:
    """How much speaks against a name that a word stands right beside it which in the passages stands beside other names
    alone: "Superior court" for "Small Claims court". ``among`` are the passages that are asked, ``theirs`` is where the
    name itself stands in them, passage and word; ``alike`` says what could stand in its place."""
    sentence = claim.words[min(at, len(claim.words) - 1)].sentence
    against = 0.0
    for step in (-1, size(fact)):
        word = claim.words[at + step] if 0 <= at + step < len(claim.words) else None
        if word is None or not word.stem or word.sentence != sentence:
            continue
        places = {
            (passage, place) for passage in among for place in sources.readings[passage].places.get(word.stem, ())
        }
        if not places or any((passage, start + step) in places for passage, start in theirs):
            continue
        others = ((passage, *each) for passage in among for each in sources.readings[passage].facts)
        if any(
            (passage, start + (step if step < 0 else size(other))) in places and alike(fact, other)
            for passage, other, start in others
        ):
            against = max(against, sources.rarity(word.stem))
    return against / TELLING


def misspelt(claim: Reading, sources: Sequence[Reading]) -> bool:
    """Whether initials in brackets are not those of the words before them, and the passages have none such."""
    for initials in _INITIALS.finditer(claim.text):
        if _spelt(initials, claim.text):
            continue
        if not any(
            each[1] == initials[1] and not _spelt(each, reading.text)
            for reading in sources
            for each in _INITIALS.finditer(reading.text)
        ):
            return True
    return False


def _spelt(initials: re.Match[str], text: str) -> bool:
    """Whether the letters stand in their order in the words before, the first at the beginning of one (Schwartz and
    Hearst, "A simple algorithm for identifying abbreviation definitions in biomedical text", PSB 2003)."""
    letters = initials[1].casefold()
    words = _WORD.findall(text[: initials.start()].casefold())[-min(len(letters) + 5, 2 * len(letters)) :]
    long = " ".join(words)
    at = len(long)
    for number, letter in reversed(list(enumerate(letters))):
        at = long.rfind(letter, 0, at)
        while not number and at > 0 and long[at - 1] != " ":
            at = long.rfind(letter, 0, at)
        if at < 0:
            return False
    return True
