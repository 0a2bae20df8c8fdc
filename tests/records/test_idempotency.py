"""Keys of requests: taken once, whoever tries, and forgotten in time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from assistant.access.identity import Identity
from assistant.app import build_assistant
from assistant.conversation.service import TurnRejected
from assistant.conversation.turn import Turn
from assistant.records import idempotency
from assistant.records.conversations import Conversations
from assistant.records.idempotency import KEPT, LONGEST, Earlier, Idempotency, IdempotencyRow
from assistant.records.models import TurnRow, now
from assistant.records.repository import Repository
from assistant.settings import Records, Settings
from tests.ui.people import events
from ui.idempotency import Once
from ui.turn_stream import EventStream


async def age(database: Repository, by: timedelta) -> None:
    async with database.session() as session:
        await session.execute(update(IdempotencyRow).values(made_at=now() - by))


async def test_of_all_who_try_at_once_one_gets_the_key(database: Repository, url: str) -> None:
    elsewhere = Repository(url)  # another process
    await elsewhere.open()
    for key in map(str, range(10)):
        tried = [Idempotency(each).claim("ada", key, "r") for each in (database, elsewhere) for _ in range(8)]
        found = await asyncio.gather(*tried)
        assert sorted(map(str, found)) == [str(Earlier("r"))] * 15 + ["None"]
    await elsewhere.close()


async def test_a_key_gives_what_was_kept_for_it_to_the_same_person_alone(database: Repository) -> None:
    kept = Idempotency(database)
    assert await kept.claim("ada", "k", "r") is None
    await kept.keep("ada", "k", answer='{"a": 1}')
    assert await kept.claim("ada", "k", "another") == Earlier("r", None, '{"a": 1}')
    assert await kept.claim("bob", "k", "r") is None, "keys are each person's own"
    await kept.release("ada", "k")
    assert await kept.claim("ada", "k", "another") is None


async def test_a_key_goes_with_its_conversation(database: Repository) -> None:
    kept = Idempotency(database)
    conversation, turn = await database.begin("ada", "portal", "hello")
    await kept.claim("ada", "k", "r")
    await kept.keep("ada", "k", turn=turn, conversation=conversation)
    assert await kept.claim("ada", "k", "r") == Earlier("r", turn)
    assert await Conversations(database).delete(conversation, "ada")
    assert await kept.claim("ada", "k", "r") is None
    await kept.keep("ada", "k", turn=turn, conversation=conversation)
    assert await kept.claim("ada", "k", "r") is None, "nothing is kept of what is gone"


async def test_keys_are_forgotten_after_a_day_and_those_that_a_killed_process_held_after_a_minute(
    database: Repository,
) -> None:
    kept = Idempotency(database)
    await kept.claim("ada", "done", "r")
    await kept.keep("ada", "done", answer="{}")
    await kept.claim("ada", "held", "r")
    await age(database, LONGEST - timedelta(seconds=20))
    assert await kept.claim("ada", "held", "r") == Earlier("r")
    await age(database, LONGEST + timedelta(seconds=1))
    assert await kept.claim("ada", "held", "r") is None
    assert await kept.claim("ada", "done", "r") == Earlier("r", None, "{}")
    await age(database, KEPT + timedelta(minutes=1))
    assert await kept.claim("ada", "done", "r") is None


async def test_what_is_too_old_is_deleted_once_in_a_while(
    database: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by its index: not with every claim, and without a walk over all rows."""
    kept = Idempotency(database)

    async def rows() -> int:
        async with database.session() as session:
            return (await session.execute(select(func.count()).select_from(IdempotencyRow))).scalar_one()

    await kept.claim("ada", "old", "r")
    await age(database, KEPT + timedelta(minutes=1))
    await kept.claim("ada", "new", "r")
    assert await rows() == 2, "a minute has not gone by"
    monkeypatch.setattr(idempotency, "PRUNED", 0.0)
    await kept.claim("ada", "newer", "r")
    assert await rows() == 2


async def test_a_claim_that_is_renewed_is_not_left(database: Repository) -> None:
    kept = Idempotency(database)
    await kept.claim("ada", "k", "r")
    await age(database, LONGEST + timedelta(minutes=1))
    await kept.renew("ada", "k")
    assert await kept.claim("ada", "k", "r") == Earlier("r")


async def test_neither_keys_nor_what_was_asked_for_are_stored(database: Repository) -> None:
    await Idempotency(database).claim("ada", "my secret key", "a" * 64)
    async with database.session() as session:
        (row,) = (await session.execute(select(IdempotencyRow))).scalars().all()
    assert len(row.key) == 64 and "ada" not in row.key and "secret" not in row.key


async def test_requests_with_one_key_that_come_at_once_make_one_turn(url: str, _demo_index: Path) -> None:
    async with build_assistant(Settings(data=_demo_index, records=Records(url=url))) as assistant:
        once, who = Once(assistant, "k", "POST /api/v1/chat"), Identity("ada")

        async def prepare() -> Turn:
            return await assistant.service.prepare("What is the hotel cap in London?", person=who)

        async def ask() -> str:
            try:
                response = await once(who, {"message": "the same"}, prepare)
            except TurnRejected as refused:
                return refused.code
            assert isinstance(response, EventStream)
            text = "".join([str(frame) async for frame in response.body_iterator])
            return str(events(text)[0]["turn"])

        found = await asyncio.gather(*(ask() for _ in range(12)))
        assert len(set(found) - {"in_progress"}) == 1
        assert await ask() in found, "and later it is told again"
        async with assistant.records.session() as session:
            assert (await session.execute(select(func.count()).select_from(TurnRow))).scalar_one() == 1


async def test_a_turn_that_ends_while_it_is_asked_for_again_is_not_told_as_stopped(
    url: str, _demo_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with build_assistant(Settings(data=_demo_index, records=Records(url=url))) as assistant:
        once, who = Once(assistant, "k", "POST /api/v1/chat"), Identity("ada")

        async def prepare() -> Turn:
            return await assistant.service.prepare("What is the hotel cap in London?", person=who)

        first = await once(who, {}, prepare)
        assert isinstance(first, EventStream)
        read = assistant.records.turn

        async def read_just_before_its_end(*which: str) -> object:
            found = await read(*which)
            assert [frame async for frame in first.body_iterator]
            return found

        with monkeypatch.context() as patched:
            patched.setattr(assistant.records, "turn", read_just_before_its_end)
            with pytest.raises(TurnRejected, match="is being carried out"):
                await once(who, {}, prepare)
        again = await once(who, {}, prepare)
        assert isinstance(again, EventStream)
        text = "".join([str(frame) async for frame in again.body_iterator])
        assert [events(text)[0]["type"], events(text)[-1]["type"]] == ["routed", "finished"]
