"""Reading a stream in a task of its own: where many are read at once, each in fewer and larger bites."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from connectors import pump as pumping
from connectors.base import Delta
from connectors.pump import MANY, Pump

TOKENS = 60


class Wire:
    """A token every 5 ms; what has come when somebody reads is read at once."""

    def __init__(self) -> None:
        self.waits = 0
        self._come: asyncio.Queue[str | None] = asyncio.Queue()

    async def write(self) -> None:
        for number in range(TOKENS):
            await asyncio.sleep(0.005)
            self._come.put_nowait(f"{number} ")
        self._come.put_nowait(None)

    async def read(self) -> AsyncIterator[Delta]:
        while True:
            self.waits += self._come.empty()
            text = await self._come.get()
            if text is None:
                return
            yield Delta(text)


async def read(start: Wire) -> tuple[str, list[float]]:
    """The text, and when each delta came."""
    loop = asyncio.get_running_loop()
    writing = asyncio.create_task(start.write())
    pump = Pump("wire", start.read)
    text, times = "", []
    while (delta := await pump.wait(loop.time() + 60)) is not None:
        text += delta.text
        times.append(loop.time())
    await pump.aclose()
    await writing
    return text, times


async def test_one_of_many_streams_is_read_in_fewer_bites_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = "".join(f"{number} " for number in range(TOKENS))
    alone, crowded = Wire(), Wire()
    assert (await read(alone))[0] == whole
    monkeypatch.setattr(Pump, "_at_once", MANY)
    text, times = await read(crowded)
    assert text == whole
    assert times[1] - times[0] >= 0.9 * pumping.BREATH * MANY, "the first word goes on at once, before the breath"
    assert crowded.waits <= alone.waits / 3
    assert Pump._at_once == MANY


async def test_a_breath_has_an_end_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pump, "_at_once", 1_000_000)
    _, times = await read(Wire())
    assert times[-1] - times[0] < 60, "ten thousand seconds each otherwise"


async def test_what_is_there_already_is_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def there() -> AsyncIterator[Delta]:
        for number in range(500):
            yield Delta(f"{number} ")

    monkeypatch.setattr(Pump, "_at_once", MANY)
    monkeypatch.setattr(pumping, "LONGEST_BREATH", 3600.0)
    monkeypatch.setattr(pumping, "BREATH", 3600.0)
    monkeypatch.setattr(pumping, "WAITED", 30.0)  # no pause of a busy machine counts as one
    loop = asyncio.get_running_loop()
    pump = Pump("wire", there)
    found = 0
    async with asyncio.timeout(60):
        while await pump.wait(loop.time() + 60) is not None:
            found += 1
    await pump.aclose()
    assert found == 500


async def test_a_breath_can_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pump, "_at_once", MANY)
    monkeypatch.setattr(pumping, "LONGEST_BREATH", 3600.0)
    monkeypatch.setattr(pumping, "BREATH", 3600.0)
    wire = Wire()
    writing = asyncio.create_task(wire.write())
    pump = Pump("wire", wire.read)
    async with asyncio.timeout(60):
        first = await pump.wait(asyncio.get_running_loop().time() + 60)
        assert first is not None and first.text == "0 "
        await pump.aclose()
    await writing
    assert Pump._at_once == MANY
