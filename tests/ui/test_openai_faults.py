"""What cannot be served below ``/v1`` is refused in OpenAI's shape, and whoever leaves stops what they asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from assistant.access.identity import Identity
from assistant.app import Assistant
from assistant.conversation.accepting import TurnRejected
from assistant.records.repository import RecordsError
from connectors import errors
from connectors.scripted import ScriptedModel, Step
from tests.conftest import answer_with
from tests.ui.programs import serving
from ui import openai_turn
from ui.openai_errors import answered

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.fixture
async def url(demo: Assistant) -> AsyncIterator[str]:
    async with serving(demo, {"none": Identity("api")}) as at:
        yield at


@pytest.fixture
async def client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """It asks again by itself, as the SDK does: where it should not, a test sees it."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=2) as made:
        yield made


def shaped(body: Any) -> dict[str, Any]:
    assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    assert error["message"] and error["type"] and error["code"]
    return error


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "gpt-5"}, 404, "model_not_found", "model"),
        ({"model": 7}, 400, "invalid_request", "model"),
        ({"messages": []}, 400, "invalid_request", "messages"),
        ({"messages": "hello"}, 400, "invalid_request", "messages"),
        ({"messages": [{"role": "boss", "content": "hi"}]}, 400, "invalid_request", "messages.0.role"),
        ({"messages": [{"role": "user", "content": " "}]}, 400, "empty_turn", None),
        ({"messages": [{"role": "user", "content": None}]}, 400, "empty_turn", None),
        ({"messages": [{"role": "system", "content": "hi"}]}, 400, "invalid_request", "messages"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "hi"}]}, 400, "invalid_request", "messages"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, 400, "unsupported_content", "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": "x" * 100_000}]}, 400, "context_length_exceeded", None),
        ({"n": 2}, 400, "unsupported_value", "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "unsupported_value", "tools"),
        ({"functions": [{"name": "f"}]}, 400, "unsupported_value", "functions"),
        ({"response_format": {"type": "json_object"}}, 400, "unsupported_value", "response_format"),
        ({"logprobs": True}, 400, "unsupported_value", "logprobs"),
        ({"modalities": ["text", "audio"]}, 400, "unsupported_value", "modalities"),
        ({"switchyard": {"surface": "nowhere"}}, 404, "unknown_surface", "switchyard.surface"),
        ({"switchyard": {"collection": "nowhere"}}, 404, "unknown_collection", "switchyard.collection"),
        ({"switchyard": {"conversation": "nowhere"}}, 404, "unknown_conversation", "switchyard.conversation"),
        ({"switchyard": {"conversation": "\x00"}}, 404, "unknown_conversation", "switchyard.conversation"),
        ({"switchyard": 7}, 400, "invalid_request", "switchyard"),
    ],
)
async def test_what_cannot_be_served_is_refused(
    url: str, body: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer none"}) as http:
        for stream in (False, True):
            asked = {"model": "switchyard", "messages": HELLO, "stream": stream} | body
            answer = await http.post("/v1/chat/completions", json=asked)
            error = shaped(answer.json())
            assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
            assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.1, "top_p": 0.5, "max_tokens": 7, "max_completion_tokens": 7, "seed": 1, "stop": ["x"]},
        {"n": 1, "tools": [], "logprobs": False, "response_format": {"type": "text"}, "modalities": ["text"]},
        {"store": True, "metadata": {"a": "b"}, "service_tier": "auto", "reasoning_effort": "low", "new_field": [1]},
        {"messages": [{"role": "tool", "content": "7", "tool_call_id": "x"}, {"role": "user", "content": "hello"}]},
        {"stream_options": {"include_usage": True, "include_obfuscation": False}, "user": None, "stream": None},
    ],
)
async def test_what_changes_nothing_is_taken(url: str, more: dict[str, Any]) -> None:
    asked = {"model": "switchyard", "messages": HELLO} | more
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer none"}) as http:
        answer = await http.post("/v1/chat/completions", json=asked, timeout=60)
    assert answer.status_code == 200, answer.text


async def test_a_wrong_key_and_none_are_the_sdks_authentication_error(client: openai.AsyncOpenAI, url: str) -> None:
    for work in (
        lambda asking: asking.models.list(),
        lambda asking: asking.chat.completions.create(model="switchyard", messages=HELLO),
    ):
        with pytest.raises(openai.AuthenticationError) as refused:
            await work(client.with_options(api_key="wrong"))
        assert refused.value.code == "invalid_api_key"
        assert refused.value.response.headers["www-authenticate"] == "Bearer"


async def test_nothing_else_is_there(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        for path in ("/v1/completions", "/v1/responses", "/v1/files/x", "/v1/models/a/b", "/v1/"):
            for method in ("GET", "POST", "DELETE"):
                answer = await http.request(method, path)
                assert (answer.status_code, shaped(answer.json())["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(
    ("error", "status", "raised"),
    [
        (errors.AuthenticationFailed("the provider does not accept the key"), 502, openai.InternalServerError),
        (errors.PermissionRefused("not this model"), 502, openai.InternalServerError),
        (errors.QuotaExceeded("no credit"), 502, openai.InternalServerError),
        (errors.RateLimited("a pause"), 429, openai.RateLimitError),
        (errors.ContextTooLong("too long"), 400, openai.BadRequestError),
        (errors.ContentFiltered("filtered"), 400, openai.BadRequestError),
        (errors.Unavailable("down"), 503, openai.InternalServerError),
        (errors.TimedOut("silent"), 504, openai.InternalServerError),
        (errors.EmptyAnswer("nothing"), 502, openai.InternalServerError),
        (RuntimeError("secret detail"), 500, openai.InternalServerError),
    ],
)
async def test_a_turn_that_fails_before_its_first_word_has_a_status(
    client: openai.AsyncOpenAI, demo: Assistant, error: Exception, status: int, raised: type[Exception]
) -> None:
    model = ScriptedModel([Step([], error=error)], loop=True)
    answer_with(demo, model)
    for stream in (False, True):
        with pytest.raises(raised) as failed:
            await client.chat.completions.create(model="switchyard-voice", messages=HELLO, stream=stream)
        assert isinstance(failed.value, openai.APIStatusError)
        assert failed.value.status_code == status and "secret detail" not in str(failed.value)
    assert len(model.requests) == 2, "the SDK must not ask again what was tried again already"


async def test_a_turn_that_fails_in_mid_stream_is_the_sdks_error_and_its_text_is_kept(
    client: openai.AsyncOpenAI, demo: Assistant
) -> None:
    answer_with(demo, ScriptedModel([Step(["half ", "of "], error=errors.Unavailable("it broke off"))], loop=True))
    stream = await client.chat.completions.create(model="switchyard-voice", messages=HELLO, stream=True)
    heard, first = [], None
    with pytest.raises(openai.APIError) as failed:
        async for chunk in stream:
            first = first or chunk
            heard.append(chunk.choices[0].delta.content)
    assert heard[1] == "half" and failed.value.code == "model_unavailable" and "it broke off" in failed.value.message
    assert first is not None and first.model_extra is not None
    (turn,) = await demo.records.turns(first.model_extra["switchyard"]["conversation"])
    assert (turn.status, turn.answer.strip()) == ("failed", "half of")
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model="switchyard-voice", messages=HELLO)


async def test_a_silent_stream_is_kept_alive_and_can_still_fail(
    url: str, client: openai.AsyncOpenAI, demo: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies cut a stream that says nothing; clients pass comments over."""
    monkeypatch.setattr(openai_turn, "KEEP_ALIVE", 0.05)
    slow = Step(["late ", "but there"], delay=0.4)
    answer_with(demo, ScriptedModel([slow, slow, Step([""], delay=0.4, error=errors.Unavailable("down"))]))
    asked = {"model": "switchyard-voice", "messages": HELLO, "stream": True}
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer none"}, timeout=60) as http:
        text = (await http.post("/v1/chat/completions", json=asked)).text
    before, _, after = text.partition('"content":"late')
    assert before.startswith(": keep-alive\n\n") and ": keep-alive\n\n" in after and text.endswith("data: [DONE]\n\n")
    stream = await client.chat.completions.create(model="switchyard-voice", messages=HELLO, stream=True)
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "late but there"
    with pytest.raises(openai.APIError) as failed:
        async for _ in await client.chat.completions.create(model="switchyard-voice", messages=HELLO, stream=True):
            pass
    assert failed.value.code == "model_unavailable" and not isinstance(failed.value, openai.APIStatusError)


def test_a_limit_says_when_to_come_back() -> None:
    soon = answered(TurnRejected("too_many_turns", "Slowly.", retry_after=2.2))
    late = answered(TurnRejected("budget_spent", "Tomorrow.", retry_after=7_200.0))
    assert soon is not None and late is not None and (soon.status_code, late.status_code) == (429, 429)
    assert soon.headers["retry-after"] == "3" and "x-should-retry" not in soon.headers
    assert late.headers["retry-after"] == "7200" and late.headers["x-should-retry"] == "false"
    codes = [shaped(json.loads(bytes(each.body)))["code"] for each in (soon, late)]
    assert codes == ["rate_limit_exceeded", "insufficient_quota"]


def test_records_that_are_away_are_told_without_their_address() -> None:
    answer = answered(RecordsError("postgresql://db.internal failed"))
    assert answer is not None and answer.status_code == 503 and b"db.internal" not in answer.body


@pytest.mark.parametrize("words", [0, 3])
@pytest.mark.parametrize("stream", [False, True])
async def test_whoever_leaves_stops_the_model(url: str, demo: Assistant, words: int, stream: bool) -> None:
    """Before the first word and after it, whole answers and streams alike; what was written is kept."""
    model = ScriptedModel([Step(["word "] * words, hangs=True)])
    answer_with(demo, model)
    asked = {"model": "switchyard-voice", "messages": HELLO, "stream": stream}

    async def read() -> None:
        async with (
            httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer none"}, timeout=60) as http,
            http.stream("POST", "/v1/chat/completions", json=asked) as answer,
        ):
            async for _ in answer.aiter_lines():
                pass

    reading = asyncio.create_task(read())
    await _until(lambda: bool(model.requests))
    await asyncio.sleep(0.1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await _until(lambda: model.closed == 1)
    (conversation,) = (await demo.service.conversations.listed("api")).conversations
    await demo.service.settled(conversation.id)
    (turn,) = await demo.records.turns(conversation.id)
    assert (turn.status, turn.answer.split()) == ("stopped", ["word"] * words)


async def _until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not there():
            await asyncio.sleep(0.01)
