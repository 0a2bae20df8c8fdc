"""P(information) and P(voice) of a turn, read together with its conversation.

The fine-tuned encoder reads (turn, conversation), the embedder the turn alone, and cues say what is plain to see; heads
weigh all three. The embedder's vector is that of the search, so a turn is embedded once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from assistant.conversation.turn import Message
from assistant.knowledge.embedder import Embedder, Vectors
from assistant.routing import features
from assistant.routing.encoder import DIMENSION, TurnEncoder
from assistant.routing.heads import ASK, INFORMATION, VOICE, Heads, HeadsError

CUE_SCALE = 0.5
"""The cues are halved, so that a penalty on the weights leaves them room beside the vectors' entries."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The turn's own vector and the name of the embedder that made it, so that nothing is embedded twice."""

    vector: Vectors
    embedder: str


Embedding: TypeAlias = "Embedded | Awaitable[Embedded]"
"""A turn's vector, or what will be: the encoder reads the turn meanwhile."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Calibrated probabilities and what is plain to see in the turn: the names of the cues in it, with the words that
    show each. ``ask`` is the probability that the turn is too vague to go on, 0 where no head says so."""

    information: float
    voice: float
    cues: Mapping[str, str] = field(default_factory=dict)
    ask: float = 0.0


class Classifier(Protocol):
    """``version`` goes out with every decision."""

    @property
    def version(self) -> str:
        """Names the weights."""

    async def embed(self, turn: str) -> Embedded:
        """The turn's own vector. Raises EmbedderError."""

    async def scores(self, turn: str, history: Sequence[Message], embedded: Embedding | None = None) -> Scores:
        """Reads the turn with its conversation; ``embedded`` is what ``embed`` gave. Raises EmbedderError."""


def inputs(encoded: Vectors, vector: Vectors, cues: NDArray[np.float32]) -> NDArray[np.float32]:
    """The row that the heads read, [768 + 384 + cues]."""
    return np.concatenate([encoded, vector, cues * CUE_SCALE]).astype(np.float32)


class LearnedClassifier:
    """An encoder and heads of one dimension. Raises HeadsError for heads that were fitted to something else."""

    def __init__(self, embedder: Embedder, encoder: TurnEncoder, heads: Heads) -> None:
        expected = DIMENSION + embedder.dimension + len(features.NAMES)
        if heads.dimension != expected:
            raise HeadsError(
                f"router version {heads.version} reads {heads.dimension} values a turn, and this program gives "
                f"{expected}: it was made by another release. Run `assistant router retrain`, or use the shipped one"
            )
        self._embedder = embedder
        self._encoder = encoder
        self._heads = heads

    @property
    def version(self) -> str:
        return self._heads.version

    async def embed(self, turn: str) -> Embedded:
        return Embedded((await self._embedder.embed([turn]))[0], self._embedder.name)

    async def scores(self, turn: str, history: Sequence[Message], embedded: Embedding | None = None) -> Scores:
        encoding = asyncio.to_thread(self._encoder.encode, turn, history)
        if isinstance(embedded, Embedded):
            own, encoded = embedded, await encoding
        else:
            own, encoded = await asyncio.gather(embedded or self.embed(turn), encoding)
        row = inputs(encoded, own.vector, features.cues(turn, history)).astype(np.float64)
        found = {name: float(head.probabilities(row)) for name, head in self._heads.heads.items()}
        return Scores(found[INFORMATION], found[VOICE], features.shown(turn, history), found.get(ASK, 0.0))
