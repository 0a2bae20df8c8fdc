"""OpenAI, and every server that speaks its interface (Ollama, vLLM, llama.cpp, LM Studio, TGI, transformers serve)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors import errors
from connectors.base import ChatModel, ChatRequest, Delta, ModelSpec, Offered, Resources
from connectors.openai_chat import CHAT, Answer, Interface, render_document
from connectors.openai_errors import Refusal, refusal
from connectors.openai_listing import listed
from connectors.openai_responses import RESPONSES, needed_by
from connectors.openai_server import Server
from connectors.presets import COMPATIBLE, OPENAI, Preset, is_openai

if TYPE_CHECKING:
    import openai

__all__ = ["OpenAICompatModel", "OpenAIEmbeddings", "render_document"]

# OpenAI's models that think before they answer take no temperature (platform guide "Reasoning models").
_THINKS = re.compile(r"(ft:)?(o\d|gpt-5(?!-chat)|gpt-[6-9])")
_UNWANTED = re.compile(r"unsupported|not support|unexpected|unrecognized|unknown|extra (field|input)", re.IGNORECASE)
_OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OPTIONAL = ("temperature", "stream_options", *_OTHER_LIMIT, "max_output_tokens")


class OpenAICompatModel(ChatModel):
    """One model of one server. The client is made on first use; ``http_client`` replaces its transport in tests.

    What a server says that it does not take (a temperature, one of the two names of the token limit, the request for
    usage, a model outside Responses) is remembered and left out from then on.
    """

    def __init__(self, spec: ModelSpec, *, preset: Preset | None = None, http_client: Any = None) -> None:
        at_openai = is_openai(spec.base_url)
        self._preset = preset or (OPENAI if at_openai else COMPATIBLE)
        setting = f"models.{spec.name}"
        if not spec.model and self._preset.unnamed == "error":
            raise errors.ConfigurationError(f"{setting} names no model: add `model:` with one that the provider lists")
        if not spec.base_url:
            raise errors.ConfigurationError(f"{setting} has no base_url: add the server's address, ending in /v1")
        self.name = spec.name
        self._spec = spec
        self._model = spec.model
        self._may_switch = spec.api == "auto" and at_openai
        self._responses = spec.api == "responses" or (self._may_switch and needed_by(spec.model or ""))
        self._left_out: set[str] = set()
        self._server = Server(
            spec,
            http_client,
            setting=setting,
            silence=max(spec.timeout, spec.first_token_timeout),
            sent="the conversation and its sources do",
            shorten=f"Start a new conversation, or set {setting}.context_window so that old turns are left out",
            promised="a chat completion",
        )

    @classmethod
    def from_spec(cls, spec: ModelSpec, resources: Resources) -> OpenAICompatModel:
        """A factory for a server that has no preset."""
        return cls(spec)

    def connect(self) -> openai.AsyncOpenAI:
        """The SDK's client, made on first use."""
        return self._server.connect()

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        model = self._model or await self._unnamed_model()
        explainer = self._server.explainer(model)
        with explainer.explained():
            interface, events = await self._open(model, request)
            async with events, aclosing(interface.deltas(events, Answer(explainer))) as deltas:
                async for delta in deltas:
                    yield delta

    async def _open(self, model: str, request: ChatRequest) -> tuple[Interface, openai.AsyncStream[Any]]:
        import openai

        while True:
            interface = RESPONSES if self._responses else CHAT
            body = self._body(interface, model, request)
            try:
                return interface, await self._server.events(interface.path, body)
            except openai.APIStatusError as error:
                if error.status_code == 404:
                    self._model = self._spec.model
                if not self._adapts(refusal(error), body):
                    raise

    def _body(self, interface: Interface, model: str, request: ChatRequest) -> dict[str, Any]:
        spec = self._spec
        body = interface.body(model, request.messages)
        if not model:
            del body["model"]
        temperature = spec.temperature if request.temperature is None else request.temperature
        if temperature is not None and not (self._preset is OPENAI and _THINKS.match(model)):
            body["temperature"] = temperature
        limit = spec.max_tokens if request.max_tokens is None else request.max_tokens
        if limit is not None:
            name = "max_output_tokens" if interface is RESPONSES else self._preset.limit
            body[_OTHER_LIMIT.get(name, name) if name in self._left_out else name] = limit
        return {key: value for key, value in body.items() if key not in self._left_out} | dict(spec.options)

    def _adapts(self, found: Refusal, body: dict[str, Any]) -> bool:
        """Learn from a refusal what this model does not take; whether there is something to learn."""
        if found.needs_responses and self._may_switch and not self._responses:
            self._responses = True
            return True
        if found.status not in (400, 422) or not _UNWANTED.search(" ".join((*found.codes, found.said))):
            return False
        for name in _OPTIONAL:
            if name in body and name not in self._spec.options and re.search(rf"\b{name}\b", found.said):
                self._left_out.add(name)
                return True
        return False

    async def _unnamed_model(self) -> str:
        if self._preset.unnamed == "its own":
            return ""
        offered = [model.name for model in await listed(self._server, self._preset.windows)]
        setting = f"models.{self.name}.model"
        if len(offered) == 1:
            self._model = offered[0]
            return offered[0]
        if not offered:
            raise errors.ConfigurationError(f"{self.name} lists no model: load one there, or name it in {setting}")
        shown = ", ".join(offered[:8]) + (", …" if len(offered) > 8 else "")
        raise errors.ConfigurationError(f"{self.name} lists several models: name one in {setting}: {shown}")

    async def offered(self) -> tuple[Offered, ...] | None:
        found = await listed(self._server, self._preset.windows)
        if self._preset.unnamed != "its own":
            return found
        if self._spec.model and self._spec.model not in [model.name for model in found]:
            found = (Offered(self._spec.model), *found)
        return found or None

    async def aclose(self) -> None:
        await self._server.aclose()


class OpenAIEmbeddings:
    """One embedding model of one server, over one client for its life; ``http_client`` is lent and stays open."""

    def __init__(self, spec: ModelSpec, http_client: Any = None) -> None:
        if not spec.model:
            raise errors.ConfigurationError(f"{spec.name} names no model: add `model:`")
        self._model = spec.model
        spec = replace(spec, base_url=spec.base_url or OPENAI.base_url)
        self._server = Server(
            spec,
            http_client,
            setting=spec.name,
            silence=spec.timeout,
            sent="a text does",
            shorten="Choose smaller passages, or another model",
            promised="one vector for each text",
            retries=1,
        )

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text, in the order of the texts, from one request. Raises ConnectorError."""
        with self._server.explainer().explained():
            found = await self._server.connect().embeddings.create(
                model=self._model, input=list(texts), encoding_format="float"
            )
            rows = [row.embedding for row in sorted(found.data, key=lambda row: row.index)]
            if len(rows) != len(texts) or len({len(row) for row in rows}) > 1:
                raise ValueError("rows are missing or of different lengths")
        return rows

    async def aclose(self) -> None:
        """Close the client; the next call makes another."""
        await self._server.aclose()
