"""Work on turns that begins before they are recorded, and what gives way to it."""

from __future__ import annotations

import asyncio

from assistant.conversation.ahead import begun, calm, taken_in


async def test_what_nobody_waits_for_lets_first_words_go_first() -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    tasks = [begun(gate.wait()) for gate in gates]
    waiting = asyncio.create_task(calm(60))
    for gate in gates:
        await asyncio.sleep(0.02)
        assert not waiting.done()
        gate.set()
    async with asyncio.timeout(30):
        await waiting
        await calm(60)  # nobody is at work any more
    assert all(task.done() for task in tasks)


async def test_but_not_for_ever() -> None:
    task = begun(asyncio.Event().wait())
    async with asyncio.timeout(30):
        await calm(0.01)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    async with asyncio.timeout(30):
        await calm(60)


async def test_a_turn_that_is_being_recorded_is_waited_for_also_where_that_fails() -> None:
    gate = asyncio.Event()

    @taken_in
    async def prepare() -> None:
        await gate.wait()
        raise ValueError("refused")

    preparing = asyncio.create_task(prepare())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(calm(60))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    gate.set()
    async with asyncio.timeout(30):
        await waiting
        await calm(60)
    assert isinstance((await asyncio.gather(preparing, return_exceptions=True))[0], ValueError)
