"""Embedding models behind OpenAI's interface, on the wire: real SDK, real HTTP messages, no socket."""

import json
from collections.abc import Callable

import httpx2
import openai
import pytest

from connectors import ModelSpec, errors
from connectors.openai_compat import OpenAIEmbeddings

KEY = "sk-planted-secret-0123456789"
Handler = Callable[[httpx2.Request], httpx2.Response]


def vectors(request: httpx2.Request) -> httpx2.Response:
    """A vector of each text's length, the last text's first."""
    texts = json.loads(request.content)["input"]
    rows = [{"object": "embedding", "index": n, "embedding": [float(len(text)), 1.0]} for n, text in enumerate(texts)]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return httpx2.Response(200, json={"object": "list", "data": rows[::-1], "model": "e", "usage": usage})


def embedding_model(handler: Handler) -> OpenAIEmbeddings:
    spec = ModelSpec("embedder", model="e", base_url="http://e.test/v1", api_key=KEY, timeout=7.0)
    return OpenAIEmbeddings(spec, httpx2.AsyncClient(transport=httpx2.MockTransport(handler)))


async def test_embeddings_keep_the_order_of_the_texts() -> None:
    target = embedding_model(vectors)
    assert [row[0] for row in await target.embed(["a", "bbb", "cc"])] == [1.0, 3.0, 2.0]
    assert [row[0] for row in await target.embed(["dddd"])] == [4.0]


async def test_embeddings_once_leave_a_lent_client_open() -> None:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(vectors))
    for _ in range(2):
        once = OpenAIEmbeddings(ModelSpec("embedder", model="e", base_url="http://e.test/v1", api_key=KEY), client)
        assert [row[0] for row in await once.embed(["a", "bb"])] == [1.0, 2.0]
        await once.aclose()
    assert not client.is_closed


async def test_embeddings_use_one_client_until_they_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counted(openai.AsyncOpenAI):
        def __init__(self, **arguments: object) -> None:
            made.append(self)
            transport = httpx2.MockTransport(vectors)
            super().__init__(**arguments | {"http_client": httpx2.AsyncClient(transport=transport)})

    monkeypatch.setattr(openai, "AsyncOpenAI", Counted)
    target = OpenAIEmbeddings(ModelSpec("embedder", model="e", timeout=7.0))
    for _ in range(3):
        await target.embed(["a"])
    assert len(made) == 1 and made[0].timeout.read == 7.0 and made[0].base_url.host == "api.openai.com"
    await target.aclose()
    assert made[0].is_closed()
    await target.embed(["a"])
    assert len(made) == 2
    await target.aclose()


async def test_faults_of_embeddings_are_those_of_a_chat() -> None:
    def silent(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("silent")

    def fails(status: int) -> Handler:
        return lambda request: httpx2.Response(status, json={"error": {"message": f"bad {KEY}"}})

    cases: list[tuple[Handler, type[errors.ConnectorError], str]] = [
        (silent, errors.TimedOut, "7 seconds"),
        (fails(401), errors.AuthenticationFailed, r"Check embedder\.api_key"),
        (fails(404), errors.ConfigurationError, r"embedder\.model.*embedder\.base_url"),
        (fails(400), errors.BadRequest, "embedder did not accept"),
        (fails(503), errors.Unavailable, "down or overloaded"),
    ]
    for handler, expected, says in cases:
        with pytest.raises(expected, match=says) as caught:
            await embedding_model(handler).embed(["a"])
        assert type(caught.value) is expected and KEY not in str(caught.value)


ROW = {"object": "embedding", "index": 0, "embedding": [1.0]}


@pytest.mark.parametrize(
    "body",
    ["<html>", "{}", {"data": []}, {"data": [ROW]}, {"data": [ROW, ROW | {"index": 1, "embedding": [1.0, 2.0]}]}],
)
async def test_embeddings_that_are_none_are_a_protocol_error(body: object) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    for kind in ("application/json", "text/html"):
        target = embedding_model(
            lambda request, kind=kind: httpx2.Response(200, text=text, headers={"content-type": kind})
        )
        with pytest.raises(errors.ProtocolError):
            await target.embed(["a", "b"])
