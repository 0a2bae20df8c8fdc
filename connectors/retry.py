"""Asks again where that helps, and only until the first piece of text is out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, stop_before_delay, wait_random_exponential

from connectors.base import ChatModel, ChatRequest, Delta
from connectors.errors import ConnectorError, EmptyAnswer, ProtocolError, RateLimited, Resting, TimedOut, Unavailable
from connectors.wrapper import Closing, Wrapper, first_words

LONGEST_WAIT = 20.0
_ONCE = (TimedOut, EmptyAnswer)
_AGAIN = (RateLimited, Unavailable, ProtocolError)
_JITTER = wait_random_exponential(multiplier=0.5, max=8)
"""Full jitter: anything between nothing and 0.5, 1, 2 … seconds, so that those who failed together come back apart."""

log = logging.getLogger(__name__)


class RetryingModel(Wrapper):
    """``inner``, asked up to ``retries`` times more, as long as the next try begins within ``longest_wait`` seconds of
    the first: a reader waits. A provider's ``retry_after`` is kept to, and where it asks for more than that its error
    goes on at once, so that a chain can ask somebody else.

    | error | asked again |
    |---|---|
    | RateLimited, Unavailable, ProtocolError | yes |
    | TimedOut, EmptyAnswer | once: the wait is long or the words are paid for, and a second time tells enough |
    | Resting | no: it was not asked at all |
    | all others | no: they would fail the same way again |
    """

    def __init__(self, inner: ChatModel, *, retries: int, longest_wait: float = LONGEST_WAIT) -> None:
        super().__init__(inner)
        self.retried = 0
        self._retrying = AsyncRetrying(
            retry=_helps,
            wait=_pause,
            stop=stop_after_attempt(retries + 1) | stop_before_delay(longest_wait),
            before_sleep=self._note,
            sleep=asyncio.sleep,
            reraise=True,
        )

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        async def begin() -> tuple[Delta | None, AsyncIterator[Delta]]:
            stream = self.inner.stream(request)
            return await first_words(stream), stream

        # A copy for each stream, as tenacity's own decorator makes: the object keeps the state of a run.
        begun: tuple[Delta | None, AsyncIterator[Delta]] = await self._retrying.copy()(begin)
        first, stream = begun
        async with Closing(stream):
            if first is not None:
                yield first
            async for delta in stream:
                yield delta

    def _note(self, state: RetryCallState) -> None:
        self.retried += 1
        error = _error(state)
        log.info("%s failed (%s); asked again in %.1f s", self.name, error and error.code, state.upcoming_sleep)


def _error(state: RetryCallState) -> ConnectorError | None:
    error = state.outcome and state.outcome.exception()
    return error if isinstance(error, ConnectorError) else None


def _helps(state: RetryCallState) -> bool:
    error = _error(state)
    if isinstance(error, _ONCE):
        return state.attempt_number == 1
    return isinstance(error, _AGAIN) and not isinstance(error, Resting)


def _pause(state: RetryCallState) -> float:
    error = _error(state)
    return _JITTER(state) + ((error and error.retry_after) or 0.0)
