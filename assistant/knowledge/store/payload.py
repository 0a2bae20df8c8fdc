"""What the two engines share: payloads, batches, checks, and the order of hits."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter, mul
from typing import Any

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import (
    RRF_K,
    Hit,
    HybridQuery,
    IndexMismatch,
    Point,
    StoredDocument,
    StoreError,
)
from assistant.knowledge.store.bm25 import Sparse, query_vector

Payload = Mapping[str, Any]

DENSE, SPARSE = "dense", "bm25"

KEYWORDS = ("collection", "document", "content_hash")
"""Payload fields with a keyword index; the first separates tenants."""

DOCUMENT_FIELDS = ["document", "title", "content_hash"]
"""What `stored_documents` reads of a payload."""

ENGINE_RRF_K = RRF_K + 1
"""Qdrant counts ranks from 0 where the paper counts from 1, so this gives 1 / (RRF_K + rank)."""

BATCH = 64
"""Points in one update: as fast as more, and a search that waits for one waits some two milliseconds."""

HNSW_EF = 256
"""Candidates kept while a graph is walked: finds 0.94 of the 40 nearest of 60,000, the default 0.83."""

MOST_COLLECTIONS = 10_000

_NAME = re.compile(r"(?!aliases\.json$)[a-z0-9][a-z0-9._-]{0,99}")
_VERSION = attrgetter("chunk.collection", "chunk.document", "chunk.content_hash")


def checked_name(name: str) -> str:
    """The name of an index or alias, if it is one that every file system and Qdrant take."""
    if not _NAME.fullmatch(name):
        raise StoreError(f"{name!r} cannot name an index; use up to 100 of a-z, 0-9, '.', '_' and '-'")
    return name


def check_dimension(index: str, stored: int, asked: int) -> None:
    """Raise IndexMismatch unless the vectors fit the index."""
    if stored != asked:
        raise IndexMismatch(
            f"index {index!r} holds vectors of {stored} dimensions and the embedding model gives {asked}; "
            "run `assistant ingest --rebuild`"
        )


def check_points(index: str, dimension: int, points: Iterable[Point]) -> None:
    """Refuse all points before any is written when one does not fit or is not Unicode text."""
    for point in points:
        check_dimension(index, dimension, len(point.vector))
        try:
            f"{point.chunk.document}{point.chunk.embedding_text()}".encode()
        except UnicodeEncodeError as error:
            raise StoreError(
                f"{point.chunk.document!a} has a name or text that is not valid Unicode; "
                "rename the document or save it as UTF-8"
            ) from error


def batches(points: Sequence[Point]) -> Iterator[list[Point]]:
    """Points to write at once; those of one document version that follow each other stay together."""
    batch: list[Point] = []
    for _, group in groupby(points, key=_VERSION):
        version = list(group)
        if batch and len(batch) + len(version) > BATCH:
            yield batch
            batch = []
        batch += version
    if batch:
        yield batch


def to_payload(chunk: Chunk) -> dict[str, Any]:
    """The chunk as JSON; fields that are None are left out."""
    payload: dict[str, Any] = {
        "collection": chunk.collection,
        "document": chunk.document,
        "title": chunk.title,
        "section": list(chunk.section),
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "position": chunk.position,
        "of": chunk.of,
        "content_hash": chunk.content_hash,
    }
    for name in ("page", "line", "source", "gap"):
        if value := getattr(chunk, name):
            payload[name] = value
    if chunk.modified is not None:
        payload["modified"] = chunk.modified.isoformat()
    return payload


def to_chunk(payload: Payload) -> Chunk:
    """The inverse of `to_payload`."""
    fields = dict(payload)
    fields["section"] = tuple(fields["section"])
    if "modified" in fields:
        fields["modified"] = date.fromisoformat(fields["modified"])
    return Chunk(**fields)


def in_order(chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks of one document by version, then position."""
    return sorted(chunks, key=attrgetter("content_hash", "position"))


def stored_documents(collection: str, payloads: Iterable[Payload]) -> list[StoredDocument]:
    """One entry per document and content hash, by uri, from the payloads of a collection's chunks."""
    titles: dict[tuple[str, str], str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for payload in payloads:
        version = (payload["document"], payload["content_hash"])
        titles[version] = payload["title"]
        counts[version] += 1
    return [
        StoredDocument(collection, document, titles[document, digest], digest, counts[document, digest])
        for document, digest in sorted(counts)
    ]


def sides(query: HybridQuery) -> tuple[float, float, Sparse]:
    """The weights of the dense and the sparse ranking, and the sparse query; 0 leaves a ranking out."""
    dense, sparse = (max(weight, 0.0) for weight in query.weights)
    terms = query_vector(query.terms)
    return dense, sparse if terms[0] else 0.0, terms


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """0 where either vector has no direction."""
    norms = math.sqrt(sum(map(mul, one, one)) * sum(map(mul, other, other)))
    return sum(map(mul, one, other)) / norms if norms else 0.0


def to_hits(query: HybridQuery, found: Iterable[tuple[Payload | None, float, Any]]) -> list[Hit]:
    """Hits of (payload, fused score, named vectors), best first; of equal scores the more similar leads."""
    hits = [
        Hit(to_chunk(payload or {}), score, cosine(query.vector, vectors[DENSE])) for payload, score, vectors in found
    ]
    return sorted(hits, key=lambda hit: (-hit.score, -hit.similarity))
