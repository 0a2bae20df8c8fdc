"""An answer in steps: as often as the page can follow, and the server where many answers grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from assistant.conversation.events import Event, TextDelta
from assistant.conversation.turn import Turn
from ui.encode import Shown
from ui.growing import AT_EASE, Growing

WORDS = 60


class Talking:
    """Runs a turn whose answer takes 0.6 s."""

    async def run(self, turn: Turn) -> AsyncGenerator[Event]:
        for number in range(WORDS):
            await asyncio.sleep(0.01)
            yield TextDelta(f"{number} ")


async def steps() -> list[str]:
    service: Any = Talking()
    # What a step shows grows on: its words are counted as it comes.
    growing = Growing(service, Turn("hello"), Shown(collections={}, contact="", language="en", hosts=()))
    found = [shown.now().text async for shown in growing.steps()]
    await growing.aclose()
    assert growing.shown.now().text.split()[-1] == str(WORDS - 1)
    return found


async def test_where_many_answers_grow_each_grows_in_fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = await steps()
    assert alone[0] == "0 " and 1 < len(alone) < WORDS / 2
    monkeypatch.setattr(Growing, "_at_once", 10 * AT_EASE)
    crowded = await steps()
    assert crowded[0] == "0 ", "the first word does not wait"
    assert len(crowded) <= len(alone) / 2
    assert Growing._at_once == 10 * AT_EASE
