"""Turns from the front door to the records."""

import asyncio
import gc
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.app import Assistant
from assistant.conversation.ahead import begun
from assistant.conversation.events import Finished, TextDelta
from assistant.conversation.service import TurnRejected
from assistant.knowledge.base import DocumentBase
from assistant.knowledge.embedder import EmbedderError
from assistant.records.repository import RecordsError, Repository
from connectors import errors
from connectors.scripted import ScriptedModel, Step
from tests.conftest import answer_with


async def say(assistant: Assistant, text: str, **where: object) -> tuple[str, list[object]]:
    turn = await assistant.service.prepare(text, person="ada", **where)
    return turn.conversation, [event async for event in assistant.service.run(turn)]


async def test_a_conversation_is_recorded_and_goes_on(demo: Assistant) -> None:
    conversation, _ = await say(demo, "What is the hotel cap in London?")
    _, events = await say(demo, "and in Paris?", conversation=conversation)
    assert "Rest of Europe" in events[-1].answer
    turns = await demo.records.turns(conversation)
    assert [turn.text for turn in turns] == ["What is the hotel cap in London?", "and in Paris?"]
    assert [turn.status for turn in turns] == ["finished", "finished"]
    assert turns[0].answer == turns[0].ended["answer"] and turns[0].routed["route"] == "retrieve"
    assert turns[0].retrieved["passages"][0]["title"] == "Travel and expenses"


async def test_a_stopped_turn_keeps_its_partial_text(demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step(["one ", "two ", "three "], delay=0.01)]))
    turn = await demo.service.prepare("hello", person="ada")
    async with aclosing(demo.service.run(turn)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    (stored,) = await demo.records.turns(turn.conversation)
    assert (stored.status, stored.answer.rstrip(), stored.ended) == ("stopped", "one", None)
    assert stored.routed["route"] == "voice"


async def test_a_cancelled_turn_keeps_its_partial_text(demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step(["one "] * 500, delay=0.01)]))
    turn = await demo.service.prepare("hello", person="ada")
    seen = asyncio.Event()

    async def consume() -> None:
        async with aclosing(demo.service.run(turn)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    seen.set()

    task = asyncio.create_task(consume())
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (stored,) = await demo.records.turns(turn.conversation)
    assert stored.status == "stopped" and stored.answer.startswith("one")


async def test_a_failed_turn_is_recorded_as_failed(demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step(["par"], errors.Unavailable("down"))]))
    conversation, _ = await say(demo, "hello")
    (stored,) = await demo.records.turns(conversation)
    assert (stored.status, stored.answer, stored.ended["code"]) == ("failed", "par", "model_unavailable")


@pytest.mark.parametrize(
    ("text", "where", "code"),
    [
        ("", {}, "empty_turn"),
        (" \n\t ", {}, "empty_turn"),
        ("x" * 100_000, {}, "turn_too_long"),
        ("hi", {"collection": "nowhere"}, "unknown_collection"),
        ("hi", {"surface": "nowhere"}, "unknown_surface"),
        ("hi", {"route": "sideways"}, "unknown_route"),
        ("hi", {"conversation": "00000000-0000-0000-0000-000000000000"}, "unknown_conversation"),
    ],
)
async def test_what_cannot_be_run_is_refused_with_a_code(
    demo: Assistant, text: str, where: dict[str, str], code: str
) -> None:
    with pytest.raises(TurnRejected) as caught:
        await demo.service.prepare(text, person="ada", **where)
    assert caught.value.code == code and str(caught.value)


async def test_a_refusal_of_a_collection_names_those_there_are(demo: Assistant) -> None:
    with pytest.raises(TurnRejected, match="There is: demo"):
        await demo.service.prepare("hi", person="ada", collection="nowhere")


async def test_a_conversation_is_its_persons_alone(demo: Assistant) -> None:
    conversation, _ = await say(demo, "hello")
    with pytest.raises(TurnRejected) as caught:
        await demo.service.prepare("what did she say?", person="eve", conversation=conversation)
    assert caught.value.code == "unknown_conversation"


async def test_two_turns_at_once_in_one_conversation_get_places_of_their_own(demo: Assistant) -> None:
    conversation, _ = await say(demo, "hello")
    done = await asyncio.gather(*(say(demo, text, conversation=conversation) for text in ("thanks", "bye", "hi")))
    assert all(isinstance(events[-1], Finished) for _, events in done)
    assert len(await demo.records.turns(conversation)) == 4


async def test_records_survive_a_reopen(tmp_path: Path) -> None:
    records = Repository(f"sqlite+aiosqlite:///{tmp_path / 'r.db'}")
    await records.open()
    conversation = await records.start_conversation("ada", "portal", "said")
    await records.start_turn(conversation, "said")
    await records.close()
    await records.open()
    assert [(turn.text, turn.status) for turn in await records.turns(conversation)] == [("said", "running")]
    await records.close()


@pytest.mark.parametrize(
    "url",
    ["nonsense", "mysql+nothing://u:planted-secret@h/d", "sqlite+aiosqlite:////proc/none/r.db", "sqlite:///x.db"],
)
async def test_a_database_that_cannot_be_used_is_said_without_its_password(url: str) -> None:
    with pytest.raises(RecordsError) as caught:
        await Repository(url).open()
    assert "planted-secret" not in str(caught.value)
    # aiosqlite tells the loop about its end from a thread of its own, a moment after it failed to connect.
    await asyncio.sleep(0.1)


def test_the_migrations_make_what_the_models_say() -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from assistant.records.database import migrate
    from assistant.records.models import Base

    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


async def test_a_turn_whose_end_is_being_recorded_is_recorded_though_its_reader_leaves(
    demo: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(demo, ScriptedModel([Step(["whole"])]))
    turn = await demo.service.prepare("hello", person="ada")
    saving, end = asyncio.Event(), demo.records.end_turn

    async def slowly(*args: object, **named: object) -> None:
        saving.set()
        await asyncio.sleep(0.1)
        await end(*args, **named)

    monkeypatch.setattr(demo.records, "end_turn", slowly)

    async def read() -> None:
        async for _ in demo.service.run(turn):
            pass

    task = asyncio.create_task(read())
    await saving.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.3)
    (stored,) = await demo.records.turns(turn.conversation)
    assert (stored.status, stored.answer) == ("finished", "whole")


async def test_a_turn_that_is_recorded_slowly_is_understood_meanwhile(
    demo: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, found = demo.records.begin, asyncio.Event()

    async def slowly(*given: object) -> tuple[str, str]:
        async with asyncio.timeout(30):
            await found.wait()
        return await begin(*given)

    look = DocumentBase.search

    async def looked(*given: object) -> object:
        try:
            return await look(*given)
        finally:
            found.set()

    monkeypatch.setattr(demo.records, "begin", slowly)
    monkeypatch.setattr(DocumentBase, "search", looked)
    _, events = await say(demo, "What is the hotel cap in London?")
    assert "£165" in events[-1].answer


async def test_what_was_begun_of_a_turn_that_is_not_run_troubles_nobody(
    demo: Assistant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor do its faults: of a task that fails unheard, the log would say so."""

    async def fail(*_: object) -> object:
        raise EmbedderError("the embedding endpoint failed")

    monkeypatch.setattr(demo.service.engine._router, "embed", fail)
    turn = await demo.service.prepare("What is the hotel cap in London?", person="ada")
    await demo.service.drop(turn)
    await asyncio.sleep(0.05)
    del turn
    gc.collect()
    assert "never retrieved" not in caplog.text
    turn = await demo.service.prepare("What is the hotel cap in London?", person="ada")
    events = [event async for event in demo.service.run(turn)]
    assert (events[-1].code, [type(event).__name__ for event in events]) == ("embedder_error", ["Routed", "Failed"])


async def test_a_turn_that_another_engine_has_begun_is_begun_anew(demo: Assistant) -> None:
    turn = await demo.service.prepare("What is the hotel cap in London?", person="ada")
    assert turn.ahead is not None and turn.ahead.of(demo.service.engine) is turn.ahead
    assert turn.ahead.of(object()) is None

    async def stale() -> object:
        raise EmbedderError("of the engine before")

    elsewhere = replace(turn, ahead=replace(turn.ahead, by=object(), scores=begun(stale())))
    events = [event async for event in demo.service.run(elsewhere)]
    assert "£165" in events[-1].answer
