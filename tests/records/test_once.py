"""A write with a key is claimed, done and remembered as one: no fault and nobody who leaves keeps its key for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from fastapi.responses import Response
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assistant.access.identity import Identity
from assistant.app import Assistant, build_assistant
from assistant.conversation.service import TurnRejected
from assistant.conversation.turn import Turn
from assistant.records.idempotency import LONGEST, Earlier, Idempotency, IdempotencyRow
from assistant.records.models import TurnRow, now
from assistant.records.repository import RecordsError, Repository
from assistant.settings import Records, Settings
from tests.ui.people import events
from ui import idempotency
from ui.idempotency import Done, Once
from ui.turn_stream import EventStream, Renderer

T = TypeVar("T")
ADA = Identity("ada")


class Troubled(Repository):
    """Its next writes fail, or wait."""

    failures = 0
    held: asyncio.Event | None = None
    waiting = 0

    def fail(self, times: int) -> None:
        self.failures = times

    async def write(self, work: Callable[[Session], T]) -> T:
        if self.failures:
            self.failures -= 1
            raise RecordsError("the disk is full")
        if self.held is not None:
            self.waiting += 1
            await self.held.wait()
        return await super().write(work)


@pytest.fixture
async def troubled(tmp_path: Path) -> AsyncIterator[Troubled]:
    records = Troubled(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    await records.open()
    yield records
    await records.close()


class Work:
    """Counts how often it is done; ``then`` is called at its end."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.done = 0
        self.then = then

    async def __call__(self) -> Done:
        self.done += 1
        self.then()
        return Done({"done": self.done})


def once(records: Repository, key: str = "k") -> Once:
    return Once(cast(Assistant, SimpleNamespace(records=records)), key, "POST /x")


async def body(asked: Any) -> Any:
    response: Response = await asked
    return response.body


async def test_what_is_done_is_answered_though_it_cannot_be_remembered(
    troubled: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(lambda: troubled.fail(2))
    assert await body(once(troubled)(ADA, {}, work)) == b'{"done": 1}'
    assert "could not be kept" in caplog.text and "could not be released" in caplog.text
    work.then = lambda: None
    with pytest.raises(TurnRejected, match="being carried out"):
        await once(troubled)(ADA, {}, work)
    async with troubled.session() as session:
        await session.execute(update(IdempotencyRow).values(made_at=now() - LONGEST - timedelta(seconds=1)))
    assert await body(once(troubled)(ADA, {}, work)) == b'{"done": 2}', "nobody renews what nobody carries out"


async def test_a_key_is_free_again_where_only_remembering_fails(
    troubled: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(lambda: troubled.fail(1))
    assert await body(once(troubled)(ADA, {}, work)) == b'{"done": 1}'
    assert "could not be kept" in caplog.text and "released" not in caplog.text
    work.then = lambda: None
    assert await body(once(troubled)(ADA, {}, work)) == b'{"done": 2}'


async def test_a_fault_is_not_hidden_by_that_of_the_release(
    troubled: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> Done:
        troubled.fail(1)
        raise ValueError("the real one")

    with pytest.raises(ValueError, match="the real one"):
        await once(troubled)(ADA, {}, work)
    assert "could not be released" in caplog.text


async def left(troubled: Troubled, asking: asyncio.Task[Response]) -> None:
    """Whoever asks leaves while the records write."""
    assert troubled.held is not None
    async with asyncio.timeout(30):
        while not troubled.waiting:
            await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.sleep(0)
    troubled.held.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    troubled.held = None


async def test_whoever_leaves_while_the_answer_is_kept_finds_it_kept(troubled: Troubled) -> None:
    def hold() -> None:
        troubled.held = asyncio.Event()

    work = Work(hold)
    asking = asyncio.create_task(once(troubled)(ADA, {}, work))
    while not work.done:
        await asyncio.sleep(0.01)
    await left(troubled, asking)
    again = await once(troubled)(ADA, {}, work)
    assert again.body == b'{"done": 1}' and again.headers["idempotency-replayed"] == "true"


async def test_whoever_leaves_while_the_key_is_taken_has_done_nothing_and_holds_nothing(troubled: Troubled) -> None:
    troubled.held, work = asyncio.Event(), Work()
    await left(troubled, asyncio.create_task(once(troubled)(ADA, {}, work)))
    assert work.done == 0
    assert await Idempotency(troubled).claim("ada", "k", "r") is None
    assert len(asyncio.all_tasks()) == 1


async def test_what_takes_long_keeps_its_key(troubled: Troubled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "LONGEST", timedelta(seconds=0.15))
    over = asyncio.Event()

    async def work() -> Done:
        await over.wait()
        return Done({})

    async def made() -> Any:
        async with troubled.session() as session:
            return (await session.execute(select(IdempotencyRow.made_at))).scalar_one_or_none()

    asking = asyncio.create_task(once(troubled)(ADA, {}, work))
    async with asyncio.timeout(30):
        while (first := await made()) is None:
            await asyncio.sleep(0.01)
        while await made() == first:
            await asyncio.sleep(0.01)
    over.set()
    assert (await asking).status_code == 200 and len(asyncio.all_tasks()) == 1


async def test_what_is_not_to_be_remembered_is_done_again(troubled: Troubled) -> None:
    async def work() -> Done:
        return Done({"refused": True}, keep=False, headers={"Retry-After": "7"})

    for _ in range(2):
        found = await once(troubled)(ADA, {}, work)
        assert found.headers["retry-after"] == "7" and "idempotency-replayed" not in found.headers


@pytest.fixture
async def one_at_once(tmp_path: Path, _demo_index: Path) -> AsyncIterator[Assistant]:
    """An assistant that answers one turn of a person at a time."""
    limits: Any = {"person": {"at_once": 1}}
    records = Records(url=f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    async with build_assistant(Settings(data=_demo_index, records=records, limits=limits)) as assistant:
        yield assistant


def asked(assistant: Assistant, render: Any = lambda _: None, key: str | None = "k") -> Any:
    async def prepare() -> Turn:
        return await assistant.service.prepare("What is the hotel cap in London?", person=ADA)

    return Once(assistant, key, "POST /api/v1/chat")(ADA, {}, prepare, render)


async def told(response: Any) -> list[Any]:
    assert isinstance(response, EventStream)
    return events("".join([str(frame) async for frame in response.body_iterator]))


async def statuses(assistant: Assistant) -> list[str]:
    async with assistant.records.session() as session:
        return list((await session.execute(select(TurnRow.status))).scalars())


def _broken(_: Turn) -> Renderer | None:
    raise KeyError("portal")


@pytest.mark.parametrize("key", ["k", None])
async def test_a_turn_that_cannot_be_shown_is_ended_and_gives_its_place_back(
    one_at_once: Assistant, key: str | None
) -> None:
    with pytest.raises(KeyError):
        await asked(one_at_once, _broken, key)
    assert await statuses(one_at_once) == ["stopped"]
    assert (await told(await asked(one_at_once, key=None)))[-1]["type"] == "finished", "its place is free"


async def test_a_turn_that_nobody_reads_is_ended_and_gives_its_place_back(one_at_once: Assistant) -> None:
    response = await asked(one_at_once)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        await asyncio.sleep(30)

    await response({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    assert await statuses(one_at_once) == ["stopped"]
    assert (await told(await asked(one_at_once)))[-1]["code"] == "stopped"
    assert (await told(await asked(one_at_once, key=None)))[-1]["type"] == "finished"


async def test_whoever_leaves_before_the_stream_leaves_a_turn_that_has_stopped(one_at_once: Assistant) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def prepare() -> Turn:
        reached.set()
        await go.wait()
        return await one_at_once.service.prepare("hello", person=ADA)

    asking = asyncio.create_task(Once(one_at_once, "k", "POST /api/v1/chat")(ADA, {}, prepare))
    await reached.wait()
    asking.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await statuses(one_at_once) == ["stopped"]
    assert (await told(await asked(one_at_once)))[-1]["code"] == "stopped"


async def test_a_turn_without_a_sign_of_life_does_not_hold_its_key(one_at_once: Assistant) -> None:
    response = await asked(one_at_once)
    with pytest.raises(TurnRejected, match="being carried out"):
        await asked(one_at_once)
    async with one_at_once.records.session() as session:
        await session.execute(update(TurnRow).values(written_at=now() - LONGEST - timedelta(seconds=1)))
    assert (await told(await asked(one_at_once)))[-1]["code"] == "stopped", "its process was killed"
    await response.body_iterator.aclose()


async def test_a_turn_is_remembered_before_its_end_is_told(one_at_once: Assistant) -> None:
    found = await told(await asked(one_at_once))
    earlier = await Idempotency(one_at_once.records).claim("ada", "k", "r")
    assert isinstance(earlier, Earlier) and earlier.turn == found[0]["turn"]
    assert not [each for each in asyncio.all_tasks() if "_keep(" in repr(each.get_coro())]
