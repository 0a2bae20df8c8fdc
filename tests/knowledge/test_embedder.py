"""The shipped model: the file is the one its provenance names, and vectors are right, in order, from any batch."""

import asyncio
import hashlib
import json
import threading
from pathlib import Path

import httpx2
import numpy as np
import onnxruntime
import pytest

from assistant.knowledge.answerability import SHIPPED as READER
from assistant.knowledge.embedder import SHIPPED, EmbedderError, FastEmbedder, OpenAIEmbedder
from assistant.routing.encoder import SHIPPED as ROUTER
from tests.conftest import ROOT

TEXTS = ["annual leave", "how many days off do I get?", "the pump is broken " * 80, "", "ok", "VPN", "Urlaubstage"] * 9


@pytest.mark.parametrize(
    "model", sorted((ROOT / "assistant").rglob("*.onnx")), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_no_shipped_model_tells_of_the_machine_that_made_it(model: Path) -> None:
    """The exporter of torch writes down a trace with files at each node."""
    held = model.read_bytes()
    assert b"site-packages" not in held and b'File "' not in held


def test_every_shipped_file_has_the_checksum_of_its_provenance() -> None:
    provenance = json.loads((SHIPPED / "provenance.json").read_text())
    assert provenance["licence"] == "Apache-2.0"
    for name, digest in provenance["sha256"].items():
        assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == digest, name
    assert {path.name for path in SHIPPED.iterdir()} == {*provenance["sha256"], "provenance.json"}


async def test_vectors_are_normalised_and_keep_the_order_of_the_texts(embedder: FastEmbedder) -> None:
    together = await embedder.embed(TEXTS)
    assert together.shape == (len(TEXTS), embedder.dimension) and together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-4)
    for index in (0, 1, 2, 3, 20, -1):
        alone = (await embedder.embed([TEXTS[index]]))[0]
        assert np.array_equal(alone, together[index]), "a text has one vector, whatever it is embedded with"


async def test_what_goes_side_by_side_is_what_goes_one_by_one() -> None:
    def threads() -> int:
        return sum(each.name.startswith("embedder") for each in threading.enumerate())

    before = threads()
    wide, narrow = FastEmbedder(cores=3), FastEmbedder(cores=1)
    assert np.array_equal(await wide.embed(TEXTS), await narrow.embed(TEXTS))
    assert wide._load() is narrow._load(), "a model is in memory once"
    assert threads() > before, "nothing went side by side"
    await wide.aclose()
    async with asyncio.timeout(10):
        while threads() > before:
            await asyncio.sleep(0.01)
    assert np.array_equal(await wide.embed(TEXTS[:5]), await narrow.embed(TEXTS[:5]))
    await wide.aclose()


async def test_larger_batches_keep_the_order_too() -> None:
    together = await FastEmbedder(batch_size=16).embed(TEXTS)
    for index in (0, 1, 2, 3, 20, -1):
        alone = (await FastEmbedder().embed([TEXTS[index]]))[0]
        assert TEXTS[int((together @ alone).argmax())] == TEXTS[index]


async def test_meaning_is_near(embedder: FastEmbedder) -> None:
    leave, holiday, pump = await embedder.embed(["annual leave", "holiday entitlement", "hydraulic pump"])
    assert leave @ holiday > leave @ pump + 0.2


async def test_no_texts_give_no_vectors(embedder: FastEmbedder) -> None:
    assert (await embedder.embed([])).shape == (0, 384)


def test_tokens_are_counted_without_truncation(embedder: FastEmbedder) -> None:
    assert embedder.count_tokens(["annual leave", "", "word " * 1000]) == [2, 0, 1000]


def test_nothing_is_downloaded_for_the_shipped_model(embedder: FastEmbedder) -> None:
    # conftest fails every connection that leaves the machine; a fresh instance must load all the same.
    assert FastEmbedder().embed_now(["x"]).shape == (1, 384)


def test_an_unknown_model_is_said() -> None:
    with pytest.raises(EmbedderError, match="fastembed knows no model 'no/such'"):
        FastEmbedder("no/such", folder=None, dimension=None)


def endpoint(dimension: int, requests: list[list[str]] | None = None) -> httpx2.AsyncClient:
    """Gives each text the vector (its length, 1, 0, …), the last text's first."""

    def handler(request: httpx2.Request) -> httpx2.Response:
        texts = json.loads(request.content)["input"]
        if requests is not None:
            requests.append(texts)
        rows = [
            {"object": "embedding", "index": n, "embedding": ([float(len(text)), 1.0] + [0.0] * dimension)[:dimension]}
            for n, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return httpx2.Response(200, json={"object": "list", "data": rows[::-1], "model": "e", "usage": usage})

    return httpx2.AsyncClient(transport=httpx2.MockTransport(handler))


def remote(dimension: int, client: httpx2.AsyncClient) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        "e",
        base_url="http://e.test/v1",
        api_key="k",
        dimension=dimension,
        max_tokens=512,
        batch_size=2,
        http_client=client,
    )


async def test_an_endpoint_gives_normalised_vectors() -> None:
    found = await remote(4, endpoint(4)).embed(["aaa"])
    assert np.allclose(found, [[0.9486833, 0.3162278, 0.0, 0.0]]) and found.dtype == np.float32


async def test_an_endpoint_is_asked_in_batches_that_keep_the_order() -> None:
    requests: list[list[str]] = []
    target = remote(4, endpoint(4, requests))
    found = await target.embed(["a", "bbb", "cc", "ddddd", "eeee"])
    assert requests == [["a", "bbb"], ["cc", "ddddd"], ["eeee"]]
    assert np.allclose(found[:, 0] / found[:, 1], [1, 3, 2, 5, 4])
    assert (await target.embed([])).shape == (0, 4) and len(requests) == 3


async def test_closing_an_embedder_leaves_a_lent_client_open(embedder: FastEmbedder) -> None:
    client = endpoint(4)
    for each in (remote(4, client), embedder):
        await each.aclose()
        assert (await each.embed(["a"])).shape == (1, each.dimension)
    assert not client.is_closed


async def test_an_endpoint_of_another_dimension_is_said() -> None:
    with pytest.raises(EmbedderError, match=r"4 dimensions.*embedder\.dimension is 3: set it to 4"):
        await remote(3, endpoint(4)).embed(["a"])


async def test_an_endpoint_that_is_down_is_said_without_its_key() -> None:
    def down(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(down))
    with pytest.raises(EmbedderError, match="embedding endpoint failed"):
        await remote(4, client).embed(["a"])


@pytest.mark.parametrize("model", [SHIPPED, READER / "onnx", ROUTER])
def test_no_shipped_model_uses_the_slow_kernel_for_sums(model: Path, tmp_path: Path) -> None:
    """``assistant/knowledge/models/residuals.py`` says which and why."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(str(model / "model.onnx"), options, providers=["CPUExecutionProvider"])
    optimised = (tmp_path / "optimised.onnx").read_bytes()
    assert b"SkipLayerNormalization" not in optimised and b"LayerNormalization" in optimised
