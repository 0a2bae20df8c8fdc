"""The chain of a role: backends asked in order until one speaks."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from connectors.base import ChatModel, ChatRequest, Delta, Fault
from connectors.errors import (
    AuthenticationFailed,
    BadRequest,
    ConfigurationError,
    ConnectorError,
    ContentFiltered,
    ContextTooLong,
    EmptyAnswer,
    PermissionRefused,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    Resting,
    TimedOut,
    Unavailable,
)
from connectors.wrapper import Closing, first_words

_PASSING = (RateLimited, TimedOut, Unavailable, EmptyAnswer, ProtocolError, Resting)
_LASTING = (
    ContextTooLong,
    BadRequest,
    QuotaExceeded,
    PermissionRefused,
    AuthenticationFailed,
    ConfigurationError,
    ConnectorError,
)
_USEFUL = (*_PASSING, *_LASTING)
"""What the error of a whole chain says it is: what passes before what only a person can mend, for then trying again
helps; of the latter first what the reader can change; Resting only where nobody says more."""


class FallbackModel(ChatModel):
    """``backends`` in order. The first delta names the ``backend`` that answers and the ``faults`` of those before it.

    Any ConnectorError before the first text lets the next one try, except ContentFiltered: what one provider refuses is
    not taken to another. After the first text an error goes on as it is. When all failed, one error names them all and
    holds the smallest ``retry_after``; a chain of one raises its member's own. The members may be part of other chains:
    ``aclose`` leaves them open.
    """

    def __init__(self, backends: Sequence[ChatModel], name: str) -> None:
        if not backends:
            raise ConfigurationError(f"roles.{name} names no model: name one of those under `models:`")
        self.backends = tuple(backends)
        self.name = name

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        failed: list[tuple[str, ConnectorError]] = []
        for backend in self.backends:
            try:
                stream = backend.stream(request)
                first = await first_words(stream) or Delta()
            except ContentFiltered:
                raise
            except ConnectorError as error:
                failed.append((backend.name, error))
                continue
            async with Closing(stream):
                faults = tuple(Fault(name, error.code, str(error)) for name, error in failed)
                yield replace(first, backend=first.backend or backend.name, faults=faults + first.faults)
                async for delta in stream:
                    yield delta
            return
        if len(failed) == 1:
            raise failed[0][1]
        raise self._nobody(failed) from failed[-1][1]

    def _nobody(self, failed: Sequence[tuple[str, ConnectorError]]) -> ConnectorError:
        errors = [error for _, error in failed]
        kind = min((_kind(error) for error in errors), key=_USEFUL.index)
        waits = [error.retry_after for error in errors if error.retry_after is not None]
        wait = min(waits, default=None)
        reasons = "; ".join(_reason(name, error) for name, error in failed)
        advice = ""
        if kind in _PASSING:
            advice = f". Try again in {math.ceil(wait)} seconds" if wait else ". Try again in a moment"
        return kind(f"None of the {len(errors)} models answered. {reasons}{advice}", retry_after=wait)


def _kind(error: ConnectorError) -> type[ConnectorError]:
    return next(kind for kind in type(error).__mro__ if kind in _USEFUL)


def _reason(name: str, error: ConnectorError) -> str:
    said = str(error).rstrip(". ")
    return said if said.startswith((f"{name} ", f"{name}:")) else f"{name}: {said}"
