"""Every way in which a server refuses, in the shapes that real servers use, as our errors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from connectors import ChatMessage, ChatRequest, ModelSpec, errors
from connectors.openai_compat import OpenAICompatModel
from connectors.openai_errors import pause, said_by

KEY = "planted-secret-of-no-known-shape"
REQUEST = ChatRequest((ChatMessage.of("user", "Hello"),))
Handler = Callable[[httpx2.Request], httpx2.Response]


async def failed(handler: Handler, **changes: object) -> errors.ConnectorError:
    values = {"model": "m-1", "base_url": "http://model.test/v1", "api_key": KEY} | changes
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    target = OpenAICompatModel(ModelSpec("gpt", **values), http_client=client)
    with pytest.raises(errors.ConnectorError) as caught:
        async for _ in target.stream(REQUEST):
            pass
    return caught.value


def answering(status: int, body: object, **headers: str) -> Handler:
    def handler(request: httpx2.Request) -> httpx2.Response:
        if isinstance(body, str):
            return httpx2.Response(status, text=body, headers=headers)
        return httpx2.Response(status, json=body, headers=headers)

    return handler


def openai(message: str, code: str | None = None, kind: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "code": code, "type": kind, "param": None}}


REFUSALS: list[tuple[int, object, type[errors.ConnectorError], str]] = [
    (401, openai(f"Incorrect API key provided: {KEY}", "invalid_api_key"), errors.AuthenticationFailed, "gpt.api_key"),
    (401, {"detail": "Unauthorized"}, errors.AuthenticationFailed, "gpt.api_key"),
    (401, openai("You have insufficient permissions for this operation"), errors.PermissionRefused, "Ask whoever"),
    (403, openai("Project has no access to model m-1", "model_not_found"), errors.PermissionRefused, "Ask whoever"),
    (403, "<html>Forbidden</html>", errors.PermissionRefused, "Ask whoever"),
    (402, openai("Payment required"), errors.QuotaExceeded, "billing"),
    (429, openai("You exceeded your quota", "insufficient_quota"), errors.QuotaExceeded, "billing"),
    (429, openai("You exceeded your quota", None, "insufficient_quota"), errors.QuotaExceeded, "billing"),
    (429, openai("Rate limit", "rate_limit_exceeded"), errors.RateLimited, "try again"),
    (429, openai("Request too large: context window of tokens per min"), errors.RateLimited, "try again"),
    (429, "slow down", errors.RateLimited, "try again"),
    (400, openai("x", "context_length_exceeded"), errors.ContextTooLong, "context_window"),
    (400, {"object": "error", "message": "maximum context length is 8"}, errors.ContextTooLong, "context_window"),
    (400, {"error": {"code": 400, "type": "exceed_context_size_error"}}, errors.ContextTooLong, "context_window"),
    (422, {"error": "`inputs` must have less than max_total_tokens"}, errors.ContextTooLong, "context_window"),
    (500, openai("the request exceeds the available context size"), errors.ContextTooLong, "context_window"),
    (400, openai("filtered", "content_filter"), errors.ContentFiltered, "other words"),
    (400, openai("Invalid prompt: flagged", "invalid_prompt"), errors.ContentFiltered, "other words"),
    (404, openai("model 'm-1' not found, try pulling it first"), errors.ConfigurationError, "gpt.base_url"),
    (404, openai("This model is only supported in v1/responses"), errors.ConfigurationError, "gpt.api to responses"),
    (400, openai(f"bad thing with {KEY}"), errors.BadRequest, "gpt.options"),
    (400, {"detail": "Server is pinned to 'other'"}, errors.BadRequest, "pinned to 'other'"),
    (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, errors.BadRequest, "field required"),
    (400, "<html><h1>400 Bad Request</h1></html>", errors.BadRequest, "gpt.options"),
    (408, "", errors.Unavailable, "overloaded"),
    (500, openai("oops", None, "server_error"), errors.Unavailable, "overloaded"),
    (502, "<html>Bad gateway</html>", errors.Unavailable, "overloaded"),
    (503, {"error": {"code": 503, "message": "Loading model"}}, errors.Unavailable, "overloaded"),
    (529, "overloaded", errors.Unavailable, "overloaded"),
]


@pytest.mark.parametrize(("status", "body", "expected", "says"), REFUSALS)
async def test_each_refusal_becomes_its_error_with_advice_and_without_the_key(
    status: int, body: object, expected: type[errors.ConnectorError], says: str
) -> None:
    error = await failed(answering(status, body))
    assert type(error) is expected, error
    assert says in str(error) and "gpt" in str(error) and "<h" not in str(error)
    assert KEY not in f"{error} {error!r} {error.__cause__} {error.__cause__!r}"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_is_honoured_wherever_it_is_asked_for(status: int) -> None:
    error = await failed(answering(status, "wait", **{"retry-after": "17"}))
    assert error.retry_after == 17.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "x"}, None),
        ({}, None),
    ],
)
def test_a_pause_in_any_notation(headers: dict[str, str], seconds: float | None) -> None:
    assert pause(headers) == seconds


def test_a_pause_until_a_date() -> None:
    until = datetime.now(UTC) + timedelta(seconds=90)
    found = pause({"retry-after": format_datetime(until, usegmt=True)})
    assert found is not None and 60 < found <= 90


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "a\n b"}}, "a b"),
        ({"message": "m"}, "m"),
        ({"error": "plain"}, "plain"),
        ({"detail": "d"}, "d"),
        ({"error": {"error": {"message": "deep"}}}, "deep"),
        ("text", "text"),
        (" <!doctype html>", ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_words_of_any_body(body: object, words: str) -> None:
    assert said_by(body) == words


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"code": 429, "message": "slow"}, errors.RateLimited),
        ({"code": "rate_limit_exceeded", "message": "slow"}, errors.RateLimited),
        ({"code": "invalid_api_key", "message": "no"}, errors.AuthenticationFailed),
        ({"code": 400, "type": "BadRequestError", "message": "maximum context length"}, errors.ContextTooLong),
        ({"code": 400, "message": "no"}, errors.BadRequest),
        ({"type": "server_error", "message": "boom"}, errors.Unavailable),
        ({"code": "insufficient_quota"}, errors.QuotaExceeded),
        ("CUDA out of memory", errors.Unavailable),
    ],
)
async def test_an_error_inside_the_stream(found: object, expected: type[errors.ConnectorError]) -> None:
    events = f"data: {json.dumps({'error': found})}\n\n"
    error = await failed(answering(200, events, **{"content-type": "text/event-stream"}))
    assert type(error) is expected


async def test_a_certificate_that_is_not_trusted_is_said() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")

    assert "certificate is not trusted" in str(await failed(handler))


async def test_an_address_without_a_scheme_is_said() -> None:
    target = OpenAICompatModel(ModelSpec("gpt", model="m", base_url="localhost:8000/v1"))
    with pytest.raises(errors.ConfigurationError, match=r"models\.gpt\.base_url is not an address"):
        async for _ in target.stream(REQUEST):
            pass
    await target.aclose()
