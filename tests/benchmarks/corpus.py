"""Random chunks and queries for the store's benchmarks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import HybridQuery, Point

DIMENSION, WORDS, COLLECTIONS, PER_DOCUMENT, GROUP = 384, 20_000, 5, 20, 200
CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxz", "aeiou"


class Corpus:
    """Random directions and Zipf's words, made in small portions so that making them does not hold searches up; the
    same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._dice = np.random.default_rng(seed)
        weights = 1 / np.arange(1, WORDS + 1)
        self._cumulated = np.cumsum(weights / weights.sum())
        syllables = itertools.product(CONSONANTS, VOWELS, CONSONANTS, VOWELS, "nrst")
        self._words = ["".join(letters) for letters in itertools.islice(syllables, WORDS)]

    def text(self, words: int) -> str:
        places = np.searchsorted(self._cumulated, self._dice.random(words))
        return " ".join(self._words[min(int(place), WORDS - 1)] for place in places)

    def vectors(self, number: int) -> list[list[float]]:
        vectors = self._dice.standard_normal((number, DIMENSION), dtype=np.float32)
        found: list[list[float]] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tolist()
        return found

    def groups(self, first: int, chunks: int) -> Iterator[list[Point]]:
        for start in range(first, first + chunks, GROUP):
            yield [self._point(start + i, vector) for i, vector in enumerate(self.vectors(GROUP))]

    def _point(self, number: int, vector: list[float]) -> Point:
        document, position = divmod(number, PER_DOCUMENT)
        text = self.text(120)
        place = (0, len(text), position, PER_DOCUMENT, f"{document:064}")
        chunk = Chunk(f"c{document % COLLECTIONS}", f"{document}.md", "Title", (), text, *place, source="files")
        return Point(chunk, vector)

    def queries(self, number: int) -> list[HybridQuery]:
        readable = frozenset({"c1", "c3"})
        return [HybridQuery(vector, [(self.text(8), 1.0)], readable) for vector in self.vectors(number)]
