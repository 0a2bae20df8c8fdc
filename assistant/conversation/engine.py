"""One turn from start to end, as events. The engine knows values and interfaces; pages and records come after it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, suppress
from dataclasses import asdict, replace
from typing import Any, Protocol

from assistant.conversation.ahead import Ahead, begun, calm
from assistant.conversation.answer import Answer
from assistant.conversation.answering import Answering, Models, SurfacePolicy
from assistant.conversation.checking import Checker
from assistant.conversation.events import (
    Checked,
    Event,
    Failed,
    Finished,
    Retrieved,
    Routed,
    TextDelta,
)
from assistant.conversation.facts import Changes
from assistant.conversation.files import looked_up
from assistant.conversation.routes import ROUTES, Role
from assistant.conversation.turn import Turn
from assistant.knowledge.attached import is_attached, shown
from assistant.knowledge.documents import Passage
from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.evidence import Evidence, commissioned
from assistant.knowledge.retrieve import Found, Searcher
from assistant.knowledge.store import StoreError
from assistant.routing.classifier import Embedded
from assistant.routing.router import Decision, Router, VoicePolicy
from assistant.routing.shadow import Shadow
from assistant.voice.examples import VoiceExamples
from connectors import ConnectorError
from connectors.builtin import UNANSWERED, UNCONFIGURED

log = logging.getLogger(__name__)
SHOWN_EXAMPLES = 4
PORTAL = "portal"
PATIENCE = 0.3
"""Seconds that the check of an answer, which its reader has, may wait for those who have no word yet."""
FilesOf = Callable[[Turn], Awaitable[Turn]]
"""The turn with the files that are attached to its conversation."""


async def _no_files(turn: Turn) -> Turn:
    return turn


class Lender(Protocol):
    """Lends the models to turns; they stay open for as long."""

    def lease(self) -> AbstractContextManager[Models]:
        """What is in use now."""


class Engine:
    """Runs turns. Holds no state between them, so one engine serves everybody at once. ``beside`` are tasks that
    nobody waits for: a candidate version judges a turn, the base gets ready for the next."""

    def __init__(
        self,
        router: Router,
        retriever: Searcher,
        models: Lender,
        surfaces: Mapping[str, SurfacePolicy],
        examples: VoiceExamples,
        checker: Checker,
        shadow: Shadow | None = None,
        files: FilesOf = _no_files,
    ) -> None:
        self._files = files
        self._checker = checker
        self._shadow = shadow
        self.beside: set[asyncio.Task[None]] = set()
        self._router = router
        self._retriever = retriever
        self._models = models
        self._surfaces = surfaces
        self._examples = examples

    async def warm_up(self) -> None:
        """Load what the first decision would. Raises EmbedderError and EncoderError."""
        await self._router.scores(Turn("warm up"))

    async def ahead(self, turn: Turn) -> Ahead:
        """Begin with what needs nothing but the words of a turn and, where no files are attached to its conversation,
        what may be searched: ``run`` goes on with it if the turn has it."""
        began, embedding = time.perf_counter(), begun(self._router.embed(turn))
        has_files = any(map(is_attached, turn.collections))
        found = None if has_files else begun(self._search(turn, embedding))
        ahead = Ahead(self, began, embedding, begun(self._router.scores(turn, embedding)), found)
        await asyncio.sleep(0)  # threads are at it now, whatever the loop does next
        return ahead

    async def run(self, turn: Turn) -> AsyncGenerator[Event]:
        """The turn's events. Closing the iterator stops the model; nothing but events comes out of a fault."""
        with self._models.lease() as models:
            async with aclosing(self._run(turn, models)) as events:
                async for event in events:
                    yield event

    async def _run(self, turn: Turn, models: Models) -> AsyncGenerator[Event]:
        clock = _Clock(turn.ahead.began if turn.ahead else time.perf_counter())
        answer = Answer()
        reading: asyncio.Future[None] | None = None
        routed = False
        try:
            ahead = (turn.ahead and turn.ahead.of(self)) or await self.ahead(turn)
            turn = await self._files(turn)
            finding = ahead.found or self._search(turn, ahead.embedding)
            scores, (found, trouble) = await asyncio.gather(ahead.scores, finding)
            embedded = await ahead.embedding
            if trouble is not None:
                log.warning("search for turn %s failed: %s", turn.id, trouble)
            policy = self._policy(turn)
            own = await self._router.route(turn, scores, policy.voice, found)
            in_voice = self._router.in_voice(policy.voice, scores.voice)
            decision = looked_up(own, turn, found, in_voice=in_voice)
            clock.mark("routed")
            routed = True
            yield Routed(turn.id, turn.conversation, decision)
            self._watch(turn, own, policy.voice, found, embedded)
            route = ROUTES[decision.route]
            evidence: Evidence | None = None
            passages = found.passages if route.looks_up else ()
            if route.looks_up:
                if trouble is not None:
                    yield Failed("knowledge_unavailable", str(trouble), "")
                    return
                evidence = commissioned(found.evidence) if decision.route == "both" else found.evidence
                clock.mark("retrieved")
                searched = tuple(sorted(map(shown, turn.collections)))
                yield Retrieved(decision.query, searched, passages, evidence, found.fresh)
            role: Role = "main" if policy.voice == "never" else route.role
            examples = await self._examples.nearest(embedded.vector, SHOWN_EXAMPLES) if role == "voice" else []
            asked = Answering(turn, found, evidence, models, policy, examples)
            async with aclosing(asked.pieces(decision.route, role, answer)) as pieces:
                async for piece in pieces:
                    if clock.mark("first_token"):
                        reading = asyncio.ensure_future(self._checker.prepare(passages))
                    yield TextDelta(piece)
            clock.mark("finished")
            _log_faults(turn, answer)
            if reading is not None:
                await reading
            await calm(PATIENCE)
            yield await self._checked(answer, passages, evidence)
            self._begin(self._expect(answer.whole))
            yield _finished(answer, clock)
        except Exception as error:  # known faults speak for themselves, any other is logged: see _failed
            if not routed:
                yield Routed(turn.id, turn.conversation, self._router.undecided(turn))
            yield _failed(turn, error, answer.whole)

    def _policy(self, turn: Turn) -> SurfacePolicy:
        """Of the turn's surface; of the portal where a change of the settings has just taken it away."""
        return self._surfaces.get(turn.surface) or self._surfaces[PORTAL]

    async def _search(
        self, turn: Turn, embedding: Awaitable[Embedded]
    ) -> tuple[Found, StoreError | EmbedderError | None]:
        """The search before the decision: its result is evidence even for a turn that is not looked up. A fault of it
        must not fail a turn that needs nothing from it."""
        if turn.route is not None and not ROUTES[turn.route].looks_up:
            return Found(""), None
        try:
            return await self._retriever.search(turn, await embedding), None
        except (StoreError, EmbedderError) as error:
            return Found(turn.text), error

    def _watch(self, turn: Turn, decision: Decision, policy: VoicePolicy, found: Found, embedded: Embedded) -> None:
        """Have a candidate version, if there is one, judge the turn beside the answer."""
        if self._shadow is None or not self._shadow.wanted:
            return
        self._begin(self._shadow.observe(turn, decision, policy=policy, found=found, embedded=embedded))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """``work`` as a task that nobody waits for."""
        task = asyncio.create_task(work)
        self.beside.add(task)
        task.add_done_callback(self.beside.discard)

    async def _expect(self, answer: str) -> None:
        """Get ready for a turn that follows this answer, after those who have no word yet. What fails here, fails
        there again and is told then."""
        await calm(PATIENCE)
        with suppress(StoreError, EmbedderError):
            await self._retriever.expect(answer)

    async def _checked(self, answer: Answer, passages: Sequence[Passage], evidence: Evidence | None) -> Checked:
        checked = await self._checker.check(answer.whole, passages, evidence.state if evidence else None)
        changes = answer.changes or Changes((), ())
        return replace(checked, invented=answer.invented, lost=changes.lost, added=changes.invented)


class _Clock:
    """Seconds since the turn began, by name; the first mark of a name counts."""

    def __init__(self, start: float) -> None:
        self._start = start
        self.marks: dict[str, float] = {}

    def mark(self, name: str) -> bool:
        """Whether this is the first mark of the name."""
        if name in self.marks:
            return False
        self.marks[name] = round(time.perf_counter() - self._start, 4)
        return True


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


def _log_faults(turn: Turn, answer: Answer) -> None:
    for fault in answer.faults:
        log.warning("turn %s: %s did not answer: %s", turn.id, fault.model, fault.message)


def _standing_in(note: str) -> str:
    """The note of the builtin model where it answers in place of one that failed."""
    return note.replace(UNCONFIGURED, UNANSWERED)


def _finished(answer: Answer, clock: _Clock) -> Finished | Failed:
    if answer.finish == "filter":
        return Failed("model_content_filter", f"{answer.model}: the provider's filter cut this answer.", answer.whole)
    if not answer.whole.strip():
        return Failed("model_empty", f"{answer.model} answered with nothing. Please try again.", "")
    return Finished(
        answer=answer.whole,
        model=answer.model,
        backend=answer.backend or answer.model,
        faults=answer.faults,
        prompt_version=answer.prompt_version,
        usage=asdict(answer.usage) if answer.usage else {},
        cost=answer.cost,
        timings=dict(clock.marks),
        note=answer.note and _standing_in(answer.note) if answer.faults else answer.note,
        cut=answer.finish == "length",
    )
