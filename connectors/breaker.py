"""A circuit breaker: a model that failed again and again is left alone for a while, so that nobody waits for it."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from connectors.base import ChatModel, ChatRequest, Delta
from connectors.errors import BadRequest, ConnectorError, ContentFiltered, ContextTooLong, Resting
from connectors.wrapper import Closing, Wrapper

LONGEST_REST = 300.0
SAYS_NOTHING = (BadRequest, ContextTooLong, ContentFiltered, Resting)
"""Errors that are the request's fault, or of our own making: another turn may well be answered."""


@dataclass(frozen=True, slots=True)
class BreakerState:
    """How a backend is: ``failures`` in a row, seconds until it is tried again, and the last error's words."""

    state: Literal["closed", "open", "half_open"] = "closed"
    failures: int = 0
    next_probe: float | None = None
    code: str | None = None
    message: str | None = None


@dataclass(slots=True, eq=False)
class Ticket:
    """One stream's part in a circuit. What it tells counts only in the epoch that it belongs to: a stream from before
    the circuit opened says nothing about the time after."""

    epoch: int


class Circuit:
    """The states and what moves them; knows time, and nothing of streams.

    Closed, it opens after ``failures`` in a row, for ``rest`` seconds: longer where the provider asked for it, twice as
    long after each probe that failed, and at most ``LONGEST_REST``. Then one stream is let through. Its first text
    closes the circuit on trial (the next failure opens it again), its good end or another's for good.
    """

    def __init__(self, failures: int, rest: float, clock: Callable[[], float]) -> None:
        self._limit = max(failures, 1)
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._strikes = 0
        self._until: float | None = None
        self._probe: Ticket | None = None
        self._epoch = 0
        self._last: ConnectorError | None = None

    @property
    def state(self) -> BreakerState:
        """Now, with the time until the next probe."""
        code, message = (self._last.code, str(self._last)) if self._last else (None, None)
        if self._until is None:
            return BreakerState("closed", self._failures, None, code, message)
        left = max(self._until - self._clock(), 0.0)
        return BreakerState("open" if left else "half_open", self._failures, left, code, message)

    def admit(self) -> Ticket | None:
        """A ticket for a stream that may be tried; None while the model rests."""
        ticket = Ticket(self._epoch)
        if self._until is not None:
            if self._probe is not None or self._clock() < self._until:
                return None
            self._probe = ticket
        return ticket

    def spoke(self, ticket: Ticket) -> None:
        """The stream sent its first text."""
        if ticket is self._probe:
            self._probe = self._until = None
            self._failures = self._limit - 1
            self._epoch += 1
            ticket.epoch = self._epoch

    def succeeded(self, ticket: Ticket) -> None:
        """The stream came to its end."""
        self.spoke(ticket)
        if ticket.epoch == self._epoch:
            self._failures = self._strikes = 0
            self._last = None

    def failed(self, ticket: Ticket, error: ConnectorError | None) -> None:
        """The stream failed in a way that says that the model is ill."""
        if ticket.epoch != self._epoch:
            return
        self._last = error
        self._failures += 1
        if self._failures >= self._limit:
            self._open((error and error.retry_after) or 0.0)

    def left(self, ticket: Ticket) -> None:
        """The stream was given up, or failed in a way that says nothing of the model."""
        if ticket is self._probe:
            self._probe = None

    def _open(self, asked: float) -> None:
        grown = self._rest * 2 ** min(self._strikes, 16)
        self._until = self._clock() + min(max(grown, asked), max(LONGEST_REST, self._rest))
        self._strikes += 1
        self._epoch += 1
        self._probe = None


class BreakerModel(Wrapper):
    """``inner`` behind a circuit that opens after ``failures`` failed turns in a row and rests for ``rest`` seconds.

    Everything counts that would most likely fail the next turn too, a refused key or an empty account included, and
    also after the first text; ``SAYS_NOTHING`` does not, nor does a turn that its reader stopped.
    """

    def __init__(
        self,
        inner: ChatModel,
        *,
        failures: int = 5,
        rest: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(inner)
        self._circuit = Circuit(failures, rest, clock)

    @property
    def state(self) -> BreakerState:
        """For lists of models and for metrics."""
        return self._circuit.state

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        circuit, spoke = self._circuit, False
        ticket = circuit.admit()
        if ticket is None:
            raise self._resting()
        try:
            async with Closing(self.inner.stream(request)) as stream:
                async for delta in stream:
                    if delta.text and not spoke:
                        spoke = True
                        circuit.spoke(ticket)
                    yield delta
        except SAYS_NOTHING:
            circuit.left(ticket)
            raise
        except Exception as error:
            circuit.failed(ticket, error if isinstance(error, ConnectorError) else None)
            raise
        except BaseException:
            circuit.left(ticket)
            raise
        circuit.succeeded(ticket)

    def _resting(self) -> Resting:
        now = self.state
        last = f" The last time: {now.message}" if now.message else ""
        if not now.next_probe:
            return Resting(f"{self.name} failed again and again and is just being tried again.{last}", retry_after=1.0)
        seconds = math.ceil(now.next_probe)
        return Resting(
            f"{self.name} failed {now.failures} times in a row and is left alone for another {seconds} seconds.{last}",
            retry_after=now.next_probe,
        )
