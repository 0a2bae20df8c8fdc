"""The passages of an answer, read: which of their sentences a claim is nearest to, and how rare its words are there."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from assistant.conversation.names import name_words
from assistant.conversation.reading import Sentence, Word, read
from assistant.knowledge.values import singular

_LOWER = re.compile(r"\b[a-zäöüß]{3,}\b")
BEST = 4
"""Sentences of the passages that a claim is compared with closely."""


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence of one of the passages, by the passage's index, and how much of the claim it holds, 0 to 1."""

    passage: int
    sentence: int
    held: float


class Sources:
    """The passages of one answer, read."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.readings = [read(text) for text in texts]
        sentences = [each for reading in self.readings for each in reading.sentences]
        self._count = len(sentences) or 1
        self._in: dict[str, int] = {}
        for each in sentences:
            for part in each.stems:
                self._in[part] = self._in.get(part, 0) + 1
        common = {singular(word) for text in texts for word in _LOWER.findall(text)}
        self.names = frozenset(
            word
            for reading in self.readings
            for fact, _ in reading.facts
            if fact.kind == "name"
            for word in name_words(fact.text)
            if singular(word) not in common
        )

    def rarity(self, part: str) -> float:
        """How much a stem tells, from how few sentences hold it."""
        return math.log1p(self._count / (0.5 + self._in.get(part, 0)))

    def spaced(self, among: Sequence[int]) -> str:
        """The words of some of the passages in lower case, each between spaces."""
        return " ".join(self.readings[passage].spaced for passage in among)

    def held(self, stems: Collection[str], among: Sequence[int]) -> float:
        """How much of the stems stands anywhere in some of the passages, 0 to 1."""
        wanted = {part: self.rarity(part) for part in stems}
        there = sum(weight for part, weight in wanted.items() if any(part in self.readings[p].places for p in among))
        return there / (sum(wanted.values()) or 1.0)

    def text_of(self, place: Place) -> str:
        """A sentence of the passages as it is written."""
        sentence = self.sentence(place)
        return self.readings[place.passage].text[sentence.start : sentence.end]

    def sentence_at(self, passage: int, word: int) -> int:
        """The sentence that a word of a passage is in."""
        words = self.readings[passage].words
        return words[min(word, len(words) - 1)].sentence if words else -1

    def nearest(self, stems: Collection[str], among: Sequence[int]) -> list[Place]:
        """The sentences that hold most of the stems, the best first; a sentence is helped by its neighbours."""
        wanted = {part: self.rarity(part) for part in stems}
        total = sum(wanted.values()) or 1.0
        places = []
        for passage in among:
            sentences = self.readings[passage].sentences
            for index, each in enumerate(sentences):
                shared = each.stems & wanted.keys()
                if not shared:
                    continue
                held = sum(wanted[part] for part in shared)
                near = set().union(*(sentences[n].stems for n in (index - 1, index + 1) if 0 <= n < len(sentences)))
                held += 0.5 * sum(wanted[part] for part in (near & wanted.keys()) - shared)
                places.append(Place(passage, index, held / total))
        return sorted(places, key=lambda place: -place.held)[:BEST]

    def sentence(self, place: Place) -> Sentence:
        """A sentence of the passages."""
        return self.readings[place.passage].sentences[place.sentence]

    def words(self, place: Place) -> tuple[Word, ...]:
        """The words of a sentence."""
        sentence = self.sentence(place)
        return self.readings[place.passage].words[sentence.first : sentence.last]

    def polarity(self, place: Place) -> tuple[set[str], set[str]]:
        """The stems of a sentence that are negated, and those that are not."""
        words = self.words(place)
        return {w.stem for w in words if w.stem and w.negated}, {w.stem for w in words if w.stem and not w.negated}
