"""Everything that LangChain speaks: ``model: "anthropic:claude-…"`` through ``init_chat_model``, or a chat model class
by its dotted name in ``options.class``.

Documents go in as fenced text, as with every other connector: the answer's ``[1]`` is what the engine checks and links,
and a provider's own citation blocks would bring a second kind of mark.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors import errors
from connectors.base import (
    ChatModel,
    ChatRequest,
    Delta,
    ModelSpec,
    Offered,
    Resources,
)
from connectors.langchain_answer import Answer
from connectors.langchain_errors import clean, mapped, secrets
from connectors.openai_chat import rendered

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

INSTALL = 'pip install "switchyard[langchain]"'
_ROLES = {"system": "SystemMessage", "user": "HumanMessage", "assistant": "AIMessage"}
_NAMES = {"temperature": ("temperature",), "max_tokens": ("max_tokens", "max_output_tokens", "num_predict")}
"""What an answer's settings are called: OpenAI, Anthropic, Mistral and most others; Google; Ollama."""
_SAY_WHY_THEY_END = (
    "langchain_openai langchain_anthropic langchain_google_genai langchain_mistralai langchain_ollama langchain_groq"
).split()
"""Packages whose streams name a reason at their end: one without was cut off."""


@dataclass(slots=True)
class _Built:
    """A LangChain model, the SDK's client behind it where that can list models, and what is closed with it."""

    model: BaseChatModel
    sdk: Any = None
    own: list[Any] = field(default_factory=list)


class LangChainModel(ChatModel):
    """One LangChain chat model, made on first use in a thread: its packages take a second to import."""

    def __init__(self, spec: ModelSpec) -> None:
        if not spec.model and "class" not in spec.options:
            raise errors.ConfigurationError(
                f"models.{spec.name} names no model: add `model:` with LangChain's provider before it, such as "
                "anthropic:claude-sonnet-4-5"
            )
        self.name = spec.name
        self._spec = spec
        self._built: _Built | None = None
        self._building = threading.Lock()

    @classmethod
    def from_spec(cls, spec: ModelSpec, resources: Resources) -> LangChainModel:
        """The factory that the registry calls."""
        return cls(spec)

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        with self._explained():
            built = await self._ready()
            model, more = _tuned(built.model, _wanted(self._spec, request))
            answer = Answer(must_end=_says_why_it_ends(model))
            chunks: Any = model.astream(_messages(request), **more)
            async with aclosing(chunks):
                async for chunk in chunks:
                    if text := answer.take(chunk):
                        yield Delta(text=text)
            yield answer.last(self.name)

    async def offered(self) -> tuple[Offered, ...] | None:
        with self._explained():
            built = await self._ready()
            if built.sdk is None:
                return None
            provider, colon, own = str(self._spec.model or "").rpartition(":")
            windows = {own: (built.model.profile or {}).get("max_input_tokens")}
            return tuple(
                [
                    Offered(
                        f"{provider}{colon}{each.id}", windows.get(each.id, getattr(each, "max_input_tokens", None))
                    )
                    async for each in built.sdk.models.list()
                ]
            )

    async def aclose(self) -> None:
        built, self._built = self._built, None
        for each in built.own if built else ():
            close = getattr(each, "aclose", None) or getattr(each, "close", None)
            if inspect.iscoroutinefunction(close):
                await close()

    async def _ready(self) -> _Built:
        if self._built is not None:
            return self._built
        return await asyncio.to_thread(self._build)

    def _build(self) -> _Built:
        with self._building:
            built = self._built or _build(self._spec)
            self._built = built
            return built

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except errors.ConnectorError:
            raise
        except Exception as error:
            ours = mapped(error, self._spec)
            clean(error, self._spec)
            raise ours from error


def _build(spec: ModelSpec) -> _Built:
    """The model and its clients. Raises ConfigurationError without its cause, which may show the key."""
    try:
        model = _class_model(spec) if "class" in spec.options else _init(spec)
        _refuse_what_is_ignored(model, spec)
        return _with_own_connections(model, spec)
    except errors.ConfigurationError:
        raise
    except ImportError as error:
        named = re.search(r"`(pip install [^`]+)`", str(error))
        hint = named.group(1) if named else INSTALL
        raise errors.ConfigurationError(f"models.{spec.name} needs a package that is not installed: {hint}") from None
    except Exception as error:
        said = str(error).split("[type=")[0] if type(error).__name__ == "ValidationError" else str(error)
        shown = errors.redact(" ".join(said.split()), *secrets(spec))[:400]
        raise errors.ConfigurationError(f"models.{spec.name} could not be made by LangChain: {shown}") from None


def _arguments(spec: ModelSpec) -> dict[str, Any]:
    """What init_chat_model documents for every provider; retries are ours, so LangChain makes none. Google counts
    attempts, and takes none of them for its own default."""
    google = str(spec.model).startswith(("google", "gemini"))
    given = {"api_key": spec.api_key, "base_url": spec.base_url}
    options = {name: value for name, value in spec.options.items() if name != "class"}
    defaults = {"timeout": max(spec.timeout, spec.first_token_timeout), "max_retries": 1 if google else 0}
    return defaults | {name: value for name, value in given.items() if value} | options


def _init(spec: ModelSpec) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    model: BaseChatModel = init_chat_model(str(spec.model), **_arguments(spec))
    return model


def _class_model(spec: ModelSpec) -> BaseChatModel:
    from langchain_core.language_models import BaseChatModel

    where = f"models.{spec.name}.options.class"
    module, _, name = str(spec.options["class"]).partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, ValueError, AttributeError):
        raise errors.ConfigurationError(
            f"{where}: there is no '{spec.options['class']}'. Write it like my_package.module:MyChatModel, and install "
            "the package here"
        ) from None
    if not (isinstance(found, type) and issubclass(found, BaseChatModel)):
        raise errors.ConfigurationError(f"{where}: '{spec.options['class']}' is no chat model class of LangChain's")
    taken = _names_of(found)
    arguments = {"model": spec.model} | _arguments(spec)
    model: BaseChatModel = found(
        **{name: value for name, value in arguments.items() if name in taken or name in spec.options}
    )
    return model


def _names_of(kind: type[BaseChatModel]) -> set[str]:
    return {name for field, info in kind.model_fields.items() for name in (field, info.alias) if name}


def _refuse_what_is_ignored(model: BaseChatModel, spec: ModelSpec) -> None:
    """LangChain drops what a class does not know; a key or an address that does nothing must be said."""
    for name in ("api_key", "base_url"):
        if getattr(spec, name) and name not in _names_of(type(model)):
            raise errors.ConfigurationError(
                f"models.{spec.name}.{name}: LangChain's {type(model).__name__} takes no such setting. Leave it out, "
                "and put what the class takes instead under options"
            )


def _with_own_connections(model: Any, spec: ModelSpec) -> _Built:
    """LangChain lets all models of a process share OpenAI's and Anthropic's connections, so that none can close them:
    these get their own, with our time-outs. A client or a proxy from the options stays as it is."""
    if "stream_chunk_timeout" in _names_of(type(model)) and "stream_chunk_timeout" not in spec.options:
        # It waits with asyncio.wait_for, which loses a cancellation in Python 3.11; silence is timed by us.
        model.stream_chunk_timeout = None
    sdk: Any = getattr(model, "root_async_client", None) or getattr(model, "_async_client", None)
    if not hasattr(sdk, "with_options"):
        return _Built(model, own=[model, sdk, getattr(model, "async_client", None)])
    if any(getattr(model, name, None) for name in ("http_async_client", "openai_proxy", "anthropic_proxy")):
        return _Built(model, sdk)
    import httpx2

    package = importlib.import_module(type(sdk).__module__.partition(".")[0])
    silence = max(spec.timeout, spec.first_token_timeout)
    timeout = httpx2.Timeout(silence, connect=spec.connect_timeout)
    own = sdk.with_options(http_client=package.DefaultAsyncHttpxClient(timeout=timeout), timeout=timeout)
    if hasattr(model, "root_async_client"):
        model.root_async_client = own
        model.async_client = own.chat.completions
    else:
        vars(model)["_async_client"] = own
    return _Built(model, own, [own])


def _wanted(spec: ModelSpec, request: ChatRequest) -> dict[str, Any]:
    chosen = {
        "temperature": spec.temperature if request.temperature is None else request.temperature,
        "max_tokens": spec.max_tokens if request.max_tokens is None else request.max_tokens,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _tuned(model: BaseChatModel, wanted: dict[str, Any]) -> tuple[BaseChatModel, dict[str, Any]]:
    """A copy of the model that answers as wanted, over the same connections; and what its class has no field for, to
    be sent along."""
    fields: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in wanted.items():
        known = next((each for each in _NAMES[name] if each in type(model).model_fields), None)
        (fields if known else more)[known or name] = value
    return (model.model_copy(update=fields) if fields else model), more


def _says_why_it_ends(model: BaseChatModel) -> bool:
    return any(kind.__module__.partition(".")[0] in _SAY_WHY_THEY_END for kind in type(model).__mro__)


def _messages(request: ChatRequest) -> list[BaseMessage]:
    import langchain_core.messages as messages

    return [getattr(messages, _ROLES[each.role])(content=rendered(each)) for each in request.messages]
