"""The organisation's voice examples: exchanges that show how it answers. They teach a model by example where no
fine-tuned one is configured, and are what the builtin connector repeats."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.knowledge.embedder import Embedder, Vectors


class VoiceExamplesError(Exception):
    """The file of voice examples cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class VoiceExample:
    """One exchange. ``verbatim`` says that the answer fits whoever says the same, so it may be repeated."""

    said: str
    answer: str
    verbatim: bool


def read(path: Path) -> list[VoiceExample]:
    """Examples of a JSONL file in OpenAI's fine-tuning form: ``{"messages": [{"role", "content"}, …]}`` a line, of
    which the last two messages count; ``"verbatim": true`` may stand beside them."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise VoiceExamplesError(f"{path}: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            said, answer = row["messages"][-2], row["messages"][-1]
            if (said["role"], answer["role"]) != ("user", "assistant"):
                raise ValueError("the last two messages must be of the user and of the assistant")
            found.append(VoiceExample(said["content"], answer["content"], bool(row.get("verbatim", False))))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise VoiceExamplesError(f"{path}, line {number}: not a voice example ({error})") from error
    return found


class VoiceExamples:
    """Finds the examples nearest to a turn. Their vectors are made on first use."""

    def __init__(self, examples: Sequence[VoiceExample], embedder: Embedder) -> None:
        self._examples = tuple(examples)
        self._embedder = embedder
        self._vectors: Vectors | None = None

    def __iter__(self) -> Iterator[VoiceExample]:
        return iter(self._examples)

    async def nearest(self, vector: Vectors, count: int) -> list[VoiceExample]:
        """Up to ``count`` examples by closeness of what was said to ``vector``, nearest first."""
        if not self._examples:
            return []
        if self._vectors is None:
            self._vectors = await self._embedder.embed([example.said for example in self._examples])
        return [self._examples[index] for index in np.argsort(-(self._vectors @ vector))[:count]]
