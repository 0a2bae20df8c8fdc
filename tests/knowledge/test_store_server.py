"""What a Qdrant server's faults become: a StoreError that says what to do and never shows the key."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import AsyncQdrantClient
from qdrant_client.models import CollectionInfo

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import HybridQuery, Point, StoreError, StoreUnavailable
from assistant.knowledge.store.embedded import EmbeddedStore
from assistant.knowledge.store.factory import build_store
from assistant.knowledge.store.options import ServerOptions
from assistant.knowledge.store.server import ServerStore
from assistant.knowledge.store.server_config import Layout
from assistant.knowledge.store.server_index import Connection, ServerIndex

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]

KEY = "a-very-secret-key"


def collection_info(made: dict[str, Any]) -> dict[str, Any]:
    """What a server says of a collection that was made with this request."""
    named = ("vectors", "sparse_vectors", "shard_number", "sharding_method", "replication_factor", "on_disk_payload")
    config = {
        "params": {name: made[name] for name in named if name in made},
        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
        "optimizer_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        },
        "quantization_config": made.get("quantization_config"),
        "metadata": made.get("metadata"),
    }
    state = {"status": "green", "optimizer_status": "ok", "segments_count": 1, "payload_schema": {}}
    return {**state, "config": config}


class Wire:
    """Answers like a Qdrant server that has stored nothing, and keeps every request."""

    def __init__(self, cluster: bool = False) -> None:
        self.cluster = cluster
        self.made: dict[str, Any] = {}
        self.keys: list[str] = []
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.client = AsyncQdrantClient(
            url="http://localhost:6333", check_compatibility=False, transport=httpx.MockTransport(self.answer)
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or b"{}")
        path = request.url.path.replace("/collections/switchyard_docs", "/docs")
        self.requests.append((request.method, path, body))
        return httpx.Response(200, json={"result": self.result(request.method, path, body), "status": "ok", "time": 0})

    def result(self, method: str, path: str, body: dict[str, Any]) -> Any:
        match method, path:
            case "GET", "/cluster":
                return {"status": "disabled"} if not self.cluster else self.cluster_status()
            case "GET", "/docs/exists":
                return {"exists": bool(self.made)}
            case "GET", "/aliases":
                return {"aliases": [{"alias_name": "switchyard_live", "collection_name": "switchyard_docs"}]}
            case "GET", "/docs/shards":
                return {"shard_keys": [{"key": key} for key in self.keys]}
            case "GET", "/collections":
                return {"collections": [{"name": "switchyard_docs"}] if self.made else []}
            case "GET", "/docs":
                return collection_info(self.made)
            case "PUT", "/docs":
                self.made = body
            case "PUT", "/docs/shards":
                self.keys.append(body["shard_key"])
            case "POST", "/docs/points/query/batch":
                return [{"points": []} for _ in body["searches"]]
            case "PUT", "/docs/points" | "/docs/index":
                return {"operation_id": 1, "status": "completed"}
        return True

    def cluster_status(self) -> dict[str, Any]:
        raft = {"term": 1, "commit": 1, "pending_operations": 0, "is_voter": True, "role": "Leader", "leader": 1}
        thread = {"consensus_thread_status": "working", "last_update": "2026-11-20T00:00:00Z"}
        state = {"raft_info": raft, "consensus_thread_status": thread, "message_send_failures": {}}
        return {"status": "enabled", "peer_id": 1, "peers": {"1": {"uri": "http://localhost:6335"}}, **state}

    def bodies(self, method: str, path: str) -> list[dict[str, Any]]:
        return [body for done, where, body in self.requests if (done, where) == (method, path)]

    async def store(self, **options: Any) -> ServerStore:
        store = ServerStore("http://localhost:6333", client=self.client, options=ServerOptions(**options))
        await store.open()
        return store


@asynccontextmanager
async def answering(status: str, body: str = "{}", late: bool = False) -> AsyncIterator[str]:
    """A server on the loopback address that answers every request alike."""

    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if late:
            await over.wait()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n{body}".encode())
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://user:{KEY}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        over.set()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        ("401 Unauthorized", "Must provide an API key", "check the key in the settings"),
        ("403 Forbidden", "{}", "use a key that may read and write"),
        ("429 Too Many Requests", "{}", "try again in a moment"),
        ("500 Internal Server Error", '{"status": {"error": "disk full"}}', r"HTTP 500 \(disk full\)"),
        ("502 Bad Gateway", "<html>", r"HTTP 502 \(Bad Gateway\)"),
        ("408 Request Timeout", '{"status": {"error": "too slow"}}', r"HTTP 408 \(too slow\)"),
        ("200 OK", '{"hello": 1}', "not Qdrant's"),
        ("200 OK", "<html>", "not Qdrant's"),
    ],
)
async def test_a_refusal_says_what_to_do(status: str, body: str, advice: str) -> None:
    async with answering(status, body) as url:
        store = ServerStore(url, api_key=KEY)
        with pytest.raises(StoreError, match=advice) as raised:
            await store.open()
    assert str(raised.value).startswith("the Qdrant server at http://127.0.0.1:")
    assert (type(raised.value) is StoreUnavailable) == status.startswith(("408", "502", "503", "504"))
    assert KEY not in "".join(traceback.format_exception(raised.value, limit=0))


async def test_a_server_that_does_not_answer() -> None:
    async with answering("200 OK", late=True) as url:
        with pytest.raises(StoreUnavailable, match="did not answer within 1 s"):
            await ServerStore(url, api_key=KEY, timeout=1).open()


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        await ServerStore("http://127.0.0.1:9", api_key=KEY).open()


async def test_a_server_that_has_gone_is_unavailable_to_an_index_too() -> None:
    url = "http://127.0.0.1:9"
    client = AsyncQdrantClient(url=url, check_compatibility=False)
    layout = Layout(CollectionInfo.model_validate(collection_info({"vectors": {}})).config)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await ServerIndex("docs", 4, "switchyard_docs", Connection(client, url, 1), layout).count()
    await client.close()


@pytest.mark.parametrize("url", ["ftp://qdrant", "http://qdrant:port", "http://[::1"])
async def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(StoreError, match="http://host:6333"):
        await ServerStore(url).open()


async def test_two_prefixes_share_a_server_and_see_only_their_own() -> None:
    client = AsyncQdrantClient(":memory:")
    one, other = (ServerStore("http://q", prefix=prefix, client=client) for prefix in ("one", "other"))
    await one.open()
    await other.open()
    await one.create("docs", 4)
    await one.switch("live", "docs")
    assert await other.indexes() == []
    assert await other.aliases() == {}
    await other.create("docs", 8)
    assert (await one.index("live")).dimension == 4
    await one.close()
    assert await other.indexes() == ["docs"], "a client that was lent stays open"
    await client.close()
    with pytest.raises(StoreError):
        await other.indexes()


async def test_a_collection_of_somebody_else_is_refused() -> None:
    from qdrant_client.models import Distance, VectorParams

    client = AsyncQdrantClient(":memory:")
    await client.create_collection("switchyard_docs", VectorParams(size=4, distance=Distance.COSINE))
    store = ServerStore("http://q", client=client)
    await store.open()
    with pytest.raises(StoreError, match="not Switchyard's"):
        await store.index("docs")


async def test_an_index_is_made_as_the_options_say() -> None:
    wire = Wire(cluster=True)
    store = await wire.store(shards=3, replicas=3, quantization="scalar", on_disk=True, on_disk_payload=False)
    await store.create("docs", 4)
    (made,) = wire.bodies("PUT", "/docs")
    assert made["vectors"]["dense"] == {"size": 4, "distance": "Cosine", "on_disk": True}
    assert made["sparse_vectors"]["bm25"] == {"modifier": "idf", "index": {"on_disk": True}}
    assert (made["on_disk_payload"], made["hnsw_config"]) == (False, {"on_disk": True})
    assert (made["replication_factor"], made["write_consistency_factor"]) == (3, 2)
    assert (made["shard_number"], made["sharding_method"]) == (1, "custom")
    assert made["quantization_config"] == {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": True}}
    assert wire.keys == ["place-0", "place-1", "place-2"]
    indexed = {body["field_name"]: body["field_schema"] for body in wire.bodies("PUT", "/docs/index")}
    assert sorted(indexed) == ["collection", "document", "source", "version"]
    assert indexed["collection"] == {"type": "keyword", "is_tenant": True}


async def test_an_index_is_plain_without_options() -> None:
    wire = Wire()
    await (await wire.store()).create("docs", 4)
    (made,) = wire.bodies("PUT", "/docs")
    assert made == {
        "vectors": {"dense": {"size": 4, "distance": "Cosine"}},
        "sparse_vectors": {"bm25": {"modifier": "idf"}},
        "on_disk_payload": True,
    }
    assert not wire.bodies("GET", "/cluster") and not wire.bodies("GET", "/docs/shards")


async def test_a_node_without_a_cluster_spreads_points_by_itself() -> None:
    wire = Wire(cluster=False)
    index = await (await wire.store(shards=3)).create("docs", 4)
    (made,) = wire.bodies("PUT", "/docs")
    assert made["shard_number"] == 3 and "sharding_method" not in made
    await index.upsert([place("a.md", 0)])
    assert [body.get("shard_key") for body in wire.bodies("PUT", "/docs/points")] == [None]


def place(document: str, position: int, content_hash: str = "1" * 64) -> Point:
    chunk = Chunk("all", document, "Title", (), "text", 0, 4, position, 2, content_hash, source="wiki")
    return Point(chunk, (1.0, 0.0, 0.0, 0.0))


async def test_a_document_is_in_one_shard_of_a_cluster_in_all_its_versions() -> None:
    wire = Wire(cluster=True)
    await (await wire.store(shards=4)).create("docs", 4)
    later = await (await wire.store(shards=9)).index("docs")
    points = [place(f"{number}.md", i, digest * 64) for digest in "12" for number in range(40) for i in range(2)]
    await later.upsert(points)
    where: dict[str, set[str]] = defaultdict(set)
    written: dict[tuple[str, str], int] = defaultdict(int)
    for body in wire.bodies("PUT", "/docs/points"):
        inside = {(each["payload"]["document"], each["payload"]["content_hash"]) for each in body["points"]}
        for document, content_hash in inside:
            where[document].add(body["shard_key"])
            written[document, content_hash] += 1
    assert len(where) == 40 and all(len(keys) == 1 for keys in where.values())
    assert set.union(*where.values()) == {"place-0", "place-1", "place-2", "place-3"}, "as it was made, not as set now"
    assert set(written.values()) == {1}, "a version is written in one request"


async def test_keys_that_a_crash_left_out_are_made_later() -> None:
    wire = Wire(cluster=True)
    await (await wire.store(shards=3)).create("docs", 4)
    wire.keys.remove("place-1")
    await (await wire.store(shards=3)).create("docs", 4)
    assert wire.keys == ["place-0", "place-2", "place-1"]


@pytest.mark.parametrize(("quantization", "more"), [("none", None), ("scalar", 2.0), ("binary", 4.0)])
async def test_small_vectors_find_and_full_ones_rank(quantization: str, more: float | None) -> None:
    wire = Wire()
    index = await (await wire.store(quantization=quantization)).create("docs", 4)
    assert await index.search(HybridQuery((1.0, 0.0, 0.0, 0.0), [("leave", 1.0)], frozenset({"b", "a"}))) == []
    (asked,) = wire.bodies("POST", "/docs/points/query/batch")
    assert len(asked["searches"]) == 2
    for side in asked["searches"]:
        assert side["filter"]["must"] == [{"key": "collection", "match": {"any": ["a", "b"]}}]
        expected = None if more is None else {"rescore": True, "oversampling": more}
        assert side["params"].get("quantization") == expected


async def test_a_known_index_costs_one_request() -> None:
    wire = Wire()
    store = await wire.store()
    made = await store.create("docs", 4)
    before = len(wire.requests)
    assert await store.index("live") is made
    assert [(method, path) for method, path, _ in wire.requests[before:]] == [("GET", "/aliases")]


@pytest.mark.parametrize("options", [{"shards": 0}, {"replicas": 0}, {"quantization": "product"}], ids=str)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(StoreError):
        ServerOptions(**options)


def test_a_prefix_that_would_be_ambiguous_is_refused() -> None:
    with pytest.raises(StoreError, match="prefix"):
        ServerStore("http://q", prefix="switch_yard")


def test_the_settings_name_the_store(tmp_path: Path) -> None:
    def build(engine: str, url: str | None = None) -> object:
        return build_store(
            engine=engine, path=tmp_path, url=url, api_key=None, timeout=3, server=ServerOptions(shards=2)
        )

    assert isinstance(build("embedded"), EmbeddedStore)
    assert isinstance(build("server", "http://q:6333"), ServerStore)
    refused: list[Callable[[], object]] = [lambda: build("server"), lambda: build("chroma")]
    for attempt in refused:
        with pytest.raises(StoreError):
            attempt()
    assert list(tmp_path.iterdir()) == []
