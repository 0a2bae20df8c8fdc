"""The Responses interface on the wire, and which models are asked through it."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from connectors import ChatMessage, ChatRequest, Delta, ModelSpec, errors
from connectors.openai_compat import OpenAICompatModel
from connectors.openai_responses import needed_by

OPENAI = "https://api.openai.com/v1"
REQUEST = ChatRequest(
    (
        ChatMessage.of("system", "Be brief."),
        ChatMessage.of("system", "Be kind."),
        ChatMessage.of("user", "Hello"),
        ChatMessage.of("assistant", "Hi"),
        ChatMessage.of("system", "It is late."),
        ChatMessage.of("user", "And now?"),
    )
)


class Provider:
    """OpenAI as far as we need it: answers with ``events`` on Responses and refuses what ``takes`` does not know."""

    def __init__(self, *events: dict[str, Any], refuse: Callable[[str, dict[str, Any]], Any] | None = None) -> None:
        self.events = events or (text("ok"), ended())
        self.refuse = refuse or (lambda path, body: None)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path, body = request.url.path.removeprefix("/v1"), json.loads(request.content)
        self.asked.append((path, body))
        if refusal := self.refuse(path, body):
            return httpx2.Response(refusal[0], json={"error": refusal[1]})
        events = self.events if path == "/responses" else CHAT
        sent = "".join(f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n" for event in events)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=sent)


CHAT = ({"model": "m", "choices": [{"delta": {"content": "ok"}, "finish_reason": "stop"}]},)


def text(delta: str, part: int = 0, kind: str = "response.output_text.delta") -> dict[str, Any]:
    return {"type": kind, "delta": delta, "output_index": part, "content_index": 0}


def ended(status: str = "completed", **facts: Any) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}
    response = {"model": "m-2026", "status": status, "usage": usage, **facts}
    return {"type": f"response.{status}", "response": response}


def model(provider: Provider, name: str = "gpt-5-pro", base_url: str = OPENAI, **changes: object) -> OpenAICompatModel:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(provider))
    return OpenAICompatModel(ModelSpec("gpt", model=name, base_url=base_url, **changes), http_client=client)


async def collect(target: OpenAICompatModel) -> list[Delta]:
    return [delta async for delta in target.stream(REQUEST)]


async def test_a_conversation_becomes_instructions_and_input_and_is_not_kept() -> None:
    provider = Provider()
    await collect(model(provider))
    [(path, body)] = provider.asked
    assert path == "/responses" and body["store"] is False and body["stream"] is True
    assert body["instructions"] == "Be brief.\n\nBe kind."
    assert [(item["role"], item["content"]) for item in body["input"]] == [
        ("user", "Hello"),
        ("assistant", "Hi"),
        ("system", "It is late."),
        ("user", "And now?"),
    ]


async def test_only_the_answer_reaches_the_reader_then_finish_and_usage() -> None:
    events = [
        {"type": "response.created", "response": {"model": "m-2026", "status": "in_progress", "error": None}},
        {"type": "response.reasoning_summary_text.delta", "delta": "hmm", "output_index": 0, "content_index": 0},
        {"type": "response.function_call_arguments.delta", "delta": "{}", "output_index": 1},
        text("Hel", 2),
        text("lo", 2),
        {"type": "response.of_a_later_day"},
        text("There", 3),
        ended(),
    ]
    deltas = await collect(model(Provider(*events)))
    assert "".join(delta.text for delta in deltas) == "Hello\n\nThere"
    assert [delta.finish for delta in deltas] == [None, None, None, "stop"]
    usage = deltas[-1].usage
    assert usage is not None and (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (5, 2, 4)
    assert {delta.model for delta in deltas} == {"m-2026"}


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "filter"), (None, "length")]
)
async def test_an_answer_that_was_cut_says_why(reason: str | None, finish: str) -> None:
    cut = ended("incomplete", incomplete_details={"reason": reason} if reason else None)
    assert (await collect(model(Provider(text("half"), cut))))[-1].finish == finish


async def test_a_refusal_is_an_answer_with_a_note() -> None:
    deltas = await collect(model(Provider(text("I cannot.", kind="response.refusal.delta"), ended())))
    assert (deltas[0].text, deltas[-1].note) == ("I cannot.", "The model declined to answer this.")


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (ended("failed", error={"code": "rate_limit_exceeded", "message": "slow"}), errors.RateLimited),
        (ended("failed", error={"code": "server_error", "message": "oops"}), errors.Unavailable),
        (ended("failed", error={"code": "invalid_prompt", "message": "flagged"}), errors.ContentFiltered),
        (ended("failed", error=None), errors.Unavailable),
        (ended("cancelled"), errors.Unavailable),
        ({"type": "error", "code": "insufficient_quota", "message": "pay"}, errors.QuotaExceeded),
        ({"type": "error", "error": {"code": "context_length_exceeded", "message": "x"}}, errors.ContextTooLong),
        (ended("incomplete", incomplete_details={"reason": "max_output_tokens"}), errors.EmptyAnswer),
        (ended("incomplete", incomplete_details={"reason": "content_filter"}), errors.ContentFiltered),
        (ended(), errors.EmptyAnswer),
        ({"type": "response.in_progress"}, errors.ProtocolError),
        ({"no": "type"}, errors.ProtocolError),
    ],
)
async def test_a_stream_that_fails_is_one_of_our_errors(last: dict[str, Any], expected: type[Exception]) -> None:
    with pytest.raises(errors.ConnectorError) as caught:
        await collect(model(Provider(last)))
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("name", "responses"),
    [
        ("gpt-5-mini", False),
        ("gpt-4o", False),
        ("o3", False),
        ("o1-pro", True),
        ("gpt-5.5-pro-2026-04-23", True),
        ("gpt-5.1-codex-max", True),
        ("o4-mini-deep-research", True),
        ("computer-use-preview", True),
        ("gpt-6-cyber", True),
        ("ft:gpt-4.1-mini-2025-04-14:acme-pro::abc", False),
        ("ft:gpt-4o:codex-team::abc", False),
    ],
)
async def test_auto_asks_where_the_model_is(name: str, responses: bool) -> None:
    provider = Provider()
    await collect(model(provider, name))
    assert [path for path, _ in provider.asked] == ["/responses" if responses else "/chat/completions"]
    elsewhere = Provider()
    await collect(model(elsewhere, name, "https://models.acme.test/v1"))
    assert [path for path, _ in elsewhere.asked] == ["/chat/completions"]


def test_the_rule_covers_the_models_that_the_sdk_names_for_responses_alone() -> None:
    from typing import get_args

    from openai.types.shared import AllModels, ChatModel

    alone = {name for part in get_args(AllModels) for name in get_args(part)} - set(get_args(ChatModel))
    assert len(alone) > 10 and {name for name in alone if not needed_by(name)} == set()


@pytest.mark.parametrize("said", ["This model is only supported in v1/responses", "This is not a chat model"])
async def test_auto_learns_it_from_the_server(said: str) -> None:
    provider = Provider(refuse=lambda path, body: (404, {"message": said}) if path != "/responses" else None)
    target = model(provider, "gpt-9-secret")
    for _ in range(2):
        assert (await collect(target))[0].text == "ok"
    assert [path for path, _ in provider.asked] == ["/chat/completions", "/responses", "/responses"]


async def test_a_configured_interface_is_kept() -> None:
    provider = Provider(refuse=lambda path, body: (404, {"message": "only supported in v1/responses"}))
    with pytest.raises(errors.ConfigurationError, match=r"models\.gpt\.api to responses"):
        await collect(model(provider, "gpt-5-pro", api="chat"))
    assert [path for path, _ in provider.asked] == ["/chat/completions"]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("gpt-4.1", True),
        ("gpt-5-chat-latest", True),
        ("ft:gpt-4o-mini:acme::1", True),
        ("gpt-5-mini", False),
        ("gpt-6.1-sol", False),
        ("o3", False),
        ("ft:o4-mini-2025-04-16:acme::1", False),
        ("gpt-5-pro", False),
    ],
)
async def test_a_model_that_thinks_gets_no_temperature(name: str, sent: bool) -> None:
    provider = Provider()
    await collect(model(provider, name, temperature=0.2, max_tokens=50))
    [(path, body)] = provider.asked
    assert ("temperature" in body) is sent
    assert body["max_output_tokens" if path == "/responses" else "max_completion_tokens"] == 50


@pytest.mark.parametrize(
    ("field", "said", "instead"),
    [
        ("temperature", "Unsupported value: 'temperature' does not support 0.2 with this model.", None),
        ("max_tokens", "'max_tokens' is not supported. Use 'max_completion_tokens'.", "max_completion_tokens"),
        ("stream_options", "Unexpected fields in the request: {'stream_options'}", None),
    ],
)
async def test_what_a_server_does_not_take_is_left_out_from_then_on(field: str, said: str, instead: str | None) -> None:
    provider = Provider(refuse=lambda path, body: (400, {"message": said}) if field in body else None)
    target = model(provider, "local", "http://local.test/v1", temperature=0.2, max_tokens=50)
    for _ in range(2):
        assert (await collect(target))[0].text == "ok"
    assert [field in body for _, body in provider.asked] == [True, False, False]
    assert instead is None or provider.asked[-1][1][instead] == 50


async def test_what_was_set_on_purpose_is_not_left_out() -> None:
    provider = Provider(refuse=lambda path, body: (400, {"message": "Unsupported value: 'temperature'"}))
    for changes in ({"options": {"temperature": 3}}, {"temperature": 0.1}):
        with pytest.raises(errors.BadRequest, match="Unsupported value"):
            await collect(model(provider, "local", "http://local.test/v1", **changes))
    assert [body.get("temperature") for _, body in provider.asked] == [3, 0.1, None]
