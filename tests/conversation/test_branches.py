"""Turns that are run again and edited, branches, feedback, and what is kept of turns that run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from assistant.app import Assistant
from assistant.conversation import keeping
from assistant.conversation.events import Event, Failed, Finished, TextDelta
from assistant.conversation.service import ChatService, Front, Limits, TurnRejected
from assistant.conversation.turn import Message, Turn
from assistant.records.feedback import Feedbacks
from assistant.records.repository import RecordsError, Repository
from connectors import errors
from connectors.scripted import ScriptedModel, Step
from tests.conftest import answer_with
from tests.records.conftest import postgres_socket as postgres_socket
from tests.records.conftest import url as url


async def run(service: ChatService, turn: Turn) -> list[Event]:
    return [event async for event in service.run(turn)]


async def say(service: ChatService, text: str, **where: Any) -> Turn:
    turn = await service.prepare(text, **{"person": "ada", "route": "voice", **where})
    await run(service, turn)
    return turn


def parrot(assistant: Assistant, count: int = 20) -> None:
    answer_with(assistant, ScriptedModel([Step([f"answer {number}"]) for number in range(count)]))


async def shown(assistant: Assistant, conversation: str) -> list[str]:
    return [turn.text for turn in await assistant.records.turns(conversation)]


async def test_any_turn_is_run_again_and_what_is_said_next_follows_the_new_answer(demo: Assistant) -> None:
    parrot(demo)
    one = await say(demo.service, "one")
    two = await say(demo.service, "two", conversation=one.conversation)
    again = await demo.service.again(one.id, None, person="ada")
    assert (again.text, again.history, again.route, again.conversation) == ("one", (), None, one.conversation)
    await run(demo.service, again)
    assert await shown(demo, one.conversation) == ["one"]
    three = await demo.service.prepare("three", person="ada", conversation=one.conversation)
    assert three.history == (Message("user", "one"), Message("assistant", "answer 2"))
    await demo.service.show(two.id, person="ada")
    four = await demo.service.prepare("four", person="ada", conversation=one.conversation)
    assert [each.content for each in four.history] == ["one", "answer 0", "two", "answer 1"]
    assert await shown(demo, one.conversation) == ["one", "two", "four"]


async def test_a_turn_is_edited_and_reads_only_what_was_before_it(demo: Assistant) -> None:
    parrot(demo)
    one = await say(demo.service, "one")
    two = await say(demo.service, "two", conversation=one.conversation)
    await say(demo.service, "three", conversation=one.conversation)
    edited = await demo.service.edit(two.id, "  zwei ", person="ada", route="retrieve", collection="demo")
    assert (edited.text, edited.history, edited.route) == ("zwei", two.history, "retrieve")
    assert edited.collections == frozenset({"demo"})
    await run(demo.service, edited)
    stored = (await demo.records.turns(one.conversation))[-1]
    assert (stored.text, stored.collection, stored.status) == ("zwei", "demo", "finished")
    assert stored.siblings == (two.id, edited.id)
    assert await shown(demo, one.conversation) == ["one", "zwei"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda service, turn: service.edit(turn, " ", person="ada"), "empty_turn"),
        (lambda service, turn: service.edit(turn, "\ud800", person="ada"), "not_text"),
        (lambda service, turn: service.edit(turn, "x" * 100_000, person="ada"), "turn_too_long"),
        (lambda service, turn: service.edit(turn, "x", person="ada", route="sideways"), "unknown_route"),
        (lambda service, turn: service.edit(turn, "x", person="ada", collection="no"), "unknown_collection"),
        (lambda service, turn: service.edit(turn, "x", person="eve"), "unknown_turn"),
        (lambda service, turn: service.again(turn, "sideways", person="ada"), "unknown_route"),
        (lambda service, turn: service.again(turn, None, person="eve"), "unknown_turn"),
        (lambda service, turn: service.again("\x00", None, person="ada"), "unknown_turn"),
        (lambda service, turn: service.show(turn, person="eve"), "unknown_turn"),
        (lambda service, turn: service.show("ü", person="ada"), "unknown_turn"),
        (lambda service, turn: service.feedback(turn, "up", person="eve"), "unknown_turn"),
        (lambda service, turn: service.feedback(turn, "sideways", person="ada"), "unknown_thumb"),
        (lambda service, turn: service.feedback(turn, "up", "x" * 2001, person="ada"), "comment_too_long"),
        (lambda service, turn: service.feedback(turn, "up", "\ud800", person="ada"), "not_text"),
        (lambda service, turn: service.prepare("x", person="ada", conversation="\x00"), "unknown_conversation"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_changes_nothing(demo: Assistant, call: Any, code: str) -> None:
    turn = await demo.service.prepare("hello", person="ada")
    with pytest.raises(TurnRejected) as caught:
        await call(demo.service, turn.id)
    assert caught.value.code == code and str(caught.value)
    assert len(await demo.records.tree(turn.conversation)) == 1
    assert await Feedbacks(demo.records).listed() == []


async def test_a_thumb_with_a_comment_is_kept_changed_and_taken_back(demo: Assistant) -> None:
    turn = await demo.service.prepare("hello", person="ada")
    kept = Feedbacks(demo.records)
    given = await demo.service.feedback(turn.id, "down", " not what I\x00asked ", person="ada")
    assert given is not None and (given.thumb, given.comment) == ("down", "not what I\ufffdasked")
    assert await kept.of(turn.conversation, "ada") == {turn.id: given}
    await demo.service.feedback(turn.id, "up", person="ada")
    assert [(each.thumb, each.comment) for each in await kept.listed()] == [("up", "")]
    assert await demo.service.feedback(turn.id, None, "why", person="ada") is None
    assert await kept.listed() == []


async def test_a_conversation_is_full_by_the_branch_that_is_shown(demo: Assistant) -> None:
    service = of(demo, demo.records, Limits(conversation_turns=2))
    one = await service.prepare("one", person="ada")
    two = await service.prepare("two", person="ada", conversation=one.conversation)
    with pytest.raises(TurnRejected) as caught:
        await service.prepare("three", person="ada", conversation=one.conversation)
    assert caught.value.code == "conversation_full"
    await service.edit(two.id, "zwei", person="ada")
    await service.again(one.id, None, person="ada")
    assert (await service.prepare("three", person="ada", conversation=one.conversation)).conversation


def of(assistant: Assistant, records: Repository, limits: Limits | None = None, **more: Any) -> ChatService:
    async def readable(_: object) -> set[str]:
        return {"demo", "hr"}

    return ChatService(Front(assistant.service.engine, {"portal": readable}, limits or Limits()), records, **more)


async def test_what_is_attached_to_a_conversation_is_searched_by_its_turns_alone(demo: Assistant) -> None:
    files: dict[str, frozenset[str]] = {}

    async def attached(conversation: str) -> frozenset[str]:
        return files.get(conversation, frozenset())

    service = of(demo, demo.records, attached=attached)
    conversation = await demo.records.start_conversation("ada", "portal")
    files[conversation] = frozenset({"files-1"})
    turn = await service.prepare("what is in it?", person="ada", conversation=conversation)
    assert turn.collections == frozenset({"demo", "hr", "files-1"})
    chosen = await service.edit(turn.id, "x", person="ada", collection="hr")
    assert chosen.collections == frozenset({"hr", "files-1"})
    assert (await service.again(turn.id, None, person="ada")).collections == turn.collections
    other = await service.prepare("and here?", person="ada")
    assert other.collections == frozenset({"demo", "hr"})
    with pytest.raises(TurnRejected, match="There are: demo, hr"):
        await service.prepare("x", person="ada", conversation=conversation, collection="files-1")


@pytest.fixture
async def database(url: str, tmp_path: Path) -> AsyncIterator[Repository]:
    records = Repository(url)
    await records.open()
    yield records
    await records.close()


async def until(records: Repository, turn: str, text: str) -> None:
    async with asyncio.timeout(20):
        while (found := await records.turn(turn, "ada")) is None or text not in found.answer:
            await asyncio.sleep(0.02)


async def test_what_is_written_is_kept_while_it_is_written_and_the_end_has_the_last_word(
    demo: Assistant, database: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SECONDS", 0.05)
    answer_with(demo, ScriptedModel([Step([f"w{number} " for number in range(40)], delay=0.02) for _ in range(2)]))
    service = of(demo, database)
    turns = [await service.prepare(text, person="ada", route="voice") for text in ("hello", "good day")]
    running = [asyncio.create_task(run(service, turn)) for turn in turns]
    for turn in turns:
        await until(database, turn.id, "w5")
        stored = await database.turn(turn.id, "ada")
        assert stored is not None and stored.status == "running" and "w39" not in stored.answer
        assert stored.routed is not None and stored.routed["turn"] == turn.id
    await asyncio.gather(*running)
    for turn in turns:
        stored = await database.turn(turn.id, "ada")
        assert stored is not None and stored.status == "finished" and stored.answer.rstrip().endswith("w39")
    await asyncio.sleep(0.1)
    assert not [task for task in asyncio.all_tasks() if "_keep" in str(task.get_coro())], "nothing is left running"


async def test_a_database_that_fails_in_between_ends_no_answer(
    demo: Assistant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping, "SECONDS", 0.02)
    answer_with(demo, ScriptedModel([Step([f"w{number} " for number in range(20)], delay=0.02)]))
    keep, failed = demo.records.keep, 0

    async def locked_at_first(partials: Any) -> None:
        nonlocal failed
        failed += 1
        if failed <= 2:
            raise RecordsError("the database is locked")
        await keep(partials)

    monkeypatch.setattr(demo.records, "keep", locked_at_first)
    turn = await demo.service.prepare("hello", person="ada", route="voice")
    events = await run(demo.service, turn)
    assert isinstance(events[-1], Finished) and failed > 2
    assert "could not be recorded" in caplog.text


async def test_a_turn_that_is_stopped_while_it_is_being_kept_is_recorded_as_stopped(
    demo: Assistant, database: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SECONDS", 0.01)
    answer_with(demo, ScriptedModel([Step([f"w{number} " for number in range(500)], delay=0.005) for _ in range(5)]))
    service = of(demo, database)
    for words in range(5, 30, 5):
        turn = await service.prepare("hello", person="ada", route="voice")
        seen = 0
        async with aclosing(service.run(turn)) as events:
            async for event in events:
                seen += isinstance(event, TextDelta)
                if seen == words:
                    break
        await asyncio.sleep(0.05)
        stored = await database.turn(turn.id, "ada")
        assert stored is not None and stored.status == "stopped"
        assert stored.answer.split() == [f"w{number}" for number in range(words)]


async def test_two_turns_of_one_conversation_run_at_once(demo: Assistant, database: Repository) -> None:
    answer_with(demo, ScriptedModel([Step([f"w{number} " for number in range(9)], delay=0.01) for _ in range(9)]))
    service = of(demo, database)
    first = await say(service, "hello")
    where: dict[str, Any] = {"person": "ada", "route": "voice"}
    turns = await asyncio.gather(
        service.prepare("one", conversation=first.conversation, **where),
        service.prepare("two", conversation=first.conversation, **where),
        service.again(first.id, "voice", person="ada"),
        service.edit(first.id, "good day", **where),
    )
    ended = await asyncio.gather(*(run(service, turn) for turn in turns))
    assert all(isinstance(events[-1], Finished) for events in ended)
    tree = await database.tree(first.conversation)
    assert {turn.id for turn in tree} == {first.id, *(turn.id for turn in turns)}
    assert all(turn.status == "finished" and turn.answer for turn in tree)
    found = await service.conversations.export(first.conversation, "ada", "json")
    assert found is not None and all(turn.id in found for turn in turns)


async def test_another_branch_is_shown_while_a_turn_runs_which_ends_in_its_own(
    demo: Assistant, database: Repository
) -> None:
    answer_with(demo, ScriptedModel([Step(["fine"]), Step([f"w{number} " for number in range(30)], delay=0.01)] * 2))
    service = of(demo, database)
    first = await say(service, "hello")
    again = await service.again(first.id, "voice", person="ada")
    running = asyncio.create_task(run(service, again))
    await asyncio.sleep(0.1)
    await service.show(first.id, person="ada")
    assert [turn.id for turn in await database.turns(first.conversation)] == [first.id]
    await running
    assert [turn.id for turn in await database.turns(first.conversation)] == [first.id]
    stored = await database.turn(again.id, "ada")
    assert stored is not None and stored.status == "finished"


async def test_a_conversation_that_is_deleted_while_a_turn_runs_stays_deleted(
    demo: Assistant, database: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SECONDS", 0.05)
    answer_with(demo, ScriptedModel([Step([f"w{number} " for number in range(30)], delay=0.02)]))
    service = of(demo, database)
    turn = await service.prepare("hello", person="ada", route="voice")
    running = asyncio.create_task(run(service, turn))
    await until(database, turn.id, "w3")
    assert await service.conversations.delete(turn.conversation, "ada") is True
    events = await running
    assert isinstance(events[-1], Finished | Failed)
    assert await database.tree(turn.conversation) == [] and await database.turn(turn.id, "ada") is None
    for late in (
        service.prepare("more", person="ada", conversation=turn.conversation),
        service.again(turn.id, None, person="ada"),
        service.feedback(turn.id, "up", person="ada"),
        service.correct(turn.id, "look_up", person="ada"),
    ):
        with pytest.raises(TurnRejected, match="no such"):
            await late


async def test_whatever_meets_a_deletion_ends_in_a_refusal_or_is_done(demo: Assistant, database: Repository) -> None:
    service = of(demo, database)
    answer_with(demo, ScriptedModel([Step(["fine"]) for _ in range(6)]))
    for _ in range(6):
        turn = await say(service, "hello")
        met = await asyncio.gather(
            service.prepare("more", person="ada", conversation=turn.conversation),
            service.edit(turn.id, "other", person="ada"),
            service.show(turn.id, person="ada"),
            service.feedback(turn.id, "up", person="ada"),
            service.label(turn.id, "look_up", person="ada"),
            service.conversations.delete(turn.conversation, "ada"),
            return_exceptions=True,
        )
        assert met[-1] is True
        assert all(isinstance(each, TurnRejected) for each in met if isinstance(each, BaseException)), met
        assert await database.tree(turn.conversation) == [] and await Feedbacks(database).listed() == []
        assert await service.corrections() == []


async def test_what_a_model_writes_that_no_database_takes_is_kept_as_far_as_it_goes(
    demo: Assistant, database: Repository
) -> None:
    answer_with(demo, ScriptedModel([Step(["a\x00b", "\ud800c"]), Step([], errors.Unavailable("a\x00b"))]))
    service = of(demo, database)
    turn = await say(service, "what\x00now")
    stored = await database.turn(turn.id, "ada")
    assert stored is not None and (stored.text, stored.answer) == ("what\ufffdnow", "a\ufffdb?c")
    failed = await say(service, "again")
    stored = await database.turn(failed.id, "ada")
    assert stored is not None and stored.status == "failed"
