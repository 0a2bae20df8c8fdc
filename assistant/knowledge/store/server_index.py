"""One index of the server engine: a collection on a Qdrant server, and what the server's errors mean."""

from __future__ import annotations

import asyncio
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
from assistant.knowledge.store.server_config import Layout

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


def _filter(where: shared.Where) -> models.Filter:
    must = [_condition(field, values) for field, values in where.fields.items()]
    if where.ids is not None:
        must.append(models.HasIdCondition(has_id=list(where.ids)))
    return models.Filter(must=must, must_not=[_condition(field, values) for field, values in where.unless.items()])


def _condition(field: str, values: Sequence[str]) -> models.Condition:
    if field == "source" and list(values) == [""]:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key="source"))
    return models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))


def _to_struct(point: Point) -> models.PointStruct:
    indices, values = document_vector(point.chunk.embedding_text())
    vectors: dict[str, Any] = {
        shared.DENSE: list(point.vector),
        shared.SPARSE: models.SparseVector(indices=indices, values=values),
    }
    return models.PointStruct(id=point.chunk.id, vector=vectors, payload=shared.to_payload(point.chunk))


def _to_structs(points: list[Point]) -> list[models.PointStruct]:
    return [_to_struct(point) for point in points]


def _to_requests(query: HybridQuery, params: models.SearchParams) -> dict[str, models.QueryRequest]:
    """One request for each side that counts, by its name."""
    dense, sparse, (indices, values) = shared.sides(query)
    readable = _filter(shared.Where({"collection": sorted(query.collections)}))
    asked: list[tuple[float, str, Any, list[str] | bool]] = [
        (dense, shared.DENSE, list(query.vector), False),
        (sparse, shared.SPARSE, models.SparseVector(indices=indices, values=values), [shared.DENSE]),
    ]
    return {
        using: models.QueryRequest(
            query=vector,
            using=using,
            filter=readable,
            params=params,
            limit=query.prefetch,
            with_payload=True,
            with_vector=vectors,
        )
        for weight, using, vector, vectors in asked
        if weight
    }


def _similarity(query: HybridQuery, using: str, point: models.ScoredPoint) -> float:
    vectors: Any = point.vector
    return point.score if using == shared.DENSE else shared.cosine(query.vector, vectors[shared.DENSE])


class ServerIndex(BaseIndex):
    """A document is in one shard and becomes visible whole there: with one shard, and on a cluster, where its shard is
    chosen here. A single node that was given several shards spreads the chunks of a document over them: readers may see
    some before the others, and should it stop between, `StoredDocument.whole` is False until the document is written
    again. While a new version is written, the one before is there too, until it is deleted.
    """

    def __init__(self, name: str, dimension: int, collection: str, connection: Connection, layout: Layout) -> None:
        super().__init__(name, dimension)
        self._collection = collection
        self.layout = layout
        self._explained = connection.explained

    async def optimize(self) -> None:
        """Nothing to do: the server merges and indexes by itself."""

    async def _write(self, points: Sequence[Point]) -> None:
        placed: dict[str | None, list[Point]] = {}
        for point in points:
            placed.setdefault(self.layout.key(point), []).append(point)
        for key, group in placed.items():
            for batch in shared.batches(group):
                structs = await asyncio.to_thread(_to_structs, batch)
                with self._explained() as client:
                    await client.upsert(self._collection, structs, wait=True, shard_key_selector=key)

    async def _find(self, query: HybridQuery) -> list[Hit]:
        requests = _to_requests(query, self.layout.params)
        if not requests:
            return []
        with self._explained() as client:
            found = await client.query_batch_points(self._collection, list(requests.values()))
        near: dict[str, float] = {}
        words: dict[str, float] = {}
        payloads: dict[str, shared.Payload] = {}
        for using, side in zip(requests, found, strict=True):
            for point in side.points:
                key = str(point.id)
                payloads[key] = point.payload or {}
                near[key] = near.get(key) or _similarity(query, using, point)
                if using == shared.SPARSE:
                    words[key] = point.score
        best = shared.fused(query, near, words)
        return [Hit(shared.to_chunk(payloads[key]), *scores) for key, scores in best.items()]

    async def _count(self, where: shared.Where) -> int:
        with self._explained() as client:
            return (await client.count(self._collection, count_filter=_filter(where), exact=True)).count

    async def _values(self, field: str, where: shared.Where) -> list[tuple[str, int]]:
        most = shared.MOST_VALUES
        with self._explained() as client:
            facet = await client.facet(self._collection, field, _filter(where), limit=most, exact=True)
        return [(str(hit.value), hit.count) for hit in facet.hits]

    async def _records(
        self, where: shared.Where, fields: list[str] | None = None, vectors: bool = False
    ) -> AsyncIterator[shared.Stored]:
        accepted, dense = _filter(where), [shared.DENSE] if vectors else False
        offset: Any = None
        while True:
            with self._explained() as client:
                records, offset = await client.scroll(
                    self._collection,
                    accepted,
                    limit=_PAGE,
                    offset=offset,
                    with_payload=fields or True,
                    with_vectors=dense,
                )
            for record in records:
                named: Any = record.vector or {}
                yield shared.Stored(str(record.id), record.payload or {}, named.get(shared.DENSE, ()))
            if offset is None:
                return

    async def _delete(self, where: shared.Where) -> None:
        with self._explained() as client:
            await client.delete(self._collection, models.FilterSelector(filter=_filter(where)), wait=True)
