"""What the two engines share: payloads, batches, checks, and the order of hits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from operator import attrgetter, mul
from typing import Any

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import (
    HybridQuery,
    IndexMismatch,
    Point,
    StoredDocument,
    StoreError,
)
from assistant.knowledge.store.bm25 import Sparse, query_vector

Payload = Mapping[str, Any]

DENSE, SPARSE = "dense", "bm25"

KEYWORDS = ("collection", "source", "document", "version")
"""Payload fields with a keyword index; the first separates tenants. ``version`` is a document's version, by the id of
its first chunk: its facet counts the chunks of every document at once."""

HEAD_FIELDS = ["source", "document", "title", "content_hash", "of", "modified", "version"]
"""What `stored_document` reads of a payload."""

BATCH = 64
"""Points in one update: as fast as more, and a search that waits for one waits some two milliseconds."""

HNSW_EF = 256
"""Candidates kept while a graph is walked: finds 0.94 of the 40 nearest of 60,000, the default 0.83."""

MOST_VALUES = 10_000_000
"""No facet has more values, so all are counted."""

HEADS = 256
"""Points looked up by id at once: the engine holds Python's lock for about a millisecond."""

_NAME = re.compile(r"(?!aliases\.json$)[a-z0-9][a-z0-9._-]{0,99}")
_VERSION = attrgetter("chunk.collection", "chunk.source", "chunk.document", "chunk.content_hash")


@dataclass(frozen=True, slots=True)
class Where:
    """Points whose payload matches every field in ``fields`` (one of the values), with one of ``ids`` if there are any,
    and which match none of ``unless``. A source of "" is none in the payload."""

    fields: Mapping[str, Sequence[str]]
    ids: Sequence[str] | None = None
    unless: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """A point as it is read: its payload, and its dense vector where that was asked for."""

    id: str
    payload: Payload
    vector: Sequence[float] = ()


def document_where(collection: str, source: str | None, document: str | None, keep_hash: str | None = None) -> Where:
    """The points of a collection, narrowed to a source and a document; without the version to keep."""
    fields = {"collection": [collection]}
    if source is not None:
        fields["source"] = [source]
    if document is not None:
        fields["document"] = [document]
    if keep_hash is None:
        return Where(fields)
    return Where(fields, unless={"version": [version_of(collection, source or "", document or "", keep_hash)]})


def version_of(collection: str, source: str, document: str, content_hash: str) -> str:
    """The id of the first chunk of a document's version."""
    return Chunk(collection, document, "", (), "", 0, 0, 0, 1, content_hash, source=source).id


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
        "version": chunk.id_at(0),
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
    fields.pop("version", None)
    fields["section"] = tuple(fields["section"])
    if "modified" in fields:
        fields["modified"] = date.fromisoformat(fields["modified"])
    return Chunk(**fields)


def stored_document(collection: str, head: Payload, chunks: int) -> StoredDocument:
    """A version of a document, from the payload of one of its chunks and their number."""
    modified = head.get("modified")
    return StoredDocument(
        collection,
        head.get("source", ""),
        head["document"],
        head["title"],
        head["content_hash"],
        chunks,
        head["of"],
        date.fromisoformat(modified) if modified else None,
    )


def sides(query: HybridQuery) -> tuple[float, float, Sparse]:
    """The weights of the dense and the sparse ranking, and the sparse query; 0 leaves a ranking out."""
    dense, sparse = (max(weight, 0.0) for weight in query.weights)
    terms = query_vector(query.terms)
    return dense, sparse if terms[0] else 0.0, terms


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """0 where either vector has no direction."""
    norms = math.sqrt(sum(map(mul, one, one)) * sum(map(mul, other, other)))
    return sum(map(mul, one, other)) / norms if norms else 0.0


def fused(
    query: HybridQuery, similarity: Mapping[str, float], bm25: Mapping[str, float]
) -> dict[str, tuple[float, float, float]]:
    """The best of both sides, best first, by the sum of their weighted scores: id → (score, similarity, bm25). Of equal
    scores the more similar leads. ``similarity`` holds every candidate."""
    of_cosine, of_bm25 = (max(weight, 0.0) for weight in query.weights)
    best = max(bm25.values(), default=0.0) or 1.0
    scores = {key: of_cosine * near + of_bm25 * bm25.get(key, 0.0) / best for key, near in similarity.items()}
    order = sorted(scores, key=lambda key: (-scores[key], -similarity[key], key))[: query.limit]
    return {key: (scores[key], similarity[key], bm25.get(key, 0.0)) for key in order}
