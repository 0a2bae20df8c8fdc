"""What tells of a name that stands where another one belongs: the words right beside it, and initials in brackets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from assistant.conversation.facts import Fact
from assistant.conversation.grounding_context import size
from assistant.conversation.grounding_sources import Sources
from assistant.conversation.reading import Reading

RARE = 3.0
"""The rarity of a word from which its neighbour tells as much as any."""
_INITIALS = re.compile(r"\(([A-Z]{2,6})s?\)")
_WORD = re.compile(r"\w+")
_Place = tuple[int, int]
Alike = Callable[[Fact, Fact], bool]


def beside(fact: Fact, at: int, claim: Reading, sources: Sources, theirs: Sequence[_Place], alike: Alike) -> float:
    """How much speaks against a name that a word stands right beside it which in the passages stands beside another
    name alone: "Superior Court" for "Small Claims Court". ``theirs`` is where the name itself stands in them, passage
    and word; ``alike`` says what could stand in its place."""
    end = at + size(fact)
    sides = [(place, before) for place, before in ((at - 1, True), (end, False)) if 0 <= place < len(claim.words)]
    sentence = claim.words[min(at, len(claim.words) - 1)].sentence
    words = [(claim.words[place].stem, before) for place, before in sides if claim.words[place].sentence == sentence]
    against = [
        sources.rarity(word) for word, before in words if word and _others(word, before, fact, theirs, sources, alike)
    ]
    return max(against, default=0.0) / RARE


def _others(word: str, before: bool, fact: Fact, theirs: Sequence[_Place], sources: Sources, alike: Alike) -> bool:
    """Whether a word stands right before (or after) other names in the passages, and never so by this one."""
    found = False
    for passage in {passage for passage, _ in theirs}:
        ours = {at for where, at in theirs if where == passage}
        places = set(sources.readings[passage].places.get(word, ()))
        if any((at - 1 if before else at + size(fact)) in places for at in ours):
            return False
    for reading in sources.readings:
        places = set(reading.places.get(word, ()))
        if places:
            found = found or any(
                (at - 1 if before else at + size(other)) in places and alike(fact, other) for other, at in reading.facts
            )
    return found


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
