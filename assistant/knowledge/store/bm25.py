"""The sparse side of both engines: Qdrant's BM25, computed here so that both weigh words alike.

Identifiers are found by their parts and whole: a text holds, beside its words, the parts of ``getUserName`` and
``get_user_name`` in one word. Neither counts for its length: a text without identifiers has the very vector that
Qdrant's BM25 gives it, and one with many is not taken for a longer one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache, lru_cache

from qdrant_edge import Bm25, Bm25Config

from assistant.knowledge.identifiers import identifiers

Sparse = tuple[list[int], list[float]]
"""Token ids in ascending order, and their weights."""

AVERAGE_WORDS = 128
"""Length of a usual chunk, which BM25 normalises by; the handbook's have 110 words, and its own default is 256."""
K, B = 1.2, 0.75

WHOLE_WEIGHT = 1.0
PART_WEIGHT = 0.4
"""In a query, beside 1 for each of its words: of an identifier in one word, and of the parts that its words do not
show. So a text with the identifier goes before those with its parts alone."""


@cache
def _model(b: float = B) -> Bm25:
    return Bm25(Bm25Config(k=K, b=b, avg_len=AVERAGE_WORDS, language="english", ascii_folding=True))


def document_vector(text: str) -> Sparse:
    """Term-frequency weights; the engine's IDF modifier supplies the rest of BM25 at query time."""
    hidden = [word for found in identifiers(text) for word in (found.parts if found.seen else (found.whole,))]
    if not hidden:
        vector = _model().embed_document(text)
        return vector.indices, vector.values
    counts = _counts(text)
    norm = K * (1 - B + B * sum(counts.values()) / AVERAGE_WORDS)
    counts.update(_counts(" ".join(hidden)))
    found = sorted(counts.items())
    return [token for token, _ in found], [count * (K + 1) / (count + norm) for _, count in found]


def _counts(text: str) -> Counter[int]:
    """How often each token is in a text: without a norm for length, the weight is count * (K + 1) / (count + K)."""
    vector = _model(0.0).embed_document(text)
    pairs = zip(vector.indices, vector.values, strict=True)
    return Counter({token: round(value * K / (K + 1 - value)) for token, value in pairs})


def query_vector(terms: Sequence[tuple[str, float]]) -> Sparse:
    """The weighted sum over (text, weight) pairs; both lists are empty when no text holds a token."""
    return _query_vector(tuple(terms))


@lru_cache(maxsize=64)
def _query_vector(terms: tuple[tuple[str, float], ...]) -> Sparse:
    """A turn asks twice: for the search and for what its best hit holds."""
    weights: dict[int, float] = defaultdict(float)
    for text, weight in terms:
        _add(weights, text, weight)
        found = list(identifiers(text))
        _add(weights, " ".join(each.whole for each in found), weight * WHOLE_WEIGHT)
        _add(weights, " ".join(part for each in found if each.seen for part in each.parts), weight * PART_WEIGHT)
    kept = sorted((token, weight) for token, weight in weights.items() if weight > 0)
    return [token for token, _ in kept], [weight for _, weight in kept]


def _add(weights: dict[int, float], text: str, weight: float) -> None:
    for token in _model().embed_query(text).indices if text else ():
        weights[token] += weight


def held(terms: Sequence[tuple[str, float]], text: str) -> float:
    """The part of the weighted query tokens that a text holds, 0 to 1."""
    tokens, weights = query_vector(terms)
    known = set(document_vector(text)[0])
    total = sum(weights)
    return (
        sum(weight for token, weight in zip(tokens, weights, strict=True) if token in known) / total if total else 0.0
    )
