"""The seam between the engine and every model: values for a request, values for a stream, one method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TextPart:
    """Plain text of a message."""

    text: str


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A passage as data. ``number`` is the one that the answer cites; a connector renders it as its provider
    likes best, and always so that the model can tell it from instructions."""

    number: int
    title: str
    section: str
    text: str
    date: str | None = None
    page: str | None = None
    note: str | None = None
    """What the model must know about it: that a newer document differs."""


Part = TextPart | DocumentPart


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message; ``parts`` keeps the order in which text and documents are to be read."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Literal["system", "user", "assistant"], text: str) -> ChatMessage:
        """A message of plain text."""
        return cls(role, (TextPart(text),))

    @property
    def text(self) -> str:
        """The text parts alone, joined by blank lines."""
        return "\n\n".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def documents(self) -> tuple[DocumentPart, ...]:
        """The document parts alone."""
        return tuple(part for part in self.parts if isinstance(part, DocumentPart))


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a model is asked. ``temperature`` and ``max_tokens`` override the model's own configuration; ``evidence`` is
    the probability that the documents answer the last message, and ``standing`` whether that message stands on its own
    beside its conversation, for models that cannot judge it themselves."""

    messages: tuple[ChatMessage, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    evidence: float | None = None
    standing: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; ``cached_tokens`` are those of the input that it had read before.
    ``estimated`` says that it counted nothing, and that these were counted here."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer costs by the prices that are known; ``currency`` is an ISO 4217 code."""

    amount: float
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Fault:
    """A model that was asked and did not answer: its configured name, the error's stable code, and its words."""

    model: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A step of a stream: some text, or the closing facts, or both.

    ``model`` is the name that the provider says answered; ``finish`` is ``stop``, ``length`` or ``filter`` on the
    last delta; ``note`` is something that the reader must know about this answer. The layers around a connector add
    the rest: ``backend`` is the configured name of the model that answers, ``faults`` say which ones were asked before
    it and failed, both on the first delta of a chain; ``cost`` comes with the usage.
    """

    text: str = ""
    usage: Usage | None = None
    model: str | None = None
    finish: Literal["stop", "length", "filter"] | None = None
    note: str | None = None
    backend: str | None = None
    faults: tuple[Fault, ...] = ()
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """A model that a provider lists; ``context_window`` in tokens where it says so."""

    name: str
    context_window: int | None = None


class ChatModel(ABC):
    """A model that can be asked. Constructing one does no I/O."""

    name: str = "model"

    @abstractmethod
    def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        """Yield deltas until the answer is complete. Raises only ConnectorError; closing the iterator early stops
        the provider's work."""

    async def offered(self) -> tuple[Offered, ...] | None:
        """The models that the provider lists, asked for without costs; None where it has no such list. Raises
        ConnectorError where it cannot be reached or refuses the key."""
        return None

    async def aclose(self) -> None:  # noqa: B027 - most models hold nothing to close
        """Release connections."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """How a model is configured. ``timeout`` is in seconds between two pieces of an answer, ``connect_timeout`` until
    the provider takes the connection, ``first_token_timeout`` until the first piece of text; ``api`` is the interface
    of OpenAI's that is spoken: ``chat``, ``responses``, or ``auto`` by model; ``api_key`` and ``options`` are kept out
    of ``repr``."""

    name: str
    model: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = 60.0
    connect_timeout: float = 5.0
    first_token_timeout: float = 60.0
    api: Literal["auto", "chat", "responses"] = "auto"
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


Embed: TypeAlias = "Callable[[Sequence[str]], NDArray[np.float32]]"
"""Texts → one normalised vector each, [texts, dimension]."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What the host lends to connectors that run in the process: its embedder and its voice examples
    (pairs of what was said and how the organisation answers)."""

    embed: Embed | None = None
    exchanges: Sequence[tuple[str, str]] = ()
