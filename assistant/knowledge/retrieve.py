"""From a turn to numbered passages: one hybrid search over the collections that the turn may read.

A follow-up is searched together with what it follows: vectors of the last turn, the earlier user turns and the
previous answer are mixed, on the dense and on the BM25 side alike. No language model is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assistant.conversation.turn import Message, Turn
from assistant.knowledge.documents import Passage
from assistant.knowledge.embedder import Embedder
from assistant.knowledge.store import Hit, HybridQuery, Index
from assistant.routing.classifier import Scores

USER_WEIGHT = 0.27
ANSWER_WEIGHT = 0.12
"""Weights of the latest earlier user turn and of the previous answer, beside 1 for the turn itself."""
DEPENDENT_WORDS = 10
"""A turn of so many words or fewer is taken to lean on its conversation; a longer one less and less."""
ANSWER_CHARACTERS = 600
PER_DOCUMENT = 2
DENSE_BM25 = (1.0, 0.7)
"""Weights of the two rankings, set on development questions (docs/figures.md)."""


@dataclass(frozen=True, slots=True)
class Found:
    """Passages, best first, numbered from 1; ``query`` is what was searched, in words."""

    query: str
    passages: tuple[Passage, ...]

    @property
    def similarity(self) -> float | None:
        """The closest passage's cosine to the query, None if nothing was found."""
        return max((passage.similarity for passage in self.passages), default=None)


class Retriever:
    """Searches an index. ``history_turns`` is how many earlier user turns colour the query."""

    def __init__(
        self, index: Index, embedder: Embedder, *, passages: int = 6, candidates: int = 40, history_turns: int = 3
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._passages = passages
        self._candidates = candidates
        self._history_turns = history_turns

    async def search(self, turn: Turn, scores: Scores | None = None) -> Found:
        """The passages for a turn. The router's vector of the turn is used where the same embedder made it."""
        vector = scores.vector if scores is not None and scores.embedder == self._embedder.name else None
        terms = mix(turn.text, turn.history, self._history_turns)
        query = turn.text if len(terms) == 1 else f"{turn.text} ⟵ {terms[1][0][:80]}"
        if not turn.collections:
            return Found(query, ())
        context = terms[1:] if vector is not None else terms
        vectors = await self._embedder.embed([text for text, _ in context])
        mixed = np.array([weight for _, weight in context], dtype=np.float32) @ vectors
        if vector is not None:
            mixed = mixed + vector
        mixed = mixed / max(float(np.linalg.norm(mixed)), 1e-12)
        hits = await self._index.search(
            HybridQuery(
                vector=mixed.tolist(),
                terms=terms,
                collections=turn.collections,
                limit=2 * self._passages,
                prefetch=self._candidates,
                weights=DENSE_BM25,
            )
        )
        best = varied(hits)[: self._passages]
        return Found(query, tuple(Passage(n, hit.chunk, hit.score, hit.similarity) for n, hit in enumerate(best, 1)))


def varied(hits: Sequence[Hit]) -> list[Hit]:
    """The hits in their order, but from the third on of one document after all others: one long page must not crowd
    out the page next to it."""
    seen: Counter[tuple[str, str]] = Counter()
    first: list[Hit] = []
    rest: list[Hit] = []
    for hit in hits:
        key = hit.chunk.collection, hit.chunk.document
        seen[key] += 1
        (first if seen[key] <= PER_DOCUMENT else rest).append(hit)
    return first + rest


def mix(text: str, history: Sequence[Message], history_turns: int) -> list[tuple[str, float]]:
    """Texts and weights that make the query: the turn at 1, earlier user turns fading, the previous answer."""
    terms = [(text, 1.0)]
    earlier = [message.content for message in reversed(history) if message.role == "user"][:history_turns]
    leans = min(1.0, DEPENDENT_WORDS / max(len(text.split()), 1)) ** 2
    terms += [(said, leans * USER_WEIGHT / (age + 1)) for age, said in enumerate(earlier)]
    answer = next((message.content for message in reversed(history) if message.role == "assistant"), "")
    if answer and history_turns:
        terms.append((answer[:ANSWER_CHARACTERS], leans * ANSWER_WEIGHT))
    return terms
