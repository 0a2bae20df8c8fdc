"""Every connector behind one small interface, for the contract suite. A new connector is a row in ``CASES``: what it
can, and a function that opens a place where it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from connectors import ChatModel, ModelSpec, Resources
from connectors.builtin import BuiltinModel
from connectors.in_process import TransformersModel
from connectors.langchain_chat import LangChainModel
from connectors.llama_cpp import LlamaCppModel
from connectors.openai_compat import OpenAICompatModel
from connectors.scripted import ScriptedModel, Step
from tests.connectors import tiny_models
from tests.contracts.dialects import KEY, Anthropic, Dialect, Heard, OpenAIChat, OpenAIResponses
from tests.contracts.providers import Provider


@dataclass
class Place:
    """A model, and what the test can do to whatever answers behind it. ``build`` makes another model that is
    configured alike."""

    build: Callable[[], ChatModel]
    model: ChatModel = field(init=False)

    def __post_init__(self) -> None:
        self.model = self.build()

    def tell(self, *pieces: str, finish: str = "stop") -> None:
        """Let it answer this from now on."""
        raise NotImplementedError

    def never_end(self) -> None:
        """Let it write on and on, or as long as it can."""

    @property
    def working(self) -> int:
        """How many answers are being written."""
        return 0


class WirePlace(Place):
    """A connector that speaks to a provider over HTTP."""

    def __init__(self, provider: Provider, build: Callable[[], ChatModel], listed: str = "{}") -> None:
        super().__init__(build)
        self.provider = provider
        self.listed = listed

    def tell(self, *pieces: str, finish: str = "stop") -> None:
        self.provider.answer = lambda heard: pieces
        self.provider.finish = finish

    def never_end(self) -> None:
        self.provider.endless = True

    @property
    def working(self) -> int:
        return self.provider.working

    def heard(self) -> Heard:
        """The messages of the last request, as they went out."""
        return self.provider.dialect.heard(self.provider.asked[-1])


class InProcessPlace(Place):
    """A tiny model on disk; the one that never ends is another one."""

    def __init__(self, build: Callable[[], ChatModel], endless: Callable[[], ChatModel]) -> None:
        super().__init__(build)
        self._endless = endless

    def never_end(self) -> None:
        self.model = self._endless()


class ScriptedPlace(Place):
    def tell(self, *pieces: str, finish: str = "stop") -> None:
        self._script.steps[:] = [Step(pieces)]

    def never_end(self) -> None:
        self._script.steps[:] = [Step(["word "] * 100_000, delay=0.001)]

    @property
    def working(self) -> int:
        endless = len(self._script.steps[0].pieces) > 1_000
        return len(self._script.requests) - self._script.closed if endless else 0

    @property
    def _script(self) -> ScriptedModel:
        assert isinstance(self.model, ScriptedModel)
        return self.model


Opening = Callable[[Path], AbstractAsyncContextManager[Place]]


@dataclass(frozen=True)
class Case:
    """A connector and what can be asked of it. Abilities:

    ``tells`` the test says what it answers; ``ends`` also why the answer ended; ``hears`` the test sees what reached
    the provider; ``differs`` it answers the same request alike, and another one in other words; ``counts`` it counts
    the tokens that the provider says; ``lists`` it lists its provider's models; ``stops`` the test sees whether the
    provider is still at work. ``faults`` can be provoked; ``packages`` must be installed.
    """

    name: str
    open: Opening
    abilities: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


SPEC = ModelSpec("m", model="m-1", base_url="http://model.test/v1", api_key=KEY, timeout=20, first_token_timeout=20)
WIRE = frozenset({"tells", "ends", "hears", "differs", "counts", "lists", "stops"})
STREAM_FAULTS = ("cut", "unended", "broken")


def mocked(
    dialect: Callable[[], Dialect], make: Callable[[ModelSpec, Provider], ChatModel], listed: str = "{}"
) -> Opening:
    """A place over httpx2's mock transport."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Place]:
        provider = Provider(dialect())
        yield WirePlace(provider, lambda: make(SPEC, provider), listed)

    return opened


def served(
    dialect: Callable[[], Dialect], make: Callable[[ModelSpec], ChatModel], path: str = "/v1", listed: str = "{}"
) -> Opening:
    """A place over a real server on loopback."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Place]:
        provider = Provider(dialect())
        async with provider.serving() as url:
            yield WirePlace(provider, lambda: make(replace(SPEC, base_url=url + path)), listed)

    return opened


def openai_chat(spec: ModelSpec, provider: Provider | None = None) -> ChatModel:
    return OpenAICompatModel(replace(spec, api="chat"), http_client=provider and provider.client())


def openai_responses(spec: ModelSpec, provider: Provider | None = None) -> ChatModel:
    return OpenAICompatModel(replace(spec, api="responses"), http_client=provider and provider.client())


def langchain_openai(spec: ModelSpec, provider: Provider | None = None) -> ChatModel:
    options = {"http_async_client": provider.client()} if provider else {}
    return LangChainModel(replace(spec, model="openai:m-1", options=options))


def langchain_responses(spec: ModelSpec) -> ChatModel:
    return LangChainModel(replace(spec, model="openai:m-1", options={"use_responses_api": True}))


def langchain_anthropic(spec: ModelSpec) -> ChatModel:
    return LangChainModel(replace(spec, model="anthropic:m-1"))


@asynccontextmanager
async def scripted(folder: Path) -> AsyncIterator[Place]:
    yield ScriptedPlace(lambda: ScriptedModel([Step(["All ", "is ", "well."])], loop=True))


@cache
def _resources() -> Resources:
    from assistant.knowledge.embedder import FastEmbedder

    return Resources(FastEmbedder().embed_now)


@asynccontextmanager
async def builtin(folder: Path) -> AsyncIterator[Place]:
    yield Place(lambda: BuiltinModel.from_spec(ModelSpec("builtin"), _resources()))


def _on_disk(folder: Path) -> tuple[Path, Path]:
    """A tiny model and one that never ends, built once."""
    short, endless = folder / "short", folder / "endless"
    if not endless.is_dir():
        tiny_models.build_transformers(short)
        tiny_models.build_transformers(endless, endless=True)
    return short, endless


@asynccontextmanager
async def transformers(folder: Path) -> AsyncIterator[Place]:
    short, endless = (ModelSpec("tiny", model=str(path)) for path in _on_disk(folder))
    yield InProcessPlace(lambda: TransformersModel(short), lambda: TransformersModel(endless))


@asynccontextmanager
async def llama_cpp(folder: Path) -> AsyncIterator[Place]:
    specs = []
    for path in _on_disk(folder):
        file = path.with_suffix(".gguf")
        if not file.is_file():
            tiny_models.build_gguf(file, path)
        specs.append(ModelSpec("tiny", model=str(file), options={"load": {"n_threads": 1, "n_threads_batch": 1}}))
    yield InProcessPlace(lambda: LlamaCppModel(specs[0]), lambda: LlamaCppModel(specs[1]))


_CHAT_FAULTS = (*OpenAIChat.refusals, *STREAM_FAULTS)
_UP = ("unreachable",)
CASES = (
    Case("openai-chat-mock", mocked(OpenAIChat, openai_chat), WIRE, (*_CHAT_FAULTS, *_UP)),
    Case("openai-chat-served", served(OpenAIChat, openai_chat), WIRE, _CHAT_FAULTS),
    Case("openai-responses-mock", mocked(OpenAIResponses, openai_responses), WIRE, (*_CHAT_FAULTS, *_UP)),
    Case("openai-responses-served", served(OpenAIResponses, openai_responses), WIRE, _CHAT_FAULTS),
    Case("langchain-openai-mock", mocked(OpenAIChat, langchain_openai, "openai:{}"), WIRE, (*_CHAT_FAULTS, *_UP)),
    Case("langchain-openai-served", served(OpenAIChat, langchain_openai, listed="openai:{}"), WIRE, _CHAT_FAULTS),
    Case("langchain-responses", served(OpenAIResponses, langchain_responses, listed="openai:{}"), WIRE, _CHAT_FAULTS),
    Case(
        "langchain-anthropic",
        served(Anthropic, langchain_anthropic, "", "anthropic:{}"),
        WIRE,
        (*Anthropic.refusals, *STREAM_FAULTS),
    ),
    Case("transformers", transformers, packages=("torch", "transformers", "peft")),
    Case("llama-cpp", llama_cpp, packages=("llama_cpp", "gguf", "torch", "transformers")),
    Case("scripted", scripted, frozenset({"tells", "stops"})),
    Case("builtin", builtin, frozenset({"differs"})),
)
