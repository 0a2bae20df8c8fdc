"""OpenAI, and every server that speaks its Chat Completions API (Ollama, vLLM, llama.cpp, LM Studio, TGI)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
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
        self._http_client = http_client
        self._client: openai.AsyncOpenAI | None = None

    @classmethod
    def from_spec(cls, spec: ModelSpec, resources: Resources) -> OpenAICompatModel:
        """The factory that the registry calls."""
        return cls(spec)

    def connect(self) -> openai.AsyncOpenAI:
        """The SDK's client, made on first use."""
        if self._client is None:
            import openai

            self._client = openai.AsyncOpenAI(
                api_key=self._spec.api_key or "none",
                base_url=self._spec.base_url,
                timeout=self._spec.timeout,
                max_retries=1,
                http_client=self._http_client,
            )
        return self._client

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        import httpx2
        import openai

        try:
            chunks: Any = await self.connect().chat.completions.create(**self._arguments(request))
            async with chunks:
                finished = False
                async for chunk in chunks:
                    delta = _delta(chunk)
                    finished = finished or delta.finish is not None
                    yield delta
            if not finished:
                raise errors.ProtocolError(f"{self.name}: the stream ended before the answer did")
        except openai.OpenAIError as error:
            raise self.mapped(error) from error
        except httpx2.TimeoutException as error:
            raise errors.TimedOut(f"{self.name} sent nothing for {self._spec.timeout:g} seconds") from error
        except httpx2.HTTPError as error:
            raise errors.Unavailable(f"{self.name}: the connection broke off ({type(error).__name__})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise errors.ProtocolError(f"{self.name} sent something that is not a chat completion") from error

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

    def mapped(self, error: openai.OpenAIError) -> errors.ConnectorError:
        """The SDK's error as one of ours."""
        import openai

        name, secret = self.name, self._spec.api_key
        said = errors.redact(str(getattr(error, "message", "") or error), secret)[:300]
        if isinstance(error, openai.APITimeoutError):
            return errors.TimedOut(f"{name} sent nothing for {self._spec.timeout:g} seconds")
        if isinstance(error, openai.APIConnectionError):
            return errors.Unavailable(f"{name} cannot be reached at {self._spec.base_url}. Is the server running?")
        if isinstance(error, openai.APIStatusError):
            return _from_status(name, error, said, self._spec)
        return errors.ProtocolError(f"{name}: {said}")

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


def _from_status(name: str, error: openai.APIStatusError, said: str, spec: ModelSpec) -> errors.ConnectorError:
    status, code = error.status_code, str(getattr(error, "code", "") or "")
    lowered = said.lower()
    if status in (401, 403):
        return errors.AuthenticationFailed(
            f"{name}: the provider refuses the API key for model '{spec.model}' (HTTP {status}). "
            f"Check models.{name}.api_key"
        )
    if status == 429 and code == "insufficient_quota":
        return errors.QuotaExceeded(f"{name}: the account has no credit left. Check the provider's billing page")
    if status == 429:
        wait = error.response.headers.get("retry-after", "")
        seconds = float(wait) if wait.replace(".", "", 1).isdigit() else None
        return errors.RateLimited(f"{name} asks for a pause; try again in a moment", retry_after=seconds)
    if code in _CONTEXT_CODES or any(word in lowered for word in _CONTEXT_WORDS):
        return errors.ContextTooLong(f"{name}: the conversation and its sources do not fit model '{spec.model}'")
    if code == "content_filter":
        return errors.ContentFiltered(f"{name}: the provider's content filter stopped this turn")
    if status == 404:
        return errors.ConfigurationError(f"{name}: the server has no model '{spec.model}'. Check models.{name}.model")
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


async def embeddings(
    model: str, texts: Sequence[str], *, base_url: str | None, api_key: str | None, http_client: Any = None
) -> list[list[float]]:
    """One vector a text from an OpenAI-compatible ``/embeddings`` endpoint, in order. Raises ConnectorError."""
    import openai

    spec = ModelSpec("embedder", model=model, base_url=base_url or "https://api.openai.com/v1", api_key=api_key)
    connector = OpenAICompatModel(spec, http_client=http_client)
    try:
        found = await connector.connect().embeddings.create(model=model, input=list(texts), encoding_format="float")
        return [row.embedding for row in sorted(found.data, key=lambda row: row.index)]
    except openai.OpenAIError as error:
        raise connector.mapped(error) from error
    finally:
        await connector.aclose()


def render_document(part: DocumentPart) -> str:
    """A passage fenced as XML; its text is escaped, so that it can never close the fence."""
    facts = {"number": str(part.number), "title": part.title, "section": part.section}
    facts |= {"date": part.date or "", "page": part.page or ""}
    attributes = " ".join(f"{key}={quoteattr(value)}" for key, value in facts.items() if value)
    return f"<document {attributes}>\n{escape(part.text)}\n</document>"
