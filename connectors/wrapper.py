"""What all models that hold a model share: they pass on what they do not change, and close what they opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import TracebackType

from connectors.base import ChatModel, Delta, Offered


class Wrapper(ChatModel):
    """A model around ``inner`` that goes by its name."""

    def __init__(self, inner: ChatModel) -> None:
        self.inner = inner
        self.name = inner.name

    async def offered(self) -> tuple[Offered, ...] | None:
        return await self.inner.offered()

    async def aclose(self) -> None:
        await self.inner.aclose()


class Closing:
    """``async with Closing(stream)``: closed at the end, where it can be closed; not every iterator can."""

    def __init__(self, stream: AsyncIterator[Delta]) -> None:
        self._stream = stream

    async def __aenter__(self) -> AsyncIterator[Delta]:
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


async def first_words(stream: AsyncIterator[Delta]) -> Delta | None:
    """All up to the first piece of text as one delta, so that until then somebody else can still be asked. Its text is
    empty if the stream ended without any; None if it sent nothing at all. Closes the stream if it fails."""
    seen: Delta | None = None
    try:
        async for delta in stream:
            seen = delta if seen is None else _merged(seen, delta)
            if seen.text:
                break
    except BaseException:
        async with Closing(stream):
            raise
    return seen


def _merged(before: Delta, after: Delta) -> Delta:
    return replace(
        after,
        text=before.text + after.text,
        usage=after.usage or before.usage,
        model=after.model or before.model,
        finish=after.finish or before.finish,
        note=after.note or before.note,
        backend=after.backend or before.backend,
        faults=before.faults + after.faults,
        cost=after.cost or before.cost,
    )
