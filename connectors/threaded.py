"""Models that run in this process: loaded once in a thread of their own, streamed from it to asyncio.

One answer at a time, in the order of asking: the answers of two conversations share one set of weights and one
processor, and batching them is what the servers (vLLM, ``transformers serve``, llama.cpp) are for.
"""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from connectors.base import ChatModel, ChatRequest, Delta, ModelSpec, Offered, Usage
from connectors.chat_prompt import Until
from connectors.errors import ConfigurationError, ConnectorError, ContextTooLong, ProtocolError, Unavailable
from connectors.reasoning import Thoughts

MAX_TOKENS = 2048
"""The longest answer where ``max_tokens`` is not set: a small model may never find its end, and others wait."""

THINKS = "<think>"
"""What some chat templates begin the answer with."""

Say = Callable[[str], bool]
"""Takes the next piece of text, once a token even if it is empty; says whether to go on."""


@dataclass(frozen=True, slots=True)
class Generated:
    """How a generation ended; ``tokens`` counts all that the model made, its end mark included."""

    tokens: int
    finish: Literal["stop", "length"]


class Loaded(ABC):
    """A model in memory; all its methods block."""

    window: int | None
    """Tokens that prompt and answer may have together; None where there is no limit."""
    until: str | None = None
    """A phrase that ends the answer and is not part of it."""

    @abstractmethod
    def prompt(self, request: ChatRequest) -> str:
        """The conversation up to where the answer begins."""

    @abstractmethod
    def tokens(self, prompt: str) -> list[int]:
        """The prompt as the model reads it."""

    @abstractmethod
    def generate(self, prompt: Sequence[int], limit: int, temperature: float | None, say: Say) -> Generated:
        """Write at most ``limit`` tokens, or fewer once ``say`` returns False."""

    @abstractmethod
    def free(self) -> None:
        """Give the memory back; nothing else is called after it."""


class Worker:
    """A thread that loads a model at its first job and does one job at a time. A load that fails fails all who
    waited for it, and is tried again for those who come later."""

    def __init__(self, name: str, load: Callable[[], Loaded]) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"model-{name}")
        self._name = name
        self._load = load
        self._loaded: Loaded | None = None
        self._failed: tuple[float, ConnectorError] | None = None
        self._stops: set[threading.Event] = set()

    async def stream(
        self, job: Callable[[Loaded, Callable[[Delta], None], threading.Event], None]
    ) -> AsyncGenerator[Delta, None]:
        """What ``job`` puts, as it puts it. Closing the iterator sets the event and waits for nobody."""
        loop, asked = asyncio.get_running_loop(), time.monotonic()
        queue: asyncio.Queue[Delta | None] = asyncio.Queue()
        stop = threading.Event()
        self._stops.add(stop)

        def put(delta: Delta | None) -> None:
            try:
                loop.call_soon_threadsafe(queue.put_nowait, delta)
            except RuntimeError:  # the loop is closed, and nobody listens
                stop.set()

        future = self._executor.submit(lambda: job(self._ready(asked), put, stop))
        future.add_done_callback(lambda _: put(None))
        complete = False
        try:
            while (delta := await queue.get()) is not None:
                complete = delta.finish is not None
                yield delta
            if future.cancelled() or (stop.is_set() and not complete):
                raise Unavailable(f"{self._name} was closed while it answered. Ask again")
            future.result()
        finally:
            stop.set()
            self._stops.discard(stop)
            future.cancel()

    def _ready(self, asked: float) -> Loaded:
        if self._loaded is None:
            if self._failed is not None and asked < self._failed[0]:
                raise copy.copy(self._failed[1])
            try:
                self._loaded = self._load()
            except ConnectorError as error:
                self._failed = time.monotonic(), copy.copy(error)  # without its frames, which may hold a model
                raise
        return self._loaded

    async def close(self) -> None:
        """Stop the running job, drop those that wait, and free the model."""
        for stop in self._stops:
            stop.set()
        await asyncio.to_thread(self._free)

    def _free(self) -> None:
        self._executor.shutdown(cancel_futures=True)
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.free()


class InProcessModel(ChatModel):
    """A model that this process runs itself, loaded when it is first asked. The reading of the prompt cannot be
    interrupted; the writing stops within a token when the stream is closed."""

    options: Collection[str] = ()
    """The keys of ``options:`` that are understood."""

    def __init__(self, spec: ModelSpec) -> None:
        self.name = spec.name
        self._spec = spec
        self._worker: Worker | None = None
        if unknown := sorted(set(spec.options) - set(self.options)):
            raise ConfigurationError(
                f"models.{spec.name}.options: there is no {', '.join(unknown)}. Known: {', '.join(self.options)}"
            )

    @abstractmethod
    def _load(self) -> Loaded:
        """Bring the model into memory. Blocks; raises what the libraries raise."""

    @abstractmethod
    def _describe(self) -> Offered:
        """Read name and window without the weights. Blocks; raises what the libraries raise."""

    @abstractmethod
    def _explained(self, error: Exception) -> ConfigurationError:
        """Why the model could not be loaded, and what to do."""

    def _guarded_load(self) -> Loaded:
        try:
            return self._load()
        except ConnectorError:
            raise
        except Exception as error:
            raise self._explained(error) from error

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        if self._worker is None:
            self._worker = Worker(self.name, self._guarded_load)

        def job(loaded: Loaded, put: Callable[[Delta], None], stop: threading.Event) -> None:
            self._answer(loaded, request, put, stop)

        async with aclosing(self._worker.stream(job)) as deltas:
            async for delta in deltas:
                yield delta

    def _answer(
        self, loaded: Loaded, request: ChatRequest, put: Callable[[Delta], None], stop: threading.Event
    ) -> None:
        try:
            text = loaded.prompt(request)
            prompt = loaded.tokens(text)
            limit = self._room(loaded, len(prompt), request.max_tokens)
            thoughts, until = Thoughts(), Until(loaded.until)
            if text.rstrip().endswith(THINKS):
                thoughts.feed(THINKS)

            def say(piece: str) -> bool:
                put(Delta(text=until.add(thoughts.feed(piece))))
                return not (until.found or stop.is_set())

            temperature = self._spec.temperature if request.temperature is None else request.temperature
            done = loaded.generate(prompt, limit, temperature, say)
            if stop.is_set():
                return
            finish: Literal["stop", "length"] = "stop" if until.found else done.finish
            usage = Usage(len(prompt), done.tokens)
            rest = until.add(thoughts.rest()) + until.rest()
            put(Delta(text=rest, usage=usage, model=self._spec.model, finish=finish))
        except ConnectorError:
            raise
        except Exception as error:
            raise _mapped(self.name, error) from error

    def _room(self, loaded: Loaded, prompt: int, asked: int | None) -> int:
        """How many tokens the answer may have. Raises ContextTooLong."""
        limit = asked or self._spec.max_tokens or MAX_TOKENS
        if loaded.window is None:
            return limit
        if prompt >= loaded.window:
            raise ContextTooLong(
                f"{self.name}: the conversation and its sources have {prompt:,} tokens, and the model reads "
                f"{loaded.window:,} at most. Ask in a new conversation"
            )
        return min(limit, loaded.window - prompt)

    async def offered(self) -> tuple[Offered, ...] | None:
        """The one model, its window read from its files; what keeps it from being loaded is raised."""
        try:
            return (await asyncio.to_thread(self._describe),)
        except ConnectorError:
            raise
        except Exception as error:
            raise self._explained(error) from error

    async def aclose(self) -> None:
        """Stop what is being written and free the memory; the next question loads the model again."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close()


def _mapped(name: str, error: Exception) -> ConnectorError:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Unavailable(
            f"{name} ran out of memory while it answered. Lower its max_tokens, or configure a smaller model"
        )
    return ProtocolError(f"{name} failed while it answered ({type(error).__name__}): {str(error)[:300]}")
