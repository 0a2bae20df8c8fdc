"""The presets for local servers: the only listed model, and the context windows where a server tells them."""

import json
from typing import Any

import httpx2
import pytest

import connectors
from connectors import ChatMessage, ChatRequest, ModelSpec, errors
from connectors.base import Offered
from connectors.openai_compat import OpenAICompatModel
from connectors.presets import PRESETS, is_openai

REQUEST = ChatRequest((ChatMessage.of("user", "Hello"),))
ANSWER = {"model": "m", "choices": [{"delta": {"content": "ok"}, "finish_reason": "stop"}]}


class LocalServer:
    """Answers GET and POST by path; the rest is a 404."""

    def __init__(self, **pages: Any) -> None:
        self.pages = {name.replace("__", "/"): page for name, page in pages.items()}
        self.asked: list[str] = []
        self.bodies: list[Any] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.strip("/")
        self.asked.append(path)
        if path == "v1/chat/completions":
            self.bodies.append(json.loads(request.content))
            data = f"data: {json.dumps(ANSWER)}\n\n"
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=data)
        page = self.pages.get(path)
        if callable(page):
            page = page(json.loads(request.content))
        return httpx2.Response(404, text="no") if page is None else httpx2.Response(200, json=page)


def local(preset: str, server: LocalServer, model: str | None = None) -> OpenAICompatModel:
    spec = ModelSpec("local", model=model, base_url=PRESETS[preset].base_url)
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(server))
    return OpenAICompatModel(spec, preset=PRESETS[preset], http_client=client)


def names(*found: str, **facts: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model", **facts} for name in found]}


def shown(body: dict[str, str]) -> dict[str, Any]:
    if body["model"] == "embed":
        return {"capabilities": ["embedding"], "model_info": {"bert.context_length": 512}}
    made_for = {"model_info": {"general.architecture": "llama", "llama.context_length": 131072}}
    made_for["capabilities"] = ["completion", "tools"]
    return made_for | ({"parameters": "stop x\nnum_ctx      8192"} if body["model"] == "set" else {})


LMSTUDIO = {
    "data": [
        {"id": "a", "type": "llm", "state": "loaded", "max_context_length": 32768, "loaded_context_length": 4096},
        {"id": "b", "type": "vlm", "state": "not-loaded", "max_context_length": 32768},
        {"id": "e", "type": "embeddings", "max_context_length": 512},
    ]
}


@pytest.mark.parametrize(
    ("preset", "pages", "expected"),
    [
        ("vllm", {"v1__models": names("m", max_model_len=40960)}, {"m": 40960}),
        ("transformers-serve", {"v1__models": names("a", "b")}, {"a": None, "b": None}),
        ("llamacpp", {"v1__models": names("m", meta={"n_ctx_train": 32768})}, {"m": 32768}),
        (
            "llamacpp",
            {
                "v1__models": names("m", meta={"n_ctx_train": 32768}),
                "props": {"default_generation_settings": {"n_ctx": 4096}},
            },
            {"m": 4096},
        ),
        ("tgi", {"v1__models": names("m"), "info": {"max_total_tokens": 2048}}, {"m": 2048}),
        ("lmstudio", {"v1__models": names("a", "b", "e"), "api__v0__models": LMSTUDIO}, {"a": 4096, "b": 32768}),
        ("lmstudio", {"v1__models": names("a")}, {"a": None}),
        (
            "ollama",
            {
                "v1__models": names("made", "set", "loaded", "embed"),
                "api__show": shown,
                "api__ps": {"models": [{"name": "loaded", "context_length": 4096}, {"name": "gone"}]},
            },
            {"made": 131072, "set": 8192, "loaded": 4096},
        ),
        ("ollama", {"v1__models": names("m"), "api__show": {"model_info": None}}, {"m": None}),
        ("openai-compatible", {"v1__models": names("m", context_length=1000)}, {"m": 1000}),
        ("vllm", {"v1__models": names("m", max_model_len="many")}, {"m": None}),
        ("vllm", {"v1__models": {"data": None}}, {}),
    ],
)
async def test_models_are_listed_with_their_windows(
    preset: str, pages: dict[str, Any], expected: dict[str, int | None]
) -> None:
    if preset == "openai-compatible":
        spec = ModelSpec("local", base_url="http://x.test/v1")
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(LocalServer(**pages)))
        target = OpenAICompatModel(spec, http_client=client)
    else:
        target = local(preset, LocalServer(**pages))
    assert await target.offered() == tuple(Offered(*found) for found in expected.items())


@pytest.mark.parametrize("page", [[], {}, {"data": [{}]}, {"data": "x"}, "models"])
async def test_a_list_that_is_none_is_a_protocol_error(page: Any) -> None:
    with pytest.raises(errors.ProtocolError, match=r"models\.local\.base_url"):
        await local("vllm", LocalServer(v1__models=page)).offered()


async def test_the_only_listed_model_is_taken_and_remembered() -> None:
    server = LocalServer(v1__models=names("the-one"))
    target = local("vllm", server)
    for _ in range(2):
        assert "ok" in [delta.text async for delta in target.stream(REQUEST)]
    assert server.asked.count("v1/models") == 1


@pytest.mark.parametrize(
    ("listed", "says"), [((), "lists no model: load one"), (("a", "b"), r"several models: name one .*model: a, b$")]
)
async def test_without_a_name_there_must_be_one_model(listed: tuple[str, ...], says: str) -> None:
    target = local("llamacpp", LocalServer(v1__models=names(*listed)))
    with pytest.raises(errors.ConfigurationError, match=says):
        _ = [delta async for delta in target.stream(REQUEST)]


async def test_a_server_with_a_model_of_its_own_is_asked_for_no_name() -> None:
    server = LocalServer(v1__models=names())
    target = local("transformers-serve", server)
    assert "ok" in [delta.text async for delta in target.stream(REQUEST)]
    assert server.asked == ["v1/chat/completions"] and "model" not in server.bodies[-1]
    assert await target.offered() is None
    named = local("transformers-serve", LocalServer(v1__models=names("in/cache")), "a/folder")
    assert await named.offered() == (Offered("a/folder"), Offered("in/cache"))


async def test_nothing_of_the_environment_goes_to_a_local_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-acme")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-acme")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.headers))
        return LocalServer(v1__models=names("m"))(request)

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    target = OpenAICompatModel(ModelSpec("local", base_url="http://x.test/v1"), http_client=client)
    assert "ok" in [delta.text async for delta in target.stream(REQUEST)]
    assert len(seen) == 2 and not any(part in text for text in seen for part in ("acme", "somebody"))


async def test_another_model_is_taken_when_the_server_has_changed() -> None:
    now = ["old"]

    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/models":
            return httpx2.Response(200, json=names(*now))
        asked = json.loads(request.content)["model"]
        if asked != now[0]:
            return httpx2.Response(404, json={"error": {"message": f"The model `{asked}` does not exist."}})
        return LocalServer()(request)

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    target = OpenAICompatModel(ModelSpec("local", base_url="http://x.test/v1"), http_client=client)
    _ = [delta async for delta in target.stream(REQUEST)]
    now[0] = "new"
    with pytest.raises(errors.ConfigurationError, match="'old'"):
        _ = [delta async for delta in target.stream(REQUEST)]
    assert "ok" in [delta.text async for delta in target.stream(REQUEST)]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_builds_its_model(name: str) -> None:
    preset = PRESETS[name]
    spec = ModelSpec("m", model="x", api_key="k", base_url=None if preset.base_url else "http://x.test/v1")
    model = connectors.build(name, spec)
    assert isinstance(model, OpenAICompatModel) and model.name == "m"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://api.openai.com.evil.test/v1", False),
        ("http://127.0.0.1:8000/v1?to=api.openai.com", False),
        ("http://[::1", False),
        (None, False),
    ],
)
def test_only_openais_own_addresses_are_openais(address: str | None, expected: bool) -> None:
    assert is_openai(address) is expected
