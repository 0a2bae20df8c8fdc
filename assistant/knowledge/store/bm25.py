"""The sparse side of both engines: Qdrant's BM25, computed here so that both weigh words alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from qdrant_edge import Bm25, Bm25Config

Sparse = tuple[list[int], list[float]]
"""Token ids in ascending order, and their weights."""

AVERAGE_WORDS = 128
"""Length of a usual chunk, which BM25 normalises by; the handbook's have 110 words, and its own default is 256."""


@cache
def _model() -> Bm25:
    return Bm25(Bm25Config(k=1.2, b=0.75, avg_len=AVERAGE_WORDS, language="english", ascii_folding=True))


def document_vector(text: str) -> Sparse:
    """Term-frequency weights; the engine's IDF modifier supplies the rest of BM25 at query time."""
    vector = _model().embed_document(text)
    return vector.indices, vector.values


def query_vector(terms: Sequence[tuple[str, float]]) -> Sparse:
    """The weighted sum over (text, weight) pairs; both lists are empty when no text holds a token."""
    weights: dict[int, float] = defaultdict(float)
    for text, weight in terms:
        for token in _model().embed_query(text).indices:
            weights[token] += weight
    kept = sorted((token, weight) for token, weight in weights.items() if weight > 0)
    return [token for token, _ in kept], [weight for _, weight in kept]
