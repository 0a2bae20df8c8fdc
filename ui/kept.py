"""What of a growing answer's message stays as it was made, from one step to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ui.answer_blocks import GrowingBlocks, Reading
from ui.rendering import literal


class Kept:
    """Belongs to one answer; one step at a time."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[tuple[Any, ...], str]] = {}
        self._blocks: GrowingBlocks | None = None
        self._read = 0

    def part(self, name: str, of: tuple[Any, ...], make: Callable[[], str]) -> str:
        """What ``make`` returns, made again only where what it is made ``of`` is no longer the same."""
        known = self._parts.get(name)
        if known is None or known[0] != of:
            known = self._parts[name] = (of, make())
        return known[1]

    def answer(self, text: str, how: Reading) -> str:
        """The text so far as ``rendering.answer`` has it; it begins with what was given before. Only blocks that are
        still open are read again."""
        if self._blocks is None:
            self._blocks = GrowingBlocks(how)
        self._blocks.add(text[self._read :])
        self._read = len(text)
        self._blocks.step()
        html = " ".join(self._blocks.blocks)
        return literal(f'<div class="answer" dir="auto">{html}</div>') if html else ""
