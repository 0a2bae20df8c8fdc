"""What a request may hold and what its answer costs: history trimmed to the model's window, usage, price."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from functools import cached_property

from connectors.base import ChatMessage, ChatModel, ChatRequest, Delta, ModelSpec, Offered, Usage
from connectors.errors import ConnectorError, ContextTooLong
from connectors.prices import Known, Price, known
from connectors.tokens import bound, counter
from connectors.trim import DoesNotFit, least, trimmed
from connectors.wrapper import Closing, Wrapper

RESERVE = 4096
"""Tokens that are left for an answer without ``max_tokens``; in a small window a quarter of it."""
LISTING = 10.0
"""Seconds that a provider has to list its models."""
_LARGE = 200_000

log = logging.getLogger(__name__)


class BudgetedModel(Wrapper):
    """``inner`` within its context window, with usage and cost on the last delta of an answer.

    ``context_window`` and ``price`` are the configured ones; without them those that are shipped for the model count,
    and for the window, from the second answer on, what the provider lists. Without a window nothing is trimmed.
    ``trimmed`` counts the requests that were.
    """

    def __init__(
        self,
        inner: ChatModel,
        spec: ModelSpec,
        *,
        context_window: int | None = None,
        price: Price | None = None,
        connector: str = "openai",
    ) -> None:
        super().__init__(inner)
        self.trimmed = 0
        self._spec = spec
        self._connector = connector
        self._window = context_window
        self._price = price
        self._listed: int | None = None
        self._listing: asyncio.Task[None] | None = None
        self._counter = counter(spec.model, connector)

    @cached_property
    def shipped(self) -> Known | None:
        """What is known of the model without asking."""
        return known(self._spec.model, self._connector)

    @property
    def window(self) -> int | None:
        """Tokens that the model can read and write, as far as is known by now."""
        return self._window or (self.shipped.context_window if self.shipped else self._listed)

    @property
    def price(self) -> Price | None:
        """What its tokens cost, if that is known."""
        return self._price or (self.shipped.price if self.shipped else None)

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        request = await self._fitted(request)
        meter = _Meter()
        try:
            for again in (True, False):
                try:
                    async with Closing(self.inner.stream(request)) as stream:
                        async for delta in stream:
                            usage = delta.usage
                            passed = delta if usage is None else meter.held_back(delta, usage)
                            if passed is not None:
                                if passed.text:
                                    meter.texts.append(passed.text)
                                yield passed
                    break
                except ContextTooLong:
                    shorter = await self._halved(request) if again and not meter.texts else None
                    if shorter is None:
                        raise
                    request = shorter
            meter.complete = True
            self._ask_for_window()
            last = await self._last(request, meter)
            if last is not None:
                yield last
        finally:
            if meter.texts and not meter.complete:
                log.debug("%s: ended early, %d characters into its answer", self.name, sum(map(len, meter.texts)))

    async def aclose(self) -> None:
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.wait({self._listing})
        await super().aclose()

    async def _fitted(self, request: ChatRequest) -> ChatRequest:
        """The request within the window. Counts only what is not obviously short, and by estimate if that will do."""
        window, messages, counter = self.window, request.messages, self._counter
        if window is None:
            return request
        reserve = self._spec.max_tokens if request.max_tokens is None else request.max_tokens
        reserve = min(RESERVE, window // 4) if reserve is None else reserve
        if bound(messages) <= window - reserve:
            return request
        room = int((window - reserve) / counter.ratio)
        if not counter.exact and not _large(messages) and counter.messages(messages) <= room:
            return request
        await counter.load()
        try:
            return await self._trimmed(request, room)
        except DoesNotFit as error:
            missing = math.ceil(error.missing * counter.ratio)
            raise self._too_long(missing, window, reserve) from error

    async def _halved(self, request: ChatRequest) -> ChatRequest | None:
        """With half as much history, after the provider refused; None where there is none."""
        messages, counter = request.messages, self._counter
        await counter.load()
        total, bare = counter.messages(messages), least(messages, counter)
        if self.window is not None and counter.family.encoding is None:
            counter.learn(total, self.window)
        return await self._trimmed(request, (total + bare) // 2) if total > bare else None

    async def _trimmed(self, request: ChatRequest, room: int) -> ChatRequest:
        arguments = request.messages, room, self._counter
        large = _large(request.messages)
        kept = await asyncio.to_thread(trimmed, *arguments) if large else trimmed(*arguments)
        if kept is request.messages:
            return request
        self.trimmed += 1
        log.debug("%s: history trimmed, %d of %d messages sent", self.name, len(kept), len(request.messages))
        return replace(request, messages=kept)

    def _too_long(self, missing: int, window: int, reserve: int) -> ContextTooLong:
        return ContextTooLong(
            f"{self.name}: this turn with its instructions and documents is about {missing:,} tokens too long for a "
            f"window of {window:,}, of which {reserve:,} are kept for the answer. Write a shorter message, lower "
            f"`retrieval.passages` or `models.{self._spec.name}.max_tokens`, or use a model with a larger window"
        )

    async def _last(self, request: ChatRequest, meter: _Meter) -> Delta | None:
        """What was held back, with the usage, as counted or estimated, and the cost."""
        usage = meter.usage
        if usage is not None:
            self._learn(request, usage)
        elif self._connector != "builtin":
            await self._counter.load()
            usage = self._estimated(request, "".join(meter.texts))
        if usage is None:
            return meter.held
        held = meter.held or Delta()
        return replace(held, usage=usage, cost=self.price.cost(usage) if self.price else held.cost)

    def _learn(self, request: ChatRequest, usage: Usage) -> None:
        if self.window is not None and self._counter.family.encoding is None and not _large(request.messages):
            self._counter.learn(self._counter.messages(request.messages), usage.input_tokens)

    def _estimated(self, request: ChatRequest, text: str) -> Usage:
        read, written = self._counter.messages(request.messages), self._counter.text(text)
        ratio = self._counter.ratio
        return Usage(math.ceil(read * ratio), math.ceil(written * ratio), estimated=True)

    def _ask_for_window(self) -> None:
        if self.window is None and self._listing is None:
            self._listing = asyncio.create_task(self._list())

    async def _list(self) -> None:
        try:
            async with asyncio.timeout(LISTING):
                self._listed = _window(await self.inner.offered() or (), self._spec.model)
        except (ConnectorError, TimeoutError) as error:
            log.debug("%s: its window stays unknown, since its models cannot be listed (%s)", self.name, error)


class _Meter:
    """What an answer brought so far. Facts that come with usage are held back, since more usage may follow."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.usage: Usage | None = None
        self.held: Delta | None = None
        self.complete = False

    def held_back(self, delta: Delta, usage: Usage) -> Delta | None:
        """Take note of a delta with usage; returns what goes out now in its place."""
        self._add(usage)
        delta = replace(delta, usage=None)
        if delta.text:
            return delta
        before, self.held = self.held, delta
        return None if before == Delta() else before

    def _add(self, usage: Usage) -> None:
        """Some providers send what they read first and what they wrote last, some both each time, some zeros."""
        before = self.usage or Usage(0, 0)
        if usage.input_tokens or usage.output_tokens:
            self.usage = Usage(
                max(before.input_tokens, usage.input_tokens),
                max(before.output_tokens, usage.output_tokens),
                max(before.cached_tokens, usage.cached_tokens),
                usage.estimated,
            )


def _large(messages: Iterable[ChatMessage]) -> bool:
    """Whether counting takes long enough to keep others waiting."""
    return bound(messages) > _LARGE


def _window(offered: Sequence[Offered], model: str | None) -> int | None:
    """The window of ``model`` in the list, or of the only one in it: such servers serve it under any name."""
    names = (model, f"{model}:latest")
    found = [each for each in offered if each.name in names] or (offered if len(offered) == 1 else ())
    return found[0].context_window if found else None
