"""What stands around a fact, in a claim and in a passage: whether the two are about the same thing."""

from __future__ import annotations

from bisect import bisect_left

from assistant.conversation.facts import Fact
from assistant.conversation.grounding_sources import Sources
from assistant.conversation.names import name_words
from assistant.conversation.reading import Reading

NEAR = 8
"""Words to each side of a fact that tell what it is about."""
FADE = 0.85
"""How much less a word counts for each word that stands between it and the fact."""
OTHER_SIDE, OTHER_SENTENCE = 0.7, 0.5
"""What a word counts that stands on the other side of the fact, or beyond the end of its sentence."""


def size(fact: Fact) -> int:
    """The words of a fact."""
    return max(1, len(name_words(fact.text)))


Around = dict[str, tuple[float, int]]
"""Stems with what each counts, and the side on which it stands."""


def around_fact(claim: Reading, fact: Fact, at: int) -> Around:
    """The stems near a fact: how much each counts, and on which side it stands."""
    end = at + size(fact)
    before = range(at - 1, max(-1, at - 1 - NEAR), -1)
    after = range(end, min(len(claim.words), end + NEAR))
    found: Around = {}
    for side, places in ((-1, before), (1, after)):
        for distance, place in enumerate(places):
            part = claim.words[place].stem
            weight = FADE**distance
            if part and found.get(part, (0.0, 0))[0] < weight:
                found[part] = (weight, side)
    return found


def fit(around: Around, sources: Sources, passage: int, at: int) -> float:
    """How much of what stands around a fact in the claim stands around this place in a passage."""
    reading = sources.readings[passage]
    total = score = 0.0
    sentence = sources.sentence_at(passage, at)
    for part, (weight, side) in around.items():
        weight *= sources.rarity(part)
        total += weight
        places = reading.places.get(part)
        if not places:
            continue
        index = bisect_left(places, at)
        best = 0.0
        for place in places[max(0, index - 1) : index + 2]:
            worth = FADE ** max(0, abs(place - at) - 1)
            if (place > at) != (side > 0):
                worth *= OTHER_SIDE
            if reading.words[place].sentence != sentence:
                worth *= OTHER_SENTENCE
            best = max(best, worth)
        score += weight * best
    return score / total if total else 1.0
