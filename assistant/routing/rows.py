"""What the heads read of labelled turns, as rows; those of the shipped turns are kept between runs.

Encoding thousands of turns takes half a minute, and fitting seconds. Only vectors of shipped turns are kept: what
people said in an organisation stays in the records alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.knowledge.embedder import FastEmbedder
from assistant.routing import features
from assistant.routing.classifier import inputs
from assistant.routing.encoder import MAX_TOKENS, TurnEncoder, pair
from assistant.routing.heads import Array
from assistant.routing.labelled import LabelledTurn
from assistant.routing.versions import reads

Vector = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Told how many turns of how many are read."""


class Rows:
    """Encodes turns with an encoder and the shipped embedder; ``folder`` is where vectors are kept."""

    def __init__(self, encoder: TurnEncoder, embedder: FastEmbedder, folder: Path) -> None:
        self._encoder = encoder
        self._embedder = embedder
        read = reads(encoder.folder)
        mark = hashlib.sha256(f"{read['encoder']} {read['embedder']} {MAX_TOKENS}".encode()).hexdigest()[:12]
        self.file = folder / f"rows-{mark}.npz"
        self._kept: dict[bytes, Vector] | None = None

    def of(self, turns: Sequence[LabelledTurn], progress: Progress = lambda done, of: None) -> Array:
        """[n, d] as `classifier.inputs` puts them together; nothing is kept. Raises EncoderError, EmbedderError."""
        vectors = []
        for number, each in enumerate(turns, 1):
            vectors.append(self._vectors(each))
            progress(number, len(turns))
        return self._rows(turns, vectors)

    def kept(self, turns: Sequence[LabelledTurn], progress: Progress = lambda done, of: None) -> Array:
        """As ``of``, for shipped turns: read anew only where they were not before."""
        if self._kept is None:
            self._kept = _read(self.file)
        keys = [_key(each) for each in turns]
        missing = {key: each for key, each in zip(keys, turns, strict=True) if key not in self._kept}
        for number, (key, each) in enumerate(missing.items(), 1):
            self._kept[key] = self._vectors(each)
            progress(number, len(missing))
        if missing:
            self._write(self._kept)
        return self._rows(turns, [self._kept[key] for key in keys])

    def _vectors(self, turn: LabelledTurn) -> Vector:
        encoded = self._encoder.encode(turn.turn, turn.history)
        return np.concatenate([encoded, self._embedder.embed_now([turn.turn])[0]])

    def _rows(self, turns: Sequence[LabelledTurn], vectors: Sequence[Vector]) -> Array:
        size = self._embedder.dimension
        rows = [
            inputs(vector[:-size], vector[-size:], features.cues(each.turn, each.history))
            for vector, each in zip(vectors, turns, strict=True)
        ]
        return np.array(rows, dtype=np.float64)

    def _write(self, kept: dict[bytes, Vector]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        with fresh.open("wb") as file:
            np.savez(
                file, keys=np.array([list(key) for key in kept], dtype=np.uint8), vectors=np.stack([*kept.values()])
            )
        os.replace(fresh, self.file)
        for old in self.file.parent.glob("rows-*.npz"):
            if old != self.file:
                old.unlink(missing_ok=True)


def _key(turn: LabelledTurn) -> bytes:
    read = "\x1f".join((turn.turn, *pair(turn.turn, turn.history)))
    return hashlib.sha256(read.encode("utf-8", "surrogatepass")).digest()[:16]


def _read(file: Path) -> dict[bytes, Vector]:
    """What is kept; nothing where the file is missing or damaged, because all of it can be made again."""
    try:
        with file.open("rb") as opened, np.load(opened) as stored:
            return dict(zip((row.tobytes() for row in stored["keys"]), stored["vectors"], strict=True))
    except Exception:  # zipfile and numpy raise what they like for a damaged file
        return {}
