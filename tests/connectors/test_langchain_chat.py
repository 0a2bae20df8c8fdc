"""What is LangChain's own about its connector; the rest is in tests/contracts/test_chat_model.py."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any, ClassVar

import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from connectors import ChatMessage, ChatRequest, Delta, ModelSpec, errors
from connectors.langchain_chat import LangChainModel
from connectors.langchain_errors import mapped
from tests.conftest import ROOT
from tests.contracts.dialects import KEY, Anthropic, OpenAIChat
from tests.contracts.providers import Provider

FAKE = "langchain_core.language_models.fake_chat_models:FakeListChatModel"
HELLO = ChatRequest((ChatMessage.of("system", "Be brief."), ChatMessage.of("user", "Hello")))


class Local(BaseChatModel):
    """A class of somebody else's, with names of its own for what everybody has: it says its settings."""

    made: ClassVar[int] = 0
    num_predict: int | None = None
    temperature: float | None = None
    facts: dict[str, Any] | None = None
    content: Any = None

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        Local.made += 1

    @property
    def _llm_type(self) -> str:
        return "local"

    def _generate(self, *arguments: Any, **more: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **more: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        content = self.content or f"{self.num_predict} {self.temperature} {more}"
        yield ChatGenerationChunk(message=AIMessageChunk(content=content))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=self.facts or {}))


def local(**options: Any) -> LangChainModel:
    return LangChainModel(ModelSpec("mine", options={"class": f"{__name__}:Local"} | options))


async def collect(model: LangChainModel, request: ChatRequest = HELLO) -> list[Delta]:
    try:
        async with aclosing(model.stream(request)) as deltas:  # type: ignore[type-var]
            return [delta async for delta in deltas]
    finally:
        await model.aclose()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def said(model: LangChainModel, request: ChatRequest = HELLO) -> str:
    return "".join(delta.text for delta in await collect(model, request))


async def refused(model: LangChainModel) -> errors.ConfigurationError:
    with pytest.raises(errors.ConfigurationError) as caught:
        await collect(model)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_making_a_model_imports_nothing_of_langchain() -> None:
    code = (
        "import sys\nfrom connectors import ModelSpec\nfrom connectors.langchain_chat import LangChainModel\n"
        "LangChainModel(ModelSpec('m', model='anthropic:m-1'))\n"
        "print([name for name in sys.modules if name.startswith(('langchain', 'openai', 'anthropic', 'httpx'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


async def test_what_is_missing_comes_with_the_command_that_installs_it() -> None:
    error = await refused(LangChainModel(ModelSpec("far", model="upstage:solar-9", api_key=KEY)))
    assert "models.far" in str(error) and "pip install langchain-upstage" in str(error)
    with pytest.raises(errors.ConfigurationError, match="pip install langchain-upstage"):
        await LangChainModel(ModelSpec("far", model="upstage:solar-9", api_key=KEY)).offered()


async def test_an_unknown_provider_and_a_wrong_setting_are_said_without_the_key() -> None:
    assert "provider" in str(await refused(LangChainModel(ModelSpec("m", model="nobody:m-1", api_key=KEY))))
    spec = ModelSpec("m", model="openai:m-1", api_key=KEY, options={"max_retries": "many"})
    assert "max_retries" in str(await refused(LangChainModel(spec)))
    spec = ModelSpec("m", model="anthropic:m-1", api_key=KEY, options={"max_tokens": [KEY]})
    assert "max_tokens" in str(await refused(LangChainModel(spec)))


def test_a_model_must_be_named() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"models\.m names no model.*anthropic:"):
        LangChainModel(ModelSpec("m"))


async def test_a_class_by_its_dotted_name_answers() -> None:
    model = LangChainModel(ModelSpec("fake", options={"class": FAKE, "responses": ["Hello there"]}))
    deltas = await collect(model)
    assert "".join(delta.text for delta in deltas) == "Hello there" and deltas[-1].finish == "stop"
    assert await model.offered() is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_package:Thing", "no 'no_such_package:Thing'.*install"),
        ("langchain_core:Nothing", "no 'langchain_core:Nothing'"),
        ("langchain_core", "no 'langchain_core'"),
        ("pathlib:Path", "no chat model class"),
    ],
)
async def test_a_class_that_is_none_is_said(name: str, says: str) -> None:
    error = await refused(LangChainModel(ModelSpec("m", options={"class": name})))
    assert re.search(rf"models\.m\.options\.class: .*{says}", str(error))


@pytest.mark.parametrize("setting", ["api_key", "base_url"])
async def test_a_setting_that_the_class_would_ignore_is_said(setting: str) -> None:
    spec = ModelSpec("m", options={"class": FAKE, "responses": ["x"]}, **{setting: KEY})
    assert f"models.m.{setting}" in str(await refused(LangChainModel(spec)))


async def test_limits_go_out_under_the_names_of_the_class() -> None:
    spec = ModelSpec("mine", max_tokens=9, temperature=0.25, options={"class": f"{__name__}:Local"})
    assert await said(LangChainModel(spec)) == "9 0.25 {}"
    request = ChatRequest(HELLO.messages, max_tokens=5)
    assert await said(LangChainModel(spec), request) == "5 0.25 {}"
    fake = LangChainModel(ModelSpec("f", max_tokens=5, options={"class": FAKE, "responses": ["x"]}))
    assert await said(fake) == "x"


async def test_many_first_turns_at_once_make_one_model() -> None:
    Local.made = 0
    model = local()

    async def answered() -> int:
        async with aclosing(model.stream(HELLO)) as deltas:  # type: ignore[type-var]
            return len([delta async for delta in deltas])

    assert await asyncio.gather(*(answered() for _ in range(5))) == [2] * 5
    assert Local.made == 1
    await model.aclose()


@pytest.mark.parametrize(
    ("facts", "finish"),
    [
        ({}, "stop"),
        ({"finish_reason": "stop"}, "stop"),
        ({"finish_reason": "STOP"}, "stop"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({"done_reason": "length"}, "length"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": "FinishReason.MAX_TOKENS"}, "length"),
        ({"stopReason": "guardrail_intervened"}, "filter"),
        ({"finish_reason": "SAFETY"}, "filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
    ],
)
async def test_every_provider_word_for_the_end_is_known(facts: dict[str, Any], finish: str) -> None:
    assert (await collect(local(facts=facts)))[-1].finish == finish


async def test_thoughts_and_calls_are_not_shown() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "reasoning", "reasoning": "Hm."},
        {"type": "text", "text": "Ten "},
        {"type": "tool_use", "name": "look", "input": {}},
        {"type": "text", "text": "days"},
    ]
    assert await said(local(content=blocks)) == "Ten days"


class Thinking(Anthropic):
    def begin(self) -> Iterator[str]:
        begun, _ = super().begin()
        yield begun
        for event in (
            '{"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", '
            '"signature": ""}}',
            '{"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm, leave"}}',
            '{"type": "content_block_stop", "index": 0}',
            '{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}',
        ):
            yield f"event: message\ndata: {event}\n\n"


async def test_anthropic_thinks_in_silence() -> None:
    provider = Provider(Thinking())
    async with provider.serving() as url:
        options = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        spec = ModelSpec("m", model="anthropic:m-1", base_url=url, api_key=KEY, max_tokens=2048, options=options)
        assert await said(LangChainModel(spec)) == "All is well."
    assert provider.asked[0]["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(("name", "dialect"), [("openai", OpenAIChat), ("anthropic", Anthropic)])
async def test_langchain_repeats_nothing_and_each_model_has_its_own_connections(name: str, dialect: Any) -> None:
    provider = Provider(dialect())
    async with provider.serving() as url:
        first, second = (
            LangChainModel(ModelSpec("m", model=f"{name}:m-1", base_url=url, api_key=KEY, timeout=10)) for _ in "ab"
        )
        for model in (first, second):
            async with aclosing(model.stream(HELLO)) as deltas:  # type: ignore[type-var]
                assert [delta async for delta in deltas][-1].finish == "stop"
        assert provider.connections == 2
        await first.aclose()
        await until(lambda: provider.connections == 1)
        provider.fault, before = "down", provider.requests
        with pytest.raises(errors.Unavailable):
            await collect(second)
        assert provider.requests == before + 1
        await second.aclose()
        await until(lambda: provider.connections == 0)


SPEC = ModelSpec("m", model="x:m-1", api_key=KEY)


def raised(name: str, base: type[Exception] = Exception, **facts: Any) -> Exception:
    """An error as some SDK would raise it."""
    error = type(name, (base,), {})(f"it said {KEY}")
    vars(error).update(facts)
    return error


def aws(code: str, status: int = 400) -> dict[str, Any]:
    return {"response": {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (raised("AnyContext", ContextOverflowError), errors.ContextTooLong),
        (raised("ClientError", **aws("ThrottlingException")), errors.RateLimited),
        (raised("ClientError", **aws("AccessDeniedException", 403)), errors.PermissionRefused),
        (raised("ClientError", **aws("ExpiredTokenException")), errors.AuthenticationFailed),
        (raised("ClientError", **aws("ServiceUnavailableException", 503)), errors.Unavailable),
        (raised("NoCredentialsError"), errors.AuthenticationFailed),
        (raised("ClientError", code=429, status="RESOURCE_EXHAUSTED"), errors.RateLimited),
        (raised("ClientError", code=404, status="NOT_FOUND"), errors.ConfigurationError),
        (raised("ServerError", code=503), errors.Unavailable),
        (raised("ResponseError", status_code=404), errors.ConfigurationError),
        (raised("APIStatusError", status_code=402), errors.QuotaExceeded),
        (raised("APIError", body={"error": {"type": "overloaded_error"}}), errors.Unavailable),
        (raised("APIError", body={"code": "insufficient_quota"}), errors.QuotaExceeded),
        (TimeoutError("slow"), errors.TimedOut),
        (raised("ReadTimeout", raised("TimeoutException").__class__), errors.TimedOut),
        (ConnectionRefusedError("no"), errors.Unavailable),
        (ValueError("rate_limit_exceeded: slow down"), errors.RateLimited),
        (ValueError("ResponseError(code='server_error', message='x')"), errors.Unavailable),
        (KeyError("choices"), errors.ProtocolError),
        (errors.QuotaExceeded("ours"), errors.QuotaExceeded),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_what_any_sdk_raises_is_one_of_ours(error: Exception, expected: type[errors.ConnectorError]) -> None:
    ours = mapped(error, SPEC)
    assert type(ours) is expected and KEY not in str(ours)


def test_the_pause_that_is_asked_for_is_kept() -> None:
    class Response:
        status_code = 429
        headers: ClassVar = {"retry-after": "7"}

    assert mapped(raised("RateLimitError", response=Response()), SPEC).retry_after == 7
    google = type("ClientError", (Exception,), {"code": 429})("{'retryDelay': '12.5s'}")
    assert mapped(google, SPEC).retry_after == 12.5


async def test_secrets_of_the_options_are_not_shown_either() -> None:
    hidden = "swordfish-swordfish"
    spec = ModelSpec("m", options={"aws_secret_access_key": hidden})
    error = raised("BadRequestError", status_code=400, message=f"wrong: {hidden}")
    assert hidden not in str(mapped(error, spec)) and "wrong" in str(mapped(error, spec))
