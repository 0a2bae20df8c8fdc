"""What a Qdrant server's faults become: a StoreError that says what to do and never shows the key."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient

from assistant.knowledge.store import StoreError, StoreUnavailable
from assistant.knowledge.store.embedded import EmbeddedStore
from assistant.knowledge.store.factory import build_store
from assistant.knowledge.store.server import ServerStore
from assistant.knowledge.store.server_index import Connection, ServerIndex

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]

KEY = "a-very-secret-key"


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
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await ServerIndex("docs", 4, "switchyard_docs", Connection(client, url, 1)).count()
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


def test_a_prefix_that_would_be_ambiguous_is_refused() -> None:
    with pytest.raises(StoreError, match="prefix"):
        ServerStore("http://q", prefix="switch_yard")


def test_the_settings_name_the_store(tmp_path: Path) -> None:
    def build(engine: str, url: str | None = None) -> object:
        return build_store(engine=engine, path=tmp_path, url=url, api_key=None, timeout=3)

    assert isinstance(build("embedded"), EmbeddedStore)
    assert isinstance(build("server", "http://q:6333"), ServerStore)
    refused: list[Callable[[], object]] = [lambda: build("server"), lambda: build("chroma")]
    for attempt in refused:
        with pytest.raises(StoreError):
            attempt()
    assert list(tmp_path.iterdir()) == []
