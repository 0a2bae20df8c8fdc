"""The engine over the real router, retriever and demo collection; only the language model is scripted."""

import asyncio
import shutil
from contextlib import aclosing
from dataclasses import replace
from typing import ClassVar

import pytest

from assistant.app import Assistant
from assistant.conversation.events import Checked, Event, Failed, Finished, Retrieved, Routed, TextDelta
from assistant.conversation.turn import Turn
from assistant.knowledge.embedder import EmbedderError
from assistant.routing import heads, shadow
from assistant.routing.encoder import SHIPPED
from assistant.routing.heads import INFORMATION, Head
from assistant.routing.versions import Versions
from assistant.settings import Router as RouterSettings
from connectors import errors
from connectors.scripted import ScriptedModel, Step
from tests.conftest import answer_with

LEAVE = "how many days of annual leave can I carry over, and until when?"


def turn(text: str, **changes: object) -> Turn:
    return Turn(text, collections=frozenset({"demo"}), id="t", conversation="c", **changes)


async def run(assistant: Assistant, asked: Turn) -> list[Event]:
    return [event async for event in assistant.service.engine.run(asked)]


def kinds(events: list[Event]) -> list[type]:
    found = [type(event) for event in events]
    return [kind for index, kind in enumerate(found) if kind is not TextDelta or found[index - 1] is not TextDelta]


async def test_a_question_is_looked_up_and_answered_with_citations(demo: Assistant) -> None:
    events = await run(demo, turn(LEAVE))
    assert kinds(events) == [Routed, Retrieved, TextDelta, Checked, Finished]
    routed, retrieved, checked, finished = events[0], events[1], events[-2], events[-1]
    assert routed.decision.route == "retrieve" and routed.decision.reasons and routed.decision.query == LEAVE
    assert retrieved.passages[0].chunk.document == "annual-leave.md" and retrieved.evidence.state == "supported"
    assert "5 days" in finished.answer and "30 June" in finished.answer
    assert checked.cited and not checked.invented
    assert list(finished.timings) == ["routed", "retrieved", "first_token", "finished"]
    assert list(finished.timings.values()) == sorted(finished.timings.values())


@pytest.mark.parametrize("text", ["hello", "thanks a lot!", "how are you?", "tell me a joke", "bye"])
async def test_small_talk_is_not_looked_up(demo: Assistant, text: str) -> None:
    events = await run(demo, turn(text))
    assert kinds(events) == [Routed, TextDelta, Checked, Finished]
    assert events[0].decision.route == "voice" and events[0].decision.query == ""
    assert events[-2].evidence is None


async def test_a_text_for_a_customer_is_looked_up_and_written_in_the_voice(demo: Assistant) -> None:
    model = ScriptedModel([Step(["Hello Maya, it sounds covered [1]."])])
    answer_with(demo, model)
    events = await run(demo, turn("Write a reply to a customer, Maya, whose two-year-old jacket has a broken zip."))
    assert events[0].decision.route == "both"
    system = model.requests[0].messages[0].text
    assert "in the organisation's voice" in system and "Person: " in system
    assert [part.number for part in model.requests[0].messages[-1].documents] == [1, 2, 3, 4, 5]
    model.done()


@pytest.mark.parametrize("route", ["voice", "retrieve", "both"])
async def test_a_person_can_choose_the_route(demo: Assistant, route: str) -> None:
    events = await run(demo, turn("hello", route=route))
    assert events[0].decision.route == route and events[0].decision.requested
    assert (Retrieved in kinds(events)) == (route != "voice")
    assert isinstance(events[-1], Finished)


async def test_a_turn_that_is_too_vague_is_asked_back_by_the_main_model(demo: Assistant) -> None:
    demo.settings = demo.settings.model_copy(update={"router": RouterSettings(ask=True, ask_threshold=0.0)})
    model = ScriptedModel([Step(["Which one do you mean?"])])
    answer_with(demo, model)
    demo._service = demo._build_service()
    events = await run(demo, turn("what is the cap?"))
    assert kinds(events) == [Routed, TextDelta, Checked, Finished] and events[0].decision.route == "ask"
    assert "one short question" in model.requests[0].messages[0].text
    model.done()


async def test_a_new_version_decides_from_the_next_turn_on_and_a_candidate_watches(demo: Assistant) -> None:
    versions = Versions(demo.settings.data)
    shipped = heads.load(SHIPPED)
    deaf = Head(shipped.heads[INFORMATION].weights * 0, -9.0)
    versions.install(replace(shipped, heads={**shipped.heads, INFORMATION: deaf}), "x", name="deaf")
    try:
        assert (await run(demo, turn(LEAVE)))[0].decision.route == "retrieve"
        shadow.start(versions, "deaf")
        await run(demo, turn(LEAVE))
        await asyncio.gather(*demo.service.engine.beside)
        seen = shadow.report(versions)
        assert seen is not None and (seen.seen, seen.differ) == (1, 1)
        shadow.stop(versions)
        versions.use("deaf")
        decided = (await run(demo, turn(LEAVE)))[0].decision
        assert (decided.route, decided.version) == ("voice", "deaf")
        versions.rollback()
        assert (await run(demo, turn(LEAVE)))[0].decision.route == "retrieve"
    finally:
        shutil.rmtree(versions.folder)


async def test_a_question_that_the_documents_do_not_answer_says_so(demo: Assistant) -> None:
    events = await run(demo, turn("what is the boiling point of tungsten hexafluoride?", route="retrieve"))
    assert events[1].evidence.state == "not_in_documents"


async def test_a_conversation_about_something_else_is_no_evidence(demo: Assistant) -> None:
    from assistant.conversation.turn import Message

    said = (Message("user", "What is the hotel cap per night in London?"), Message("assistant", "It is £165 [1]."))
    asked = "what is the boiling point of tungsten hexafluoride?"
    for history in ((), said, said * 3):
        events = await run(demo, turn(asked, route="retrieve", history=history))
        assert events[1].evidence.state == "not_in_documents", history
    on = await run(demo, turn("and outside of it?", route="retrieve", history=said))
    assert on[1].evidence.state != "not_in_documents", "a follow-up still rests on its conversation"


async def test_invented_citations_are_named(demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step(["Five days [1", "], surely [9]."])]))
    events = await run(demo, turn(LEAVE))
    checked = events[-2]
    assert isinstance(checked, Checked)
    assert (checked.evidence, checked.cited, checked.invented) == ("supported", (1,), (9,))
    assert events[-1].answer == "Five days [1], surely." and [mark.passages for mark in checked.marks] == [(1,)]


async def test_history_reaches_the_model_without_old_citations(demo: Assistant) -> None:
    from assistant.conversation.turn import Message

    model = ScriptedModel([Step(["ok"])])
    answer_with(demo, model)
    history = (Message("user", "annual leave?"), Message("assistant", "26 days [1][2]."))
    await run(demo, turn("and how much of it can I carry over?", history=history))
    assert [message.text for message in model.requests[0].messages[1:3]] == ["annual leave?", "26 days."]


@pytest.mark.parametrize(
    ("error", "code"),
    [(errors.RateLimited("wait"), "model_rate_limit"), (errors.Unavailable("down"), "model_unavailable")],
)
async def test_a_fault_of_the_model_ends_in_one_failed_with_the_partial_text(
    demo: Assistant, error: errors.ConnectorError, code: str
) -> None:
    answer_with(demo, ScriptedModel([Step(["Five ", "days"], error)]))
    events = await run(demo, turn(LEAVE))
    assert events[-1] == Failed(code, str(error), "Five days")
    assert sum(isinstance(event, Finished | Failed) for event in events) == 1


async def test_an_unexpected_fault_is_logged_and_shows_nothing_of_itself(
    demo: Assistant, caplog: pytest.LogCaptureFixture
) -> None:
    answer_with(demo, ScriptedModel([]))
    events = await run(demo, turn(LEAVE))
    assert isinstance(events[-1], Failed) and events[-1].code == "internal_error"
    assert "unexpected call" not in events[-1].message and "unexpected call" in caplog.text


async def test_where_the_search_fails_only_turns_that_need_it_do(
    demo: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down:
        async def search(self, *_: object) -> None:
            raise EmbedderError("the embedding endpoint failed")

        expect = search

    monkeypatch.setattr(demo.service.engine, "_retriever", Down())
    assert isinstance((await run(demo, turn("hello")))[-1], Finished)
    events = await run(demo, turn(LEAVE))
    assert kinds(events) == [Routed, Failed] and events[-1].code == "knowledge_unavailable"


async def test_what_follows_an_answer_is_made_ready_for_behind_it(
    demo: Assistant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Expecting:
        expected: ClassVar[list[str]] = []
        search = demo.base.search

        async def expect(self, answer: str) -> None:
            self.expected.append(answer)
            raise EmbedderError("the embedding endpoint failed")

    engine = demo.service.engine
    monkeypatch.setattr(engine, "_retriever", Expecting())
    events = await run(demo, turn(LEAVE))
    assert isinstance(events[-1], Finished)
    await asyncio.gather(*engine.beside)
    assert Expecting.expected == [events[-1].answer] and not engine.beside and "failed" not in caplog.text


async def test_an_empty_answer_is_a_failure(demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step([" "])]))
    assert (await run(demo, turn(LEAVE)))[-1].code == "model_empty"


async def test_closing_the_stream_stops_the_model(demo: Assistant) -> None:
    model = ScriptedModel([Step(["word "] * 1000, delay=0.005)])
    answer_with(demo, model)
    async with aclosing(demo.service.engine.run(turn(LEAVE))) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    assert model.closed == 1


async def test_many_turns_at_once_do_not_mix(demo: Assistant) -> None:
    texts = [LEAVE, "hello", "what is the hotel cap in London?", "thanks"] * 5
    runs = await asyncio.gather(*(run(demo, turn(text)) for text in texts))
    for text, events in zip(texts, runs, strict=True):
        assert isinstance(events[-1], Finished)
        if text == LEAVE:
            assert "30 June" in events[-1].answer
