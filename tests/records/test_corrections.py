"""Corrections in the records."""

import asyncio
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from assistant.conversation.turn import Message
from assistant.records.corrections import Correction, Corrections, labelled
from assistant.records.models import ConversationRow
from assistant.records.repository import RecordsError, Repository
from assistant.routing.labelled import LabelledTurn, read, write

DECISION = {
    "route": "voice",
    "scores": {"information": 0.1, "voice": 0.2},
    "threshold": 0.2,
    "reasons": ["reads like conversation"],
    "query": "",
    "requested": False,
    "router_version": "linear-1",
}
HISTORY = (Message("user", "hello"), Message("assistant", "Hi. 😀"))


def correction(conversation: str, number: int = 1, **changed: object) -> Correction:
    made = Correction(
        turn=f"turn-{number}",
        conversation=conversation,
        question=f"question-{number}",
        verdict="look_up",
        person="ada",
        surface="portal",
        text="the cap?",
        history=HISTORY,
        information=True,
        voice=False,
        decision=DECISION,
        made_at=datetime(2026, 11, 1, 10, tzinfo=UTC),
    )
    return replace(made, **changed)  # type: ignore[arg-type]


async def test_a_correction_comes_back_as_it_was_said(database: Repository) -> None:
    conversation = await database.start_conversation("ada", "portal", "hello")
    kept = Corrections(database)
    told = [
        correction(conversation),
        correction(conversation, 2, information=False, voice=None, made_at=datetime(2026, 11, 2, tzinfo=UTC)),
    ]
    for each in reversed(told):
        await kept.note(each)
    assert await kept.listed() == told == await kept.listed(conversation)
    assert await kept.listed("another") == []


async def test_it_is_a_labelled_turn(database: Repository, tmp_path: Path) -> None:
    conversation = await database.start_conversation("ada", "portal", "hello")
    await Corrections(database).note(correction(conversation))
    (found,) = await labelled(database)
    assert found == LabelledTurn(
        turn="the cap?",
        history=HISTORY,
        information=True,
        voice=False,
        kind="correction",
        domain="portal",
        conversation=conversation,
        id="turn-1",
    )
    write(tmp_path / "corrections.jsonl", [found])
    assert read(tmp_path / "corrections.jsonl") == [found]


async def test_a_second_word_on_a_turn_replaces_the_first_and_can_be_taken_back(database: Repository) -> None:
    conversation = await database.start_conversation("ada", "portal", "hello")
    kept = Corrections(database)
    await kept.note(correction(conversation))
    await kept.note(correction(conversation, turn="again", verdict="in_voice", voice=True))
    assert [(each.turn, each.verdict, each.voice) for each in await kept.listed()] == [("again", "in_voice", True)]
    assert await kept.take_back(conversation, "question-1") is True
    assert await kept.take_back(conversation, "question-1") is False
    assert await kept.listed() == []


async def test_corrections_of_one_turn_at_once_leave_one(url: str) -> None:
    one, other = Repository(url), Repository(url)
    await one.open()
    await other.open()
    conversation = await one.start_conversation("ada", "portal", "hello")
    said = [(Corrections(each), verdict) for each in (one, other) for verdict in ("look_up", "in_voice")]
    await asyncio.gather(*(kept.note(correction(conversation, verdict=verdict)) for kept, verdict in said))
    assert len(await Corrections(one).listed()) == 1
    await one.close()
    await other.close()


async def test_a_conversation_that_is_deleted_takes_its_corrections_with_it(database: Repository) -> None:
    gone, stays = [await database.start_conversation("ada", "portal", "hello") for _ in range(2)]
    kept = Corrections(database)
    for conversation in (gone, stays):
        await kept.note(correction(conversation))
    async with database.session() as session:
        await session.execute(delete(ConversationRow).where(ConversationRow.id == gone))
    assert [each.conversation for each in await kept.listed()] == [stays]
    with pytest.raises(RecordsError, match="deleted"):
        await kept.note(correction(gone))


OPERATIONS = st.lists(
    st.tuples(st.integers(0, 3), st.one_of(st.none(), st.tuples(st.text(), st.booleans()))), min_size=1, max_size=12
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(OPERATIONS)
def test_whatever_is_said_and_taken_back_the_last_word_on_each_turn_is_kept(
    operations: list[tuple[int, tuple[str, bool] | None]],
) -> None:
    async def check() -> None:
        with tempfile.TemporaryDirectory() as folder:
            records = Repository(f"sqlite+aiosqlite:///{folder}/records.db")
            await records.open()
            conversation = await records.start_conversation("ada", "portal", "hello")
            kept, expected = Corrections(records), dict[int, Correction]()
            for count, (position, said) in enumerate(operations):
                if said is None:
                    assert await kept.take_back(conversation, f"question-{position}") == (position in expected)
                    expected.pop(position, None)
                    continue
                text, information = said
                at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=count)
                expected.pop(position, None)
                expected[position] = correction(
                    conversation, position, text=text, information=information, voice=None, made_at=at
                )
                await kept.note(expected[position])
            assert await kept.listed() == list(expected.values())
            await records.close()

    asyncio.run(check())
