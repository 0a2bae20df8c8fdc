"""``Idempotency-Key``: whoever sends a write again with the same key gets its answer, and it is not done twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import Response

from assistant.access.identity import Identity
from assistant.app import Assistant
from assistant.conversation.accepting import no_turn
from assistant.conversation.service import TurnRejected
from assistant.conversation.turn import Turn
from assistant.records.idempotency import LONGEST, Earlier, Idempotency
from assistant.records.repository import RecordsError, Repository
from ui.reach import Here, as_json
from ui.turn_stream import Renderer, replayed, streamed

log = logging.getLogger(__name__)
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
    """What a write answers with; with ``conversation`` it is forgotten. Without ``keep`` it is not remembered: whoever
    sends it again has it done again."""

    value: dict[str, Any]
    conversation: str | None = None
    keep: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


Work = Callable[[], Awaitable[Turn | Done]]
Render = Callable[[Turn], Renderer | None]


def _plain(_: Turn) -> None:
    """Nobody wants HTML."""


class _Deed:
    """One request with a key on its way: claimed, carried out and remembered as one, whoever stops waiting for it."""

    def __init__(self, records: Repository, person: str, key: str, request: str) -> None:
        self._kept = Idempotency(records)
        self._mine = (person, key)
        self._request = request
        self.unwanted = False
        self.keeping: asyncio.Task[None] | None = None

    async def carry_out(self, work: Work) -> Turn | Done | Earlier:
        """What came of it, or what the key was taken for. A turn is remembered beside it, as ``keeping``."""
        earlier = await self._kept.claim(*self._mine, self._request)
        if earlier is not None:
            return earlier
        renewing = asyncio.create_task(self._renew())
        try:
            if self.unwanted:
                raise asyncio.CancelledError
            done = await work()
        except BaseException:
            await asyncio.shield(self._release())
            raise
        finally:
            renewing.cancel()
        if isinstance(done, Turn):
            self.keeping = asyncio.create_task(self._keep(turn=done.id, conversation=done.conversation))
        elif done.keep:
            await self._keep(answer=json.dumps(done.value), conversation=done.conversation)
        else:
            await self._release()
        return done

    async def _keep(self, *, conversation: str | None, turn: str | None = None, answer: str | None = None) -> None:
        """What cannot be remembered is done all the same: whoever asked for it has the answer."""
        try:
            await self._kept.keep(*self._mine, turn=turn, conversation=conversation, answer=answer)
        except Exception:
            log.exception("what came of a request with an Idempotency-Key could not be kept")
            await self._release()

    async def _release(self) -> None:
        try:
            await self._kept.release(*self._mine)
        except Exception:  # whatever it is, it must not hide why the key is released
            log.exception("an Idempotency-Key could not be released; it will be in a minute")

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LONGEST.total_seconds() / 3)
            with suppress(RecordsError):
                await self._kept.renew(*self._mine)


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
            return await self._answer(await work(), render)
        request = _hashed([self.route, asked])
        deed = _Deed(self.assistant.records, who.person, self.key, request)
        done = await self._carried_out(deed, work)
        if isinstance(done, Earlier):
            return await self._again(done, request, who, render)
        return await self._answer(done, render, deed.keeping)

    async def _carried_out(self, deed: _Deed, work: Work) -> Turn | Done | Earlier:
        """Whoever stops waiting finds it done or not begun, and a turn that nobody will read as stopped."""
        carrying = asyncio.create_task(deed.carry_out(work))
        try:
            return await asyncio.shield(carrying)
        except asyncio.CancelledError:
            deed.unwanted = True
            await asyncio.wait([carrying])
            if not carrying.cancelled() and carrying.exception() is None:
                await self._drop(carrying.result(), deed.keeping)
            raise

    async def _answer(self, done: Turn | Done, render: Render, keeping: Awaitable[None] | None = None) -> Response:
        if isinstance(done, Done):
            return as_json(done.value, dict(done.headers))
        try:
            return streamed(self.assistant.service, done, render(done), keeping)
        except BaseException:
            await self._drop(done, keeping)
            raise

    async def _drop(self, done: Turn | Done | Earlier, keeping: Awaitable[None] | None) -> None:
        if keeping is not None:
            await keeping
        if isinstance(done, Turn):
            await self.assistant.service.drop(done)

    async def _again(self, earlier: Earlier, request: str, who: Identity, render: Render) -> Response:
        if earlier.request != request:
            raise TurnRejected("idempotency_mismatch", "This Idempotency-Key was used for another request.")
        if earlier.answer is not None:
            return Response(earlier.answer, media_type="application/json", headers=REPLAYED)
        if earlier.turn is None:
            raise _running()
        records = self.assistant.records
        runs = await Idempotency(records).runs(earlier.turn)  # asked first: what was read before its end is not told
        stored = await records.turn(earlier.turn, who.person)
        if stored is None:
            raise no_turn()
        if stored.status == "running" and runs:
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
