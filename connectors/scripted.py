"""A model that answers from a script: the double that our tests and a user's tests share.

It refuses surprises: a call that the script does not hold fails, and ``done()`` fails if steps are left over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from connectors.base import ChatModel, ChatRequest, Delta, ModelSpec, Resources, Usage
from connectors.errors import ConfigurationError


@dataclass(slots=True)
class Step:
    """One answer: the pieces as they arrive, ``delay`` seconds before each, then ``error`` if there is one, or nothing
    any more if it ``hangs``, or the end with ``finish``. An error that is no ConnectorError plays a broken connector,
    an empty piece a sign of life."""

    pieces: Sequence[str]
    error: Exception | None = None
    delay: float = 0.0
    hangs: bool = False
    finish: Literal["stop", "length", "filter"] = "stop"


@dataclass
class ScriptedModel(ChatModel):
    """Answers its steps in order; ``loop`` starts again at the end. ``requests`` keeps what was asked, ``closed``
    counts the streams that were closed before their end."""

    steps: list[Step]
    name: str = "scripted"
    loop: bool = False
    requests: list[ChatRequest] = field(default_factory=list)
    closed: int = 0

    @classmethod
    def from_spec(cls, spec: ModelSpec, resources: Resources) -> ScriptedModel:
        """``options: {answers: [[piece, …], …], delay: seconds}``; the answers repeat."""
        answers: Any = spec.options.get("answers")
        if not isinstance(answers, list) or not answers:
            raise ConfigurationError(f"models.{spec.name}.options.answers must be a list of answers")
        delay = float(spec.options.get("delay", 0.0))
        pieces = [[item] if isinstance(item, str) else [str(piece) for piece in item] for item in answers]
        return cls([Step(item, delay=delay) for item in pieces], name=spec.name, loop=True)

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        index = len(self.requests)
        self.requests.append(request)
        if index >= len(self.steps) and not self.loop:
            raise AssertionError(f"unexpected call {index + 1}: the script has {len(self.steps)} steps")
        step = self.steps[index % len(self.steps)]
        complete = False
        try:
            for piece in step.pieces:
                await asyncio.sleep(step.delay)
                yield Delta(text=piece)
            if step.hangs:
                await asyncio.Event().wait()
            complete = True
        finally:
            self.closed += not complete
        if step.error is not None:
            raise step.error
        yield Delta(usage=Usage(0, len(step.pieces)), model=self.name, finish=step.finish)

    def done(self) -> None:
        """Raises AssertionError if the script was not played to its end."""
        if len(self.requests) < len(self.steps):
            raise AssertionError(f"{len(self.steps) - len(self.requests)} steps of the script are left over")
