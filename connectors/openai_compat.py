"""OpenAI, and every server that speaks its Chat Completions API (Ollama, vLLM, llama.cpp, LM Studio, TGI)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal
from xml.sax.saxutils import escape, quoteattr

from connectors import errors
from connectors.base import ChatMessage, ChatModel, ChatRequest, Delta, DocumentPart, ModelSpec, Resources, Usage

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletionChunk

Finish = Literal["stop", "length", "filter"]
_FINISH: dict[str, Finish] = {"length": "length", "content_filter": "filter"}
_CONTEXT_CODES = ("context_length_exceeded", "string_above_max_length")
_CONTEXT_WORDS = (
    "context length",
    "context window",
    "maximum context",
    "too many tokens",
    "exceeds the available context",
)


class _Server:
    """One server behind the SDK's client, which is made on first use; an ``http_client`` that was lent stays open.

    ``setting`` is where it is configured, ``sent`` what is sent to it and ``promised`` what it should send back.
    """

    def __init__(self, spec: ModelSpec, http_client: Any, *, setting: str, sent: str, promised: str) -> None:
        self.spec = spec
        self.setting = setting
        self.sent = sent
        self.address = errors.redact(str(spec.base_url), spec.api_key)
        self._promised = promised
        self._http_client = http_client
        self._client: openai.AsyncOpenAI | None = None

    def connect(self) -> openai.AsyncOpenAI:
        """The SDK's client."""
        if self._client is None:
            import openai

            self._client = openai.AsyncOpenAI(
                api_key=self.spec.api_key or "none",
                base_url=self.spec.base_url,
                timeout=self.spec.timeout,
                max_retries=1,
                http_client=self._http_client,
            )
        return self._client

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise one of our errors for whatever goes wrong inside."""
        import httpx2
        import openai

        name = self.spec.name
        try:
            yield
        except openai.OpenAIError as error:
            raise self._mapped(error) from error
        except httpx2.InvalidURL as error:
            raise errors.ConfigurationError(
                f"{self.setting}.base_url is not an address: write it like http://host:8000/v1"
            ) from error
        except httpx2.TimeoutException as error:
            raise errors.TimedOut(f"{name} sent nothing for {self.spec.timeout:g} seconds") from error
        except httpx2.HTTPError as error:
            raise errors.Unavailable(f"{name}: the connection broke off ({type(error).__name__})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise errors.ProtocolError(f"{name} sent something that is not {self._promised}") from error

    def _mapped(self, error: openai.OpenAIError) -> errors.ConnectorError:
        import openai

        name, secret = self.spec.name, self.spec.api_key
        said = errors.redact(str(getattr(error, "message", "") or error), secret)[:300]
        if isinstance(error, openai.APITimeoutError):
            return errors.TimedOut(f"{name} sent nothing for {self.spec.timeout:g} seconds")
        if isinstance(error, openai.APIConnectionError):
            return errors.Unavailable(f"{name} cannot be reached at {self.address}. Is the server running?")
        if isinstance(error, openai.APIStatusError):
            return _from_status(self, error, said)
        return errors.ProtocolError(f"{name}: {said}")

    async def aclose(self) -> None:
        """Close the client; the next call makes another."""
        client, self._client = self._client, None
        if client is not None and self._http_client is None:
            await client.close()


class OpenAICompatModel(ChatModel):
    """One model of one server. The client is made on first use; ``http_client`` replaces its transport in tests."""

    def __init__(self, spec: ModelSpec, *, http_client: Any = None) -> None:
        if not spec.model:
            raise errors.ConfigurationError(
                f"models.{spec.name} names no model: add `model:` with the name that the server lists"
            )
        if not spec.base_url:
            raise errors.ConfigurationError(
                f"models.{spec.name} has no base_url: add the server's address, ending in /v1"
            )
        self.name = spec.name
        self._spec = spec
        self._server = _Server(
            spec,
            http_client,
            setting=f"models.{spec.name}",
            sent="the conversation and its sources do",
            promised="a chat completion",
        )

    @classmethod
    def from_spec(cls, spec: ModelSpec, resources: Resources) -> OpenAICompatModel:
        """The factory that the registry calls."""
        return cls(spec)

    def connect(self) -> openai.AsyncOpenAI:
        """The SDK's client, made on first use."""
        return self._server.connect()

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        with self._server.explained():
            chunks: Any = await self.connect().chat.completions.create(**self._arguments(request))
            async with chunks:
                finished = False
                async for chunk in chunks:
                    delta = _delta(chunk)
                    finished = finished or delta.finish is not None
                    yield delta
            if not finished:
                raise errors.ProtocolError(f"{self.name}: the stream ended before the answer did")

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        spec = self._spec
        arguments: dict[str, Any] = {
            "model": spec.model,
            "messages": [_message(message) for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        temperature = spec.temperature if request.temperature is None else request.temperature
        limit = spec.max_tokens if request.max_tokens is None else request.max_tokens
        if temperature is not None:
            arguments["temperature"] = temperature
        if limit is not None:
            # OpenAI's newer models know only the second name, most other servers only the first.
            arguments["max_completion_tokens" if "api.openai.com" in str(spec.base_url) else "max_tokens"] = limit
        if spec.options:
            arguments["extra_body"] = dict(spec.options)
        return arguments

    async def aclose(self) -> None:
        await self._server.aclose()


class OpenAIEmbeddings:
    """One embedding model of one server, over one client for its life; ``http_client`` is lent and stays open."""

    def __init__(self, spec: ModelSpec, http_client: Any = None) -> None:
        if not spec.model:
            raise errors.ConfigurationError(f"{spec.name} names no model: add `model:`")
        self._model = spec.model
        spec = replace(spec, base_url=spec.base_url or "https://api.openai.com/v1")
        self._server = _Server(
            spec, http_client, setting=spec.name, sent="a text does", promised="one vector for each text"
        )

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text, in the order of the texts, from one request. Raises ConnectorError."""
        with self._server.explained():
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


def _from_status(server: _Server, error: openai.APIStatusError, said: str) -> errors.ConnectorError:
    name, model = server.spec.name, server.spec.model
    status, code = error.status_code, str(getattr(error, "code", "") or "")
    lowered = said.lower()
    if status in (401, 403):
        return errors.AuthenticationFailed(
            f"{name}: the provider refuses the API key for model '{model}' (HTTP {status}). "
            f"Check {server.setting}.api_key"
        )
    if status == 429 and code == "insufficient_quota":
        return errors.QuotaExceeded(f"{name}: the account has no credit left. Check the provider's billing page")
    if status == 429:
        wait = error.response.headers.get("retry-after", "")
        seconds = float(wait) if wait.replace(".", "", 1).isdigit() else None
        return errors.RateLimited(f"{name} asks for a pause; try again in a moment", retry_after=seconds)
    if code in _CONTEXT_CODES or any(word in lowered for word in _CONTEXT_WORDS):
        return errors.ContextTooLong(f"{name}: {server.sent} not fit model '{model}'")
    if code == "content_filter":
        return errors.ContentFiltered(f"{name}: the provider's content filter stopped this turn")
    if status == 404:
        return errors.ConfigurationError(
            f"{name}: {server.address} knows no such model or no such path (HTTP 404). Either there is no model "
            f"'{model}' (check {server.setting}.model), or the address is not that of the API, which on most servers "
            f"ends in /v1 (check {server.setting}.base_url)"
        )
    if status >= 500:
        return errors.Unavailable(f"{name}: the provider is down or overloaded (HTTP {status})")
    return errors.BadRequest(f"{name} did not accept the request (HTTP {status}): {said}")


def _delta(chunk: ChatCompletionChunk) -> Delta:
    usage = chunk.usage and Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
    if not chunk.choices:
        return Delta(usage=usage or None, model=chunk.model or None)
    choice = chunk.choices[0]
    reason = choice.finish_reason
    return Delta(
        text=(choice.delta.content or "") if choice.delta else "",
        usage=usage or None,
        model=chunk.model or None,
        finish=_FINISH.get(reason, "stop") if reason else None,
    )


def _message(message: ChatMessage) -> dict[str, str]:
    pieces = [render_document(part) if isinstance(part, DocumentPart) else part.text for part in message.parts]
    return {"role": message.role, "content": "\n\n".join(pieces)}


def render_document(part: DocumentPart) -> str:
    """A passage fenced as XML; its text is escaped, so that it can never close the fence."""
    facts = {"number": str(part.number), "title": part.title, "section": part.section}
    facts |= {"date": part.date or "", "page": part.page or "", "note": part.note or ""}
    attributes = " ".join(f"{key}={quoteattr(value)}" for key, value in facts.items() if value)
    return f"<document {attributes}>\n{escape(part.text)}\n</document>"
