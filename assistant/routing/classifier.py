"""P(information) and P(voice) of a turn: logistic regression over frozen vectors and cues, in numpy.

``train.py`` fits it; the weights and their card lie in ``weights/``. Another classifier only has to be a
``Classifier``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.conversation.turn import Message
from assistant.knowledge.embedder import Embedder, Vectors
from assistant.routing import features

WEIGHTS = Path(__file__).parent / "weights"
CUE_SCALE = 0.5
"""The cues are halved, so that the penalty of the fit leaves them room beside 1,152 vector entries."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Two calibrated probabilities, and the names of the cues that spoke loudest for looking up and against it.

    ``vector`` is the turn's own vector and ``embedder`` the name of what made it, so that nothing is embedded twice.
    """

    information: float
    voice: float
    speaks_for: tuple[str, ...]
    speaks_against: tuple[str, ...]
    vector: Vectors
    embedder: str


class Classifier(Protocol):
    """``version`` goes out with every decision."""

    version: str

    async def scores(self, turn: str, history: Sequence[Message]) -> Scores:
        """Reads the turn with its conversation."""


def inputs(vectors: Vectors, cues: NDArray[np.float32]) -> NDArray[np.float32]:
    """The row that the regression reads, [3 * 384 + cues], from the vectors of ``features.texts``. Without a
    conversation there is one vector: it stands for the whole, and the previous answer is zero."""
    turn, previous, both = vectors if len(vectors) == 3 else (vectors[0], np.zeros_like(vectors[0]), vectors[0])
    return np.concatenate([turn, previous, both, cues * CUE_SCALE]).astype(np.float32)


class LinearClassifier:
    """The shipped first version."""

    def __init__(self, embedder: Embedder, folder: Path = WEIGHTS) -> None:
        card = json.loads((folder / "linear.json").read_text(encoding="utf-8"))
        if tuple(card["cues"]) != features.NAMES:
            raise ValueError(f"{folder} was fitted to other cues: run `python -m assistant.routing.train`")
        self.version: str = card["version"]
        self._embedder = embedder
        with np.load(folder / "linear.npz") as stored:
            self._weights: NDArray[np.float32] = stored["weights"]
            self._bias: NDArray[np.float32] = stored["bias"]

    async def scores(self, turn: str, history: Sequence[Message]) -> Scores:
        vectors = await self._embedder.embed(features.texts(turn, history))
        found = features.cues(turn, history)
        row = inputs(vectors, found)
        information, voice = 1.0 / (1.0 + np.exp(-(self._weights @ row + self._bias)))
        push = self._weights[0, -len(found) :] * found * CUE_SCALE
        ranked = [(float(push[index]), features.NAMES[index]) for index in np.argsort(-np.abs(push))]
        return Scores(
            information=float(information),
            voice=float(voice),
            speaks_for=tuple(name for value, name in ranked if value > 0.05)[:3],
            speaks_against=tuple(name for value, name in ranked if value < -0.05)[:3],
            vector=vectors[0],
            embedder=self._embedder.name,
        )
