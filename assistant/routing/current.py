"""The classifier of a running assistant: that of the version in use, from the next turn on when this changes."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.conversation.turn import Message
from assistant.knowledge.embedder import Embedder
from assistant.routing.classifier import Embedded, Embedding, LearnedClassifier, Scores
from assistant.routing.versions import Versions


class CurrentClassifier:
    """Looks at the pointer of the versions before each turn. Raises HeadsError where not even the shipped version can
    be read."""

    def __init__(self, versions: Versions, embedder: Embedder) -> None:
        self._versions = versions
        self._embedder = embedder
        ready = versions.load_current()
        self._now = LearnedClassifier(embedder, ready.encoder, ready.heads)

    @property
    def version(self) -> str:
        return self._now.version

    async def embed(self, turn: str) -> Embedded:
        return await self._now.embed(turn)

    async def scores(self, turn: str, history: Sequence[Message], embedded: Embedding | None = None) -> Scores:
        changed = self._versions.current_if_changed()
        if changed is not None:
            self._now = LearnedClassifier(self._embedder, changed.encoder, changed.heads)
        return await self._now.scores(turn, history, embedded)
