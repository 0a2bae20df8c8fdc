"""The answer without a language model: quotes the sentences of the documents that answer best, with citations, or
repeats the nearest of the organisation's voice examples. It never writes a fact that is not in a document."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence

import numpy as np
from numpy.typing import NDArray

from connectors import builtin_text
from connectors.base import (
    ChatMessage,
    ChatModel,
    ChatRequest,
    Delta,
    DocumentPart,
    Embed,
    ModelSpec,
    Resources,
    TextPart,
)
from connectors.errors import ConfigurationError
from connectors.extract import quotes
from connectors.ranking import Asked, rank
from connectors.selecting import MOST_QUOTES, read_weights, select
from connectors.table_rows import whole_tables

UNCONFIGURED = "No language model is configured"
UNANSWERED = "No language model answered"
"""The same where it stands in for one that failed."""
NOTE = f"{UNCONFIGURED}: this quotes the documents and writes nothing of its own."
VOICE_NOTE = f"{UNCONFIGURED}: this is the nearest of the voice examples."
NO_EXAMPLE_NOTE = f"{UNCONFIGURED}, and no voice example fits this turn."
ANSWERED = 0.35
"""P(the documents answer) below which it says that they do not (docs/figures.md)."""
NEAREST_QUOTES = 2
EXAMPLE_FIT, SHORT_FIT = 0.5, 0.42
"""Cosine from which a voice example is taken to answer the same thing; a turn of a word or three has less to match."""
GERMAN_FIT = 0.6
"""The same for a turn in German: to an encoder of English all that is German is somewhat alike."""
SHORT_WORDS = 3


class BuiltinModel(ChatModel):
    """Extracts; ``embed`` ranks sentences by meaning, ``exchanges`` are (said, answer) pairs of the voice."""

    def __init__(self, name: str, embed: Embed, exchanges: Sequence[tuple[str, str]] = ()) -> None:
        self.name = name
        self._embed = embed
        self._exchanges = tuple(exchanges)
        self._said: NDArray[np.float32] | None = None

    @classmethod
    def from_spec(cls, spec: ModelSpec, resources: Resources) -> BuiltinModel:
        """The factory that the registry calls; it needs the host's embedder."""
        if resources.embed is None:
            raise ConfigurationError(f"models.{spec.name}: the builtin connector needs an embedder from its host")
        return cls(spec.name, resources.embed, resources.exchanges)

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        documents = [part for message in request.messages for part in message.documents]
        turns = [message for message in request.messages if message.role != "system"]
        if documents:
            answer, note = (
                await asyncio.to_thread(self._quoted, _asked(turns, request.standing), documents, request.evidence),
                NOTE,
            )
        else:
            answer, note = await asyncio.to_thread(self._nearest, turns)
        for piece in re.findall(r"\S+\s*|\s+", answer):
            yield Delta(text=piece)
            await asyncio.sleep(0)
        yield Delta(model="builtin", finish="stop", note=note)

    def _nearest(self, turns: Sequence[ChatMessage]) -> tuple[str, str]:
        said = turns[-1].text if turns else ""
        nothing = builtin_text.nothing_fits(said)
        if not self._exchanges or not said.strip():
            return nothing, NO_EXAMPLE_NOTE
        if self._said is None:
            self._said = self._embed([example for example, _ in self._exchanges])
        fits = self._said @ self._embed([said])[0]
        best = int(fits.argmax())
        if fits[best] < _fit(said):
            return nothing, NO_EXAMPLE_NOTE
        return self._exchanges[best][1], VOICE_NOTE

    def _quoted(self, asked: Asked, documents: Sequence[DocumentPart], evidence: float | None) -> str:
        found = [quote for index, part in enumerate(documents) for quote in quotes(index, part.text)]
        if not found or not asked.turn.strip():
            return builtin_text.not_held(asked.turn, (), documents)
        ranked = rank(asked, documents, found, self._embed)
        unanswered = evidence is not None and evidence < ANSWERED
        chosen = select(ranked, read_weights(), NEAREST_QUOTES if unanswered else MOST_QUOTES)
        chosen = whole_tables(chosen, found, asked)
        if unanswered:
            return builtin_text.not_held(asked.turn, chosen, documents)
        return builtin_text.answer(chosen, documents)


def _fit(said: str) -> float:
    """The cosine from which a voice example fits a turn."""
    if builtin_text.language(said) == "de":
        return GERMAN_FIT
    return SHORT_FIT if len(said.split()) <= SHORT_WORDS else EXAMPLE_FIT


def _asked(turns: Sequence[ChatMessage], standing: bool) -> Asked:
    """The last text of the last message is the turn; what stands before it was said earlier, and is left out where the
    turn stands on its own."""
    said = [part.text for turn in turns if turn.role == "user" for part in turn.parts if isinstance(part, TextPart)]
    answers = [turn.text for turn in turns if turn.role == "assistant"]
    if standing:
        return Asked(said[-1])
    return Asked(said[-1] if said else "", tuple(said[-2::-1]), answers[-1] if answers else "")
