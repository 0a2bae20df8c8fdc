"""One index of the server engine: a collection on a Qdrant server, and what the server's errors mean."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from assistant.knowledge.store import Hit, HybridQuery, Point, StoreError, StoreUnavailable
from assistant.knowledge.store import payload as shared
from assistant.knowledge.store.base import BaseIndex
from assistant.knowledge.store.bm25 import document_vector

_PAGE = 1000
_BY_STATUS = {
    401: "refuses the API key; check the key in the settings",
    403: "does not allow this with the API key; use a key that may read and write",
    404: "no longer has what was asked for; open the index again, or run `assistant ingest`",
    413: "takes no request this large; raise service.max_request_size_mb in its configuration",
    429: "is asked too often; try again in a moment",
}
_UNREACHED = (408, 502, 503, 504)
"""What the server says when it is late, and a gateway when it does not get through to the server."""


class Connection:
    """The client, and what its errors mean."""

    def __init__(self, client: AsyncQdrantClient, url: str, timeout: float) -> None:
        self.client = client
        self._timeout = timeout
        address = urlsplit(url)
        self._server = f"the Qdrant server at {address.scheme}://{address.hostname}:{address.port or 6333}"

    @contextmanager
    def explained(self) -> Iterator[AsyncQdrantClient]:
        """Raise StoreError for what goes wrong inside, StoreUnavailable where the server cannot be reached or is late;
        no message holds the key or the address's user."""
        try:
            yield self.client
        except ResponseHandlingException as error:
            raise self._unanswered(error.source) from error
        except UnexpectedResponse as error:
            meaning = _BY_STATUS.get(error.status_code or 0)
            kind = StoreUnavailable if error.status_code in _UNREACHED else StoreError
            raise kind(f"{self._server} {meaning or _refusal(error)}") from error
        except (
            json.JSONDecodeError,
            AssertionError,
        ) as error:  # an answer with status 200 from anything else
            raise self._unanswered(error) from error
        except (ApiException, QdrantException) as error:
            raise StoreError(f"{self._server} {_BY_STATUS[429]} ({error})") from error
        except (ValueError, RuntimeError) as error:  # what the client's local mode raises
            raise StoreError(f"{self._server} {_BY_STATUS[404]} ({error})") from error

    def _unanswered(self, cause: Exception) -> StoreError:
        if isinstance(cause, httpx.TimeoutException):
            late = f"did not answer within {self._timeout:g} s; check its load, or allow more in the settings"
            return StoreUnavailable(f"{self._server} {late}")
        if isinstance(cause, httpx.TransportError):
            gone = "cannot be reached; check that it runs and that the address in the settings is right"
            return StoreUnavailable(f"{self._server} {gone}")
        return StoreError(f"{self._server} gives answers that are not Qdrant's; check the address in the settings")


def _refusal(error: UnexpectedResponse) -> str:
    try:
        reason = str(error.structured()["status"]["error"])
    except (ValueError, KeyError, TypeError):
        reason = error.reason_phrase
    return f"answered HTTP {error.status_code} ({reason}); its log says more"


def _where(**fields: str | Sequence[str]) -> list[models.Condition]:
    return [
        models.FieldCondition(key=field, match=models.MatchAny(any=[value] if isinstance(value, str) else list(value)))
        for field, value in fields.items()
    ]


def _to_struct(point: Point) -> models.PointStruct:
    indices, values = document_vector(point.chunk.embedding_text())
    vectors: dict[str, Any] = {
        shared.DENSE: list(point.vector),
        shared.SPARSE: models.SparseVector(indices=indices, values=values),
    }
    return models.PointStruct(id=point.chunk.id, vector=vectors, payload=shared.to_payload(point.chunk))


def _to_prefetches(query: HybridQuery) -> tuple[list[models.Prefetch], list[float]]:
    dense, sparse, (indices, values) = shared.sides(query)
    readable = models.Filter(must=_where(collection=sorted(query.collections)))
    rankings: list[tuple[float, str, Any]] = [
        (dense, shared.DENSE, list(query.vector)),
        (sparse, shared.SPARSE, models.SparseVector(indices=indices, values=values)),
    ]
    counted = [ranking for ranking in rankings if ranking[0]]
    params = models.SearchParams(hnsw_ef=shared.HNSW_EF)
    prefetches = [
        models.Prefetch(query=vector, using=using, filter=readable, params=params, limit=query.prefetch)
        for _, using, vector in counted
    ]
    return prefetches, [weight for weight, _, _ in counted]


class ServerIndex(BaseIndex):
    """A document becomes visible whole, except that each shard of a sharded collection shows its own part."""

    def __init__(self, name: str, dimension: int, collection: str, connection: Connection) -> None:
        super().__init__(name, dimension)
        self._collection = collection
        self._explained = connection.explained

    async def delete_document(self, collection: str, document: str, *, keep_hash: str | None = None) -> None:
        kept = [] if keep_hash is None else _where(content_hash=keep_hash)
        await self._delete(models.Filter(must=_where(collection=collection, document=document), must_not=kept))

    async def delete_collection(self, collection: str) -> None:
        await self._delete(models.Filter(must=_where(collection=collection)))

    async def optimize(self) -> None:
        """Nothing to do: the server merges and indexes by itself."""

    async def _write(self, batched: list[list[Point]]) -> None:
        for batch in batched:
            with self._explained() as client:
                await client.upsert(self._collection, [_to_struct(point) for point in batch], wait=True)

    async def _find(self, query: HybridQuery) -> list[Hit]:
        prefetches, weights = _to_prefetches(query)
        if not prefetches:
            return []
        with self._explained() as client:
            found = await client.query_points(
                self._collection,
                prefetch=prefetches,
                query=models.RrfQuery(rrf=models.Rrf(k=shared.ENGINE_RRF_K, weights=weights)),
                limit=query.limit,
                with_payload=True,
                with_vectors=[shared.DENSE],
            )
        return shared.to_hits(query, ((point.payload, point.score, point.vector) for point in found.points))

    async def _count(self, collections: list[str] | None) -> int:
        accepted = None if collections is None else models.Filter(must=_where(collection=collections))
        with self._explained() as client:
            return (await client.count(self._collection, count_filter=accepted, exact=True)).count

    async def _facet(self) -> list[tuple[str, int]]:
        field, most = shared.KEYWORDS[0], shared.MOST_COLLECTIONS
        with self._explained() as client:
            facet = await client.facet(self._collection, field, limit=most, exact=True)
        return [(str(hit.value), hit.count) for hit in facet.hits]

    async def _payloads(
        self, collection: str, document: str | None = None, fields: list[str] | None = None
    ) -> AsyncIterator[shared.Payload]:
        narrowed = {} if document is None else {"document": document}
        accepted = models.Filter(must=_where(collection=collection, **narrowed))
        offset: Any = None
        while True:
            with self._explained() as client:
                records, offset = await client.scroll(
                    self._collection, accepted, limit=_PAGE, offset=offset, with_payload=fields or True
                )
            for record in records:
                yield record.payload or {}
            if offset is None:
                return

    async def _delete(self, condition: models.Filter) -> None:
        with self._explained() as client:
            await client.delete(self._collection, models.FilterSelector(filter=condition), wait=True)
