"""Local servers are told apart by what they answer, on real sockets."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connectors.base import Offered
from connectors.detect import ADDRESSES, PROVIDERS, LocalServer, providers, servers
from connectors.presets import LOCAL
from connectors.prices import known
from connectors.registry import names
from tests.serving import free_port

Pages = Mapping[str, Any]


@contextmanager
def answering(pages: Pages, *, status: int = 200, otherwise: tuple[int, Any] = (404, {})) -> Iterator[str]:
    """A server with JSON, or server-sent events where a page is a list of strings, at these paths; its address ends
    in /v1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            self.rfile.read(length)
            code, page = (status, pages[self.path]) if self.path in pages else otherwise
            events = [f"data: {each}\n\n" for each in page] if isinstance(page, list) else [json.dumps(page)]
            self.send_response(code)
            self.send_header("content-type", "text/event-stream" if isinstance(page, list) else "application/json")
            self.send_header("content-length", str(sum(len(each.encode()) for each in events)))
            self.end_headers()
            for number, each in enumerate(events):
                time.sleep(0.06 if number else 0)
                self.wfile.write(each.encode())

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def listing(*ids: str, **more: Any) -> dict[str, Any]:
    """What /v1/models answers."""
    return {"object": "list", "data": [{"id": each, "object": "model", **more} for each in ids]}


KINDS: dict[str, tuple[Pages, tuple[Offered, ...]]] = {
    "ollama": (
        {
            "/v1/models": listing("llama3.2:latest", owned_by="library"),
            "/api/version": {"version": "0.12.0"},
            "/api/show": {"model_info": {"llama.context_length": 131072}},
            "/api/ps": {"models": []},
        },
        (Offered("llama3.2:latest", 131072),),
    ),
    "vllm": (
        {
            "/v1/models": listing("Qwen/Qwen3-8B", owned_by="vllm", max_model_len=40960),
            "/version": {"version": "0.11"},
        },
        (Offered("Qwen/Qwen3-8B", 40960),),
    ),
    "llamacpp": (
        {
            "/v1/models": listing("gemma.gguf", owned_by="llamacpp", meta={"n_ctx_train": 131072}),
            "/props": {"default_generation_settings": {"n_ctx": 8192}},
        },
        (Offered("gemma.gguf", 8192),),
    ),
    "tgi": (
        {
            "/v1/models": listing("mistralai/Mistral-7B", owned_by="mistralai/Mistral-7B"),
            "/info": {"model_id": "mistralai/Mistral-7B", "max_total_tokens": 4096},
        },
        (Offered("mistralai/Mistral-7B", 4096),),
    ),
    "lmstudio": (
        {
            "/v1/models": listing("phi-4", "nomic-embed", owned_by="organization_owner"),
            "/api/v0/models": {
                "data": [
                    {"id": "phi-4", "type": "llm", "max_context_length": 16384},
                    {"id": "nomic-embed", "type": "embeddings", "max_context_length": 2048},
                ]
            },
        },
        (Offered("phi-4", 16384),),
    ),
    "transformers-serve": (
        {
            "/v1/models": listing("HuggingFaceTB/SmolLM3", owned_by="HuggingFaceTB"),
            "/openapi.json": {"paths": {"/load_model": {}}},
        },
        (Offered("HuggingFaceTB/SmolLM3"),),
    ),
    "openai-compatible": (
        {"/v1/models": listing("anything"), "/openapi.json": {"paths": {"/v1/models": {}}}},
        (Offered("anything"),),
    ),
}


def test_every_local_preset_has_its_case_and_its_address_is_looked_at() -> None:
    assert {preset.name for preset in LOCAL} <= KINDS.keys()
    assert {preset.base_url for preset in LOCAL} == set(ADDRESSES)
    assert all(address.startswith("http://127.0.0.1:") for address in ADDRESSES)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_is_known_by_what_it_answers(kind: str) -> None:
    pages, models = KINDS[kind]
    # LM Studio answers 200 to everything, with an error inside.
    otherwise = (200, {"error": "Unexpected endpoint"}) if kind == "lmstudio" else (404, {})
    with answering(pages, otherwise=otherwise) as address:
        assert await servers([address]) == (LocalServer(kind, address, models),)


async def test_all_are_asked_and_what_is_no_model_server_is_left_out() -> None:
    closed = f"http://127.0.0.1:{free_port()}/v1"
    with (
        answering({"/v1/models": ["hello"]}) as page,
        answering({"/v1/models": {"models": 3}}) as other,
        answering({"/v1/models": {"data": "x"}}) as odd,
        answering(KINDS["vllm"][0]) as good,
    ):
        found = await servers([closed, page, other, odd, good])
    assert [(each.connector, each.base_url) for each in found] == [("vllm", good)]


async def test_a_server_without_a_model_and_one_that_asks_for_a_key_say_so() -> None:
    ollama = {
        "/v1/models": {"object": "list", "data": None},
        "/api/version": {"version": "1"},
        "/api/ps": {"models": []},
    }
    with answering(ollama) as empty, answering({"/v1/models": {"error": "no"}}, status=401) as locked:
        found = await servers([empty, locked])
    assert found[0] == LocalServer("ollama", empty)
    assert found[1].connector == "openai-compatible" and "add api_key" in str(found[1].problem)


async def test_a_server_whose_list_cannot_be_read_is_named_with_the_reason() -> None:
    with answering({"/v1/models": {"data": [{"name": "no id"}]}}) as address:
        (found,) = await servers([address])
    assert found.models == () and found.problem


def test_providers_are_those_whose_key_is_set_with_models_that_are_known() -> None:
    assert [each.name for each in providers({"OPENAI_API_KEY", "PATH"})] == ["gpt"]
    assert providers(()) == ()
    assert PROVIDERS[0].installed and PROVIDERS[0].connector == "openai"
    for provider in PROVIDERS:
        facts = known(provider.model, provider.connector)
        assert facts and facts.price, provider.model
        assert provider.connector in names() or provider.connector == "langchain"
    assert PROVIDERS[1].install == "pip install langchain langchain-anthropic"
