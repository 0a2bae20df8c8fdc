"""What holds whatever a connector does: it speaks in time, fails with our errors only, and says at least a word."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from connectors.base import ChatModel, ChatRequest, Delta
from connectors.errors import ConnectorError, ContentFiltered, EmptyAnswer, ProtocolError, TimedOut
from connectors.pump import Late, Pump
from connectors.wrapper import Wrapper

TRAILER = 5.0
"""Seconds that a provider has for what follows the end of the text: usage, and the end of the stream."""

log = logging.getLogger(__name__)


class GuardedModel(Wrapper):
    """``inner``, held to what a ChatModel promises; ``first_token`` and ``idle`` are in seconds.

    - The first word must be there ``first_token`` seconds after the start, and from then on some text every ``idle``
      seconds that the reader waits. Only text moves these times: a provider that sends nothing but empty pieces, signs
      of life or usage is silent. White space before the first word is kept and goes out with it.
    - After ``finish`` the answer is complete: whatever fails or hangs behind it ends the stream and not the turn.
    - An exception that is no ConnectorError becomes a ProtocolError that shows its class and keeps it as the cause.
    - An answer without a word is an EmptyAnswer, or ContentFiltered where the provider says that its filter did it.
    - The inner stream is closed however this one ends, and one that does not close holds nobody: see ``Pump``.

    An answer that goes on and on is not silent; ``max_tokens`` is what bounds it.
    """

    def __init__(self, inner: ChatModel, *, first_token: float, idle: float) -> None:
        super().__init__(inner)
        self._first_token = first_token
        self._idle = idle

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        pump = Pump(self.name, lambda: self.inner.stream(request))
        heard = _Heard(pump, self._first_token, self._idle)
        try:
            while True:
                delta = pump.take()
                if delta is None:
                    delta = await self._wait(pump, heard)
                    if delta is None:
                        break
                yield heard.take(delta)
        finally:
            await pump.aclose()
        if not heard.spoke:
            raise self._wordless(heard)

    async def _wait(self, pump: Pump, heard: _Heard) -> Delta | None:
        try:
            return await pump.wait(heard.deadline())
        except Exception as error:
            if heard.finish is not None:
                log.info("%s: what followed a complete answer failed (%s)", self.name, type(error).__name__)
                return None
            if isinstance(error, ConnectorError):
                raise
            if isinstance(error, Late):
                raise self._silent(heard) from None
            raise self._foreign(error) from error

    def _silent(self, heard: _Heard) -> TimedOut:
        if heard.spoke:
            return TimedOut(
                f"{self.name} fell silent for {self._idle:g} seconds in the middle of its answer. Ask again; if it "
                f"happens often, raise models.{self.name}.timeout"
            )
        return TimedOut(
            f"{self.name} said nothing for {self._first_token:g} seconds. Ask again; if it happens often, raise "
            f"models.{self.name}.first_token_timeout"
        )

    def _foreign(self, error: Exception) -> ProtocolError:
        kind = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
        log.warning("%s: its connector raised %s at %s", self.name, kind, place)
        return ProtocolError(
            f"{self.name}: its connector failed in a way that it should not ({kind}); the log says where. Ask again"
        )

    def _wordless(self, heard: _Heard) -> ConnectorError:
        if heard.finish == "filter":
            return ContentFiltered(f"{self.name}: the provider's content filter stopped this turn. Put it differently")
        if heard.finish == "length":
            return EmptyAnswer(
                f"{self.name} spent all its tokens without saying a word. Raise models.{self.name}.max_tokens"
            )
        return EmptyAnswer(f"{self.name} answered without a word. Ask again")


class _Heard:
    """What came of a stream so far, and until when the next of it must come."""

    def __init__(self, pump: Pump, first_token: float, idle: float) -> None:
        self._pump = pump
        self._idle = idle
        self._deadline: float | None = pump.now() + first_token
        self._blank = ""
        self.spoke = False
        self.finish: str | None = None

    def deadline(self) -> float:
        """When the loop's clock says that the provider is silent; text that came starts it when it is next waited."""
        if self._deadline is None:
            self._deadline = self._pump.now() + self._idle
        return self._deadline

    def take(self, delta: Delta) -> Delta:
        """Note what ``delta`` brings; returns it as it goes out."""
        if delta.text:
            if self.spoke:
                self._deadline = None
            else:
                delta = self._begin(delta)
        if delta.finish is not None and self.finish is None:
            self.finish = delta.finish
            self._deadline = self._pump.now() + min(self._idle, TRAILER)
        return delta

    def _begin(self, delta: Delta) -> Delta:
        text = self._blank + delta.text
        if text.isspace():
            self._blank = text
            return replace(delta, text="")
        self.spoke, self._deadline = True, None
        return replace(delta, text=text) if self._blank else delta
