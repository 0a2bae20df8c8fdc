"""One turn from start to end, as events. The engine knows values and interfaces; pages and records come after it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, aclosing
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Protocol

from assistant.conversation import grounding
from assistant.conversation.compose import compose
from assistant.conversation.events import (
    Event,
    Failed,
    Finished,
    Retrieved,
    Routed,
    TextDelta,
)
from assistant.conversation.routes import ROUTES, Role
from assistant.conversation.turn import Turn
from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.evidence import Evidence, commissioned
from assistant.knowledge.retrieve import Found, Searcher
from assistant.knowledge.store import StoreError
from assistant.routing.classifier import Embedded
from assistant.routing.router import Decision, Router, VoicePolicy
from assistant.routing.shadow import Shadow
from assistant.voice.examples import VoiceExamples
from connectors import ChatModel, ChatRequest, ConnectorError, Cost, Fault, Usage

log = logging.getLogger(__name__)
SHOWN_EXAMPLES = 4


@dataclass(frozen=True, slots=True)
class SurfacePolicy:
    """What the engine must know of a surface: its voice policy, the organisation's name, whom to ask instead."""

    voice: VoicePolicy
    organisation: str
    contact: str | None = None


class Models(Protocol):
    """Who plays which role on which surface."""

    def of(self, surface: str, role: Role) -> ChatModel:
        """The model that does."""


class Lender(Protocol):
    """Lends the models to turns; they stay open for as long."""

    def lease(self) -> AbstractContextManager[Models]:
        """What is in use now."""


@dataclass(slots=True)
class _Stream:
    """What came out of the model so far."""

    text: list[str] = field(default_factory=list)
    model: str = ""
    backend: str | None = None
    faults: tuple[Fault, ...] = ()
    cost: Cost | None = None
    usage: Usage | None = None
    note: str | None = None
    finish: str | None = None

    @property
    def answer(self) -> str:
        return "".join(self.text)


class Engine:
    """Runs turns. Holds no state between them, so one engine serves everybody at once. ``watching`` are the tasks in
    which a candidate version judges turns."""

    def __init__(
        self,
        router: Router,
        retriever: Searcher,
        models: Lender,
        surfaces: Mapping[str, SurfacePolicy],
        examples: VoiceExamples,
        shadow: Shadow | None = None,
    ) -> None:
        self._shadow = shadow
        self.watching: set[asyncio.Task[None]] = set()
        self._router = router
        self._retriever = retriever
        self._models = models
        self._surfaces = surfaces
        self._examples = examples

    async def warm_up(self) -> None:
        """Load what the first decision would. Raises EmbedderError and EncoderError."""
        await self._router.scores(Turn("warm up"))

    async def run(self, turn: Turn) -> AsyncGenerator[Event]:
        """The turn's events. Closing the iterator stops the model; nothing but events comes out of a fault."""
        with self._models.lease() as models:
            async with aclosing(self._run(turn, models)) as events:
                async for event in events:
                    yield event

    async def _run(self, turn: Turn, models: Models) -> AsyncGenerator[Event]:
        clock = _Clock()
        stream = _Stream()
        routed = False
        try:
            embedded = await self._router.embed(turn)
            scores, (found, trouble) = await asyncio.gather(
                self._router.scores(turn, embedded), self._search(turn, embedded)
            )
            policy = self._surfaces[turn.surface]
            decision = await self._router.route(turn, scores, policy.voice, found)
            clock.mark("routed")
            routed = True
            yield Routed(turn.id, turn.conversation, decision)
            self._watch(turn, decision, policy.voice, found, embedded)
            route = ROUTES[decision.route]
            evidence: Evidence | None = None
            passages = found.passages if route.looks_up else ()
            if route.looks_up:
                if trouble is not None:
                    yield Failed("knowledge_unavailable", str(trouble), "")
                    return
                evidence = commissioned(found.evidence) if decision.route == "both" else found.evidence
                clock.mark("retrieved")
                searched = tuple(sorted(turn.collections))
                yield Retrieved(decision.query, searched, passages, evidence, found.fresh)
            role: Role = "main" if policy.voice == "never" else route.role
            request, prompt_version = await self._request(turn, decision, found, embedded, role)
            async with aclosing(self._answer(models.of(turn.surface, role), request, stream, clock)) as deltas:
                async for delta in deltas:
                    yield delta
            clock.mark("finished")
            yield grounding.check(stream.answer, passages, evidence.state if evidence else None)
            yield _finished(stream, prompt_version, clock)
        except Exception as error:  # known faults speak for themselves, any other is logged: see _failed
            if not routed:
                yield Routed(turn.id, turn.conversation, self._router.undecided(turn))
            yield _failed(turn, error, stream.answer)

    async def _search(self, turn: Turn, embedded: Embedded) -> tuple[Found, StoreError | EmbedderError | None]:
        """The search before the decision: its result is evidence even for a turn that is not looked up. A fault of it
        must not fail a turn that needs nothing from it."""
        if turn.route is not None and not ROUTES[turn.route].looks_up:
            return Found(""), None
        try:
            return await self._retriever.search(turn, embedded), None
        except (StoreError, EmbedderError) as error:
            log.warning("search for turn %s failed: %s", turn.id, error)
            return Found(turn.text), error

    def _watch(self, turn: Turn, decision: Decision, policy: VoicePolicy, found: Found, embedded: Embedded) -> None:
        """Have a candidate version, if there is one, judge the turn beside the answer."""
        if self._shadow is None or not self._shadow.wanted:
            return
        seeing = self._shadow.observe(turn, decision, policy=policy, found=found, embedded=embedded)
        task = asyncio.create_task(seeing)
        self.watching.add(task)
        task.add_done_callback(self.watching.discard)

    async def _request(
        self, turn: Turn, decision: Decision, found: Found, embedded: Embedded, role: Role
    ) -> tuple[ChatRequest, str]:
        route, surface = ROUTES[decision.route], self._surfaces[turn.surface]
        examples = await self._examples.nearest(embedded.vector, SHOWN_EXAMPLES) if role == "voice" else []
        return compose(
            route,
            turn,
            found.passages if route.looks_up else (),
            organisation=surface.organisation,
            contact=surface.contact,
            today=date.today(),
            examples=examples,
        )

    async def _answer(
        self, model: ChatModel, request: ChatRequest, stream: _Stream, clock: _Clock
    ) -> AsyncGenerator[TextDelta]:
        stream.model = model.name
        deltas = model.stream(request)
        try:
            async for delta in deltas:
                stream.model = delta.model or stream.model
                stream.backend = delta.backend or stream.backend
                stream.faults = delta.faults or stream.faults
                stream.cost = delta.cost or stream.cost
                stream.usage = delta.usage or stream.usage
                stream.note = delta.note or stream.note
                stream.finish = delta.finish or stream.finish
                if delta.text:
                    clock.mark("first_token")
                    stream.text.append(delta.text)
                    yield TextDelta(delta.text)
        finally:
            close = getattr(deltas, "aclose", None)
            if close is not None:
                await close()


class _Clock:
    """Seconds since the turn began, by name; the first mark of a name counts."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.marks: dict[str, float] = {}

    def mark(self, name: str) -> None:
        self.marks.setdefault(name, round(time.perf_counter() - self._start, 4))


def _failed(turn: Turn, error: Exception, partial: str) -> Failed:
    """A known fault speaks for itself; of any other the reader gets one clear end and the log the trace."""
    if isinstance(error, ConnectorError):
        log.warning("turn %s failed: %s", turn.id, error)
        return Failed(error.code, str(error), partial)
    if isinstance(error, EmbedderError):
        log.warning("turn %s failed: %s", turn.id, error)
        return Failed("embedder_error", str(error), partial)
    log.error("turn %s failed unexpectedly", turn.id, exc_info=error)
    return Failed("internal_error", "Something went wrong here and was logged. Please try again.", partial)


def _finished(stream: _Stream, prompt_version: str, clock: _Clock) -> Finished | Failed:
    if stream.finish == "filter":
        return Failed("model_content_filter", f"{stream.model}: the provider's filter cut this answer.", stream.answer)
    if not stream.answer.strip():
        return Failed("model_empty", f"{stream.model} answered with nothing. Please try again.", "")
    return Finished(
        answer=stream.answer,
        model=stream.model,
        backend=stream.backend or stream.model,
        faults=stream.faults,
        prompt_version=prompt_version,
        usage=asdict(stream.usage) if stream.usage else {},
        cost=stream.cost,
        timings=dict(clock.marks),
        note=stream.note,
        cut=stream.finish == "length",
    )
