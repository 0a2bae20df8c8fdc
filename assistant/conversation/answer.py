"""How the text of an answer comes about: from one model, or from a draft that another says in its own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from assistant.conversation.citing import Citations
from assistant.conversation.facts import Changes, compare
from connectors import ChatModel, ChatRequest, ConnectorError, Cost, Delta, Fault, Usage
from connectors.wrapper import Closing

PLAIN = "In plain words: {0}."
"""What a reader is told where the answer is not in the organisation's voice, and why."""
CHANGED = "in its own voice the answer changed facts"
FAILED = "the voice model did not answer"


@dataclass(slots=True)
class Answer:
    """What came of an answer so far. ``draft`` is what it says in the organisation's voice, where there is one;
    ``changes`` the facts that were lost or invented on the way."""

    text: list[str] = field(default_factory=list)
    model: str = ""
    backend: str | None = None
    faults: tuple[Fault, ...] = ()
    cost: Cost | None = None
    usage: Usage | None = None
    note: str | None = None
    finish: str | None = None
    draft: str | None = None
    changes: Changes | None = None
    invented: tuple[int, ...] = ()
    prompt_version: str = ""

    @property
    def whole(self) -> str:
        """The text so far."""
        return "".join(self.text)

    def take(self, delta: Delta) -> None:
        """Note what a delta says of the answer, but for its text."""
        self.model = delta.model or self.model
        self.backend = delta.backend or self.backend
        self.faults = delta.faults or self.faults
        self.cost = delta.cost or self.cost
        self.usage = delta.usage or self.usage
        self.note = delta.note or self.note
        self.finish = delta.finish or self.finish

    def paid(self, other: Answer) -> None:
        """Count what another answer took towards this one. Costs in two currencies have no sum."""
        if other.usage is not None:
            self.usage = _sum(self.usage, other.usage)
        if other.cost is not None:
            mine = self.cost or replace(other.cost, amount=0.0)
            same = mine.currency == other.cost.currency
            self.cost = replace(mine, amount=mine.amount + other.cost.amount) if same else None
        self.faults = (*other.faults, *self.faults)

    def becomes(self, other: Answer, why: str) -> None:
        """Let another, plain answer stand in its place."""
        self.text[:] = [other.whole]
        self.model, self.backend, self.finish = other.model, other.backend, other.finish
        self.prompt_version, self.invented, self.changes = other.prompt_version, other.invented, None
        self.note = " ".join(filter(None, (other.note, PLAIN.format(why) if why else None))) or None

    def gave_up(self, model: ChatModel, error: ConnectorError) -> None:
        """Note that a model failed, whose answer nobody sees."""
        self.text.clear()
        self.faults = (*self.faults, Fault(model.name, error.code, str(error)))


def _sum(one: Usage | None, other: Usage) -> Usage:
    if one is None:
        return other
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.cached_tokens + other.cached_tokens,
        one.estimated or other.estimated,
    )


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, the model for it, the version of its prompt, and the numbers that its answer may cite."""

    model: ChatModel
    request: ChatRequest
    version: str = ""
    numbers: frozenset[int] = frozenset()


async def streamed(ask: Ask, answer: Answer) -> AsyncGenerator[str]:
    """The pieces of an answer, with its citations made plain; all that is known of it goes into ``answer``."""
    answer.model, answer.prompt_version = ask.model.name, ask.version
    citations = Citations(ask.numbers)
    broken: ConnectorError | None = None
    try:
        async with Closing(ask.model.stream(ask.request)) as deltas:
            async for delta in deltas:
                answer.take(delta)
                if delta.text and (piece := citations.feed(delta.text)):
                    answer.text.append(piece)
                    yield piece
    except ConnectorError as error:
        broken = error
    if rest := citations.end():
        answer.text.append(rest)
        yield rest
    answer.invented = tuple(number for number in citations.invented if isinstance(number, int))
    if broken is not None:
        raise broken


async def two_pass(
    draft: Ask, restyle: Callable[[str], Ask], answer: Answer, given: str, *, hold: bool
) -> AsyncGenerator[str]:
    """A draft said again by another model, which may use what was ``given`` in the conversation. With ``hold`` nothing
    is shown until the facts of both were compared, and the draft stands where they differ; it also stands where the
    other model fails before its first word."""
    first = Answer()
    async for _ in streamed(draft, first):
        pass
    if first.finish == "filter" or not first.whole.strip():
        answer.becomes(first, "")
        answer.paid(first)
        yield first.whole
        return
    answer.draft = first.whole
    ask = restyle(first.whole)
    shown = False
    try:
        async with aclosing(streamed(ask, answer)) as pieces:
            async for piece in pieces:
                if not hold:
                    shown = shown or bool(piece.strip())
                    yield piece
    except ConnectorError as error:
        if shown:
            raise
        answer.gave_up(ask.model, error)
    answer.paid(first)
    said = bool(answer.whole.strip()) and (shown or answer.finish != "filter")
    if said:
        answer.changes = await asyncio.to_thread(_changes, first.whole, given, answer.whole)
        answer.invented = tuple(dict.fromkeys((*first.invented, *answer.invented)))
        answer.note = answer.note or first.note
        answer.finish = "length" if first.finish == "length" else answer.finish
    if said and not hold:
        return
    if not said or answer.changes is None or not answer.changes.none:
        answer.becomes(first, CHANGED if said else FAILED)
    yield answer.whole


async def held(ask: Ask, plain: Ask, answer: Answer, known: str) -> AsyncGenerator[str]:
    """An answer that is shown only if it holds no fact that ``known`` does not; else a plain one in its place."""
    why = CHANGED
    try:
        async for _ in streamed(ask, answer):
            pass
        found = await asyncio.to_thread(compare, known, answer.whole)
        answer.changes = Changes((), found.invented)
        if answer.changes.none and answer.whole.strip() and answer.finish != "filter":
            yield answer.whole
            return
        answer.text.clear()
    except ConnectorError as error:
        answer.gave_up(ask.model, error)
        why = FAILED
    instead = Answer()
    async for _ in streamed(plain, instead):
        pass
    answer.becomes(instead, why)
    answer.paid(instead)
    yield answer.whole


def _changes(draft: str, given: str, said: str) -> Changes:
    """What of the draft was lost, and what was added beyond it and the conversation."""
    return Changes(compare(draft, said).lost, compare(f"{draft}\n\n{given}", said).invented)
