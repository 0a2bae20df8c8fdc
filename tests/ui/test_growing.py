"""An answer in steps: as often as the page can follow, and the server where many answers grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from assistant.conversation import ahead
from assistant.conversation.events import Checked, Event, Retrieved, TextDelta
from assistant.conversation.turn import Turn
from assistant.knowledge.evidence import NOTHING
from ui import growing
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
    answer = Growing(service, Turn("hello"), Shown(collections={}, contact="", language="en", hosts=()))
    found = [shown.now().text async for shown in answer.steps()]
    await answer.aclose()
    assert answer.shown.now().text.split()[-1] == str(WORDS - 1)
    return found


async def test_where_many_answers_grow_each_grows_in_fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = await steps()
    assert alone[0] == "0 " and 1 < len(alone) < WORDS / 2
    monkeypatch.setattr(Growing, "_at_once", 10 * AT_EASE)
    crowded = await steps()
    assert crowded[0] == "0 ", "the first word does not wait"
    assert len(crowded) <= len(alone) / 2
    assert Growing._at_once == 10 * AT_EASE


async def test_the_first_word_does_not_wait_for_the_step_that_shows_the_route(monkeypatch: pytest.MonkeyPatch) -> None:
    class Routing:
        async def run(self, turn: Turn) -> AsyncGenerator[Event]:
            yield Retrieved("", (), (), NOTHING)  # any event that is not a word
            await asyncio.sleep(0.05)
            yield TextDelta("word")
            await asyncio.Event().wait()

    monkeypatch.setattr(growing, "REFRESH", 3600.0)
    service: Any = Routing()
    answer = Growing(service, Turn("hello"), Shown())
    async with asyncio.timeout(60), aclosing(answer.steps()) as found:
        assert [(await anext(found)).now().text, (await anext(found)).now().text] == ["", "word"]
    await answer.aclose()


async def test_an_answer_that_ends_while_its_step_gives_way_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once an event that came meanwhile was forgotten, and such an answer was waited for for ever."""

    class Short:
        async def run(self, turn: Turn) -> AsyncGenerator[Event]:
            yield TextDelta("first ")
            await asyncio.sleep(0.02)
            yield TextDelta("second")
            await asyncio.sleep(0.4)  # the second step is due after 0.25 s, and gives way for as long

    monkeypatch.setattr(growing, "REFRESH", 0.25)
    understood = ahead.begun(asyncio.Event().wait())  # somebody else's turn, for ever
    service: Any = Short()
    answer = Growing(service, Turn("hello"), Shown())
    async with asyncio.timeout(60):
        texts = [shown.now().text async for shown in answer.steps()]
    await answer.aclose()
    assert texts[0] == "first " and answer.shown.now().text == "first second"
    understood.cancel()
    await asyncio.wait({understood})


async def test_an_answer_that_was_checked_is_not_shown_before_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has all of it from there a moment later: to make it twice was a tenth of the work where many wait."""
    recorded = asyncio.Event()

    class Done:
        async def run(self, turn: Turn) -> AsyncGenerator[Event]:
            yield TextDelta("first ")
            await asyncio.sleep(0.05)
            yield TextDelta("last")
            await asyncio.sleep(0.05)
            yield Checked(None, (), ())
            await recorded.wait()

    monkeypatch.setattr(growing, "REFRESH", 0.01)
    monkeypatch.setattr(Growing, "_at_once", 10 * AT_EASE)
    service: Any = Done()
    answer = Growing(service, Turn("hello"), Shown())
    checked = []
    async with asyncio.timeout(60):
        async for shown in answer.steps():
            checked.append(shown.checked is not None)
            if len(checked) == 1:
                asyncio.get_running_loop().call_later(0.4, recorded.set)
    assert checked and not any(checked)
    assert answer.shown.checked, "it waited for the end"


@pytest.mark.parametrize("crowd", [0, 10 * AT_EASE])
async def test_the_last_words_are_seen_before_the_records_are_read_where_few_wait(
    monkeypatch: pytest.MonkeyPatch, crowd: int
) -> None:
    class Abrupt:
        async def run(self, turn: Turn) -> AsyncGenerator[Event]:
            yield TextDelta("first ")
            await asyncio.sleep(0.05)
            yield TextDelta("last")

    monkeypatch.setattr(growing, "REFRESH", 3600.0)
    monkeypatch.setattr(Growing, "_at_once", crowd)
    service: Any = Abrupt()
    answer = Growing(service, Turn("hello"), Shown())
    async with asyncio.timeout(60):
        texts = [shown.now().text async for shown in answer.steps()]
    assert texts == ["first ", "first last"][: 1 if crowd else 2]
    assert answer.shown.now().text == "first last"
