"""``Idempotency-Key``: whoever sends a write again with the same key gets its answer, and it is not done twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import Response

from assistant.access.identity import Identity
from assistant.app import Assistant
from assistant.conversation.accepting import no_turn
from assistant.conversation.service import TurnRejected
from assistant.conversation.turn import Turn
from assistant.records.idempotency import Earlier, Idempotency
from ui.reach import Here, as_json
from ui.turn_stream import Renderer, replayed, streamed

REPLAYED = {"Idempotency-Replayed": "true"}
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x20-\x7e]+$",
        description="the same key with the same request gives the same answer for 24 hours",
    ),
]


@dataclass(frozen=True, slots=True)
class Done:
    """What a write answers with; with ``conversation`` it is forgotten."""

    value: dict[str, Any]
    conversation: str | None = None


Work = Callable[[], Awaitable[Turn | Done]]
Render = Callable[[Turn], Renderer | None]


def _plain(_: Turn) -> None:
    """Nobody wants HTML."""


@dataclass(frozen=True, slots=True)
class Once:
    """Carries out a write of one request, once for its key."""

    assistant: Assistant
    key: str | None
    route: str

    async def __call__(self, who: Identity, asked: Any, work: Work, render: Render = _plain) -> Response:
        """The answer of ``work``, or the one that it had before; ``asked`` is all that was asked for, as JSON values.
        Raises TurnRejected for a key that was used for something else, or whose request is being carried out."""
        if self.key is None:
            return self._answer(await work(), render)
        kept, request = Idempotency(self.assistant.records), _hashed([self.route, asked])
        earlier = await kept.claim(who.person, self.key, request)
        if earlier is not None:
            return await self._again(earlier, request, who, render)
        try:
            done = await work()
        except BaseException:
            await asyncio.shield(kept.release(who.person, self.key))
            raise
        if isinstance(done, Turn):
            await kept.keep(who.person, self.key, turn=done.id, conversation=done.conversation)
        else:
            answer = json.dumps(done.value)
            await kept.keep(who.person, self.key, answer=answer, conversation=done.conversation)
        return self._answer(done, render)

    def _answer(self, done: Turn | Done, render: Render) -> Response:
        if isinstance(done, Turn):
            return streamed(self.assistant.service, done, render(done))
        return as_json(done.value)

    async def _again(self, earlier: Earlier, request: str, who: Identity, render: Render) -> Response:
        if earlier.request != request:
            raise TurnRejected("idempotency_mismatch", "This Idempotency-Key was used for another request.")
        if earlier.answer is not None:
            return Response(earlier.answer, media_type="application/json", headers=REPLAYED)
        if earlier.turn is None:
            raise _running()
        records = self.assistant.records
        stored = await records.turn(earlier.turn, who.person)
        if stored is None:
            raise no_turn()
        if stored.status == "running":
            raise _running()
        surface = await records.surface_of(stored.conversation, who.person) or ""
        turn = Turn(stored.text, surface=surface, id=stored.id, conversation=stored.conversation)
        return replayed(stored, render(turn), REPLAYED)


async def once(request: Request, assistant: Here, key: Key = None) -> Once:
    """For one request; the same key on another route is another request."""
    return Once(assistant, key, f"{request.method} {request.url.path.removeprefix(request.scope.get('root_path', ''))}")


OnlyOnce = Annotated[Once, Depends(once)]


def _running() -> TurnRejected:
    return TurnRejected("in_progress", "The request with this Idempotency-Key is being carried out. Ask again later.")


def _hashed(asked: Any) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
