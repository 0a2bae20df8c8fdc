"""What people say of routes: the table, and from the front door to the records and the next answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.app import Assistant
from assistant.conversation.correct import VERDICTS, Meant, Verdict, Voiced, meant, row, voiced_by
from assistant.conversation.events import Event, Failed, Finished, Retrieved, Routed
from assistant.conversation.routes import ROUTES
from assistant.conversation.service import ChatService, Front, TurnRejected
from assistant.conversation.turn import Message, Turn
from assistant.records.corrections import labelled
from assistant.routing.router import VoicePolicy
from connectors import errors
from connectors.scripted import ScriptedModel, Step
from tests.conftest import answer_with

LONDON = "What is the hotel cap in London?"


def decision(route: str, information: float, requested: bool = False) -> dict[str, Any]:
    return {
        "route": route,
        "scores": {"information": information, "voice": 0.4},
        "threshold": 0.2,
        "requested": requested,
    }


VOICE, RETRIEVE, BOTH = Meant(False, None), Meant(True, False), Meant(True, True)
DOUBT = decision("voice", 0.2)
"""Called for a lookup, but nothing in the documents came near."""
SURE = decision("voice", 0.19)
CHOSEN = decision("voice", 0.9, requested=True)


@pytest.mark.parametrize(
    ("verdict", "made", "voiced", "expected"),
    [
        ("look_up", SURE, False, RETRIEVE),
        ("look_up", SURE, True, BOTH),
        ("look_up", decision("both", 0.9), False, BOTH),
        ("look_up", decision("retrieve", 0.9), True, RETRIEVE),
        ("no_lookup", decision("retrieve", 0.9), True, VOICE),
        ("no_lookup", decision("both", 0.9), True, VOICE),
        ("no_lookup", SURE, True, VOICE),
        ("in_voice", decision("retrieve", 0.9), False, BOTH),
        ("in_voice", decision("retrieve", 0.1, requested=True), False, BOTH),
        ("in_voice", DOUBT, False, BOTH),
        ("in_voice", SURE, True, VOICE),
        ("in_voice", CHOSEN, True, VOICE),
        ("plainly", decision("both", 0.1), True, RETRIEVE),
        ("plainly", DOUBT, True, RETRIEVE),
        ("plainly", SURE, True, None),
        ("plainly", CHOSEN, True, None),
    ],
)
def test_what_is_meant(verdict: Verdict, made: dict[str, Any], voiced: bool, expected: Meant | None) -> None:
    assert meant(verdict, made, voiced) == expected


@pytest.mark.parametrize(
    ("surface", "score", "expected"),
    [("shop", 0.0, True), ("desk", 1.0, False), ("portal", 0.6, True), ("portal", 0.59, False), ("gone", 0.6, True)],
)
def test_the_policy_settles_the_voice_before_the_score(surface: str, score: float, expected: bool) -> None:
    policies: dict[str, VoicePolicy] = {"shop": "always", "desk": "never", "portal": "on_request"}
    assert voiced_by(policies, 0.6)(surface, score) is expected


def test_each_meaning_is_a_route() -> None:
    assert [each.route for each in (VOICE, RETRIEVE, BOTH)] == ["voice", "retrieve", "both"]


@given(
    st.sampled_from(VERDICTS),
    st.sampled_from([*ROUTES, "of an older version"]),
    st.floats(0, 1),
    st.booleans(),
    st.booleans(),
)
def test_a_meaning_holds_what_was_said_and_saying_it_again_of_the_next_answer_changes_nothing(
    verdict: Verdict, route: str, information: float, requested: bool, voiced: bool
) -> None:
    found = meant(verdict, decision(route, information, requested), voiced)
    if found is None:
        assert verdict == "plainly" and not (route in ROUTES and ROUTES[route].looks_up)  # type: ignore[index]
        return
    assert (found.voice is None) == (not found.information)
    assert found.information or verdict in ("no_lookup", "in_voice")
    assert found.voice is not True or verdict in ("look_up", "in_voice")
    again = decision(found.route, information, requested=True)
    assert meant(verdict, again, voiced) == found


async def run(service: ChatService, turn: Turn | None) -> list[Event]:
    assert turn is not None
    return [event async for event in service.run(turn)]


async def say(assistant: Assistant, text: str, **where: Any) -> Turn:
    turn = await assistant.service.prepare(text, **{"person": "ada", **where})
    await run(assistant.service, turn)
    return turn


async def test_a_turn_that_should_have_been_looked_up_is_kept_so_and_looked_up_at_once(demo: Assistant) -> None:
    first = await say(demo, "hello", route="voice")
    asked = await say(demo, LONDON, conversation=first.conversation, route="voice")
    again = await demo.service.correct(asked.id, "look_up", person="ada")
    assert again is not None and again.id != asked.id
    assert (again.text, again.conversation, again.history, again.route) == (
        LONDON,
        asked.conversation,
        asked.history,
        "retrieve",
    )
    events = await run(demo.service, again)
    assert isinstance(events[0], Routed) and isinstance(events[1], Retrieved) and isinstance(events[-1], Finished)
    assert "£165" in events[-1].answer

    shown = await demo.records.turns(asked.conversation)
    assert [turn.id for turn in shown] == [first.id, again.id] and "£165" in shown[1].answer
    assert shown[1].siblings == (asked.id, again.id)
    (kept,) = await labelled(demo.records)
    assert (kept.turn, kept.history, kept.information, kept.voice) == (LONDON, asked.history, True, False)
    assert (kept.kind, kept.domain, kept.conversation) == ("correction", "portal", asked.conversation)

    follow = await demo.service.prepare("and in Paris?", person="ada", conversation=asked.conversation)
    assert follow.history[:3] == (*asked.history, Message("user", LONDON)), "the newest answer counts from now on"
    assert "£165" in follow.history[3].content and len(follow.history) == 4


async def test_the_decision_that_was_made_is_kept_with_it(demo: Assistant) -> None:
    asked = await say(demo, LONDON)
    await demo.service.correct(asked.id, "no_lookup", person="ada")
    (kept,) = await demo.service.corrections()
    assert set(kept.decision) == {"route", "scores", "threshold", "reasons", "query", "requested", "router_version"}
    assert kept.decision["route"] == "retrieve" and kept.decision["requested"] is False
    assert (kept.person, kept.surface, kept.turn, kept.verdict) == ("ada", "portal", asked.id, "no_lookup")
    shown = row(kept)
    assert (shown["route"], shown["information"], shown["voice"], shown["id"]) == ("voice", False, None, asked.id)


async def test_an_earlier_turn_is_corrected_without_what_came_after_it_and_the_branch_ends_with_the_new_answer(
    demo: Assistant,
) -> None:
    first = await say(demo, "hello", route="voice")
    asked = await say(demo, LONDON, conversation=first.conversation, route="voice")
    after = await say(demo, "thanks, bye", conversation=first.conversation)
    again = await demo.service.correct(asked.id, "look_up", person="ada")
    assert again is not None and (again.history, again.route) == (asked.history, "retrieve")
    (kept,) = await labelled(demo.records)
    assert kept.history == asked.history and len(kept.history) == 2
    assert [turn.id for turn in await demo.records.turns(first.conversation)] == [first.id, again.id]
    await demo.service.show(after.id, person="ada")
    assert [turn.id for turn in await demo.records.turns(first.conversation)] == [first.id, asked.id, after.id]
    await demo.service.label(asked.id, "in_voice", person="ada")
    assert len(await labelled(demo.records)) == 1, "it is the same question on whichever branch"


async def test_the_same_place_with_other_words_is_another_question(demo: Assistant) -> None:
    asked = await say(demo, LONDON, route="voice")
    edited = await demo.service.edit(asked.id, "What is the cap in Paris?", person="ada", route="voice")
    await run(demo.service, edited)
    for turn in (asked, edited):
        await demo.service.label(turn.id, "look_up", person="ada")
    assert {each.turn for each in await labelled(demo.records)} == {LONDON, "What is the cap in Paris?"}
    assert await demo.service.take_back(edited.id, person="ada") is True
    assert [each.turn for each in await labelled(demo.records)] == [LONDON]


async def test_the_last_word_on_a_turn_counts_also_where_it_is_said_of_the_next_answer(demo: Assistant) -> None:
    asked = await say(demo, LONDON, route="voice")
    again = await demo.service.correct(asked.id, "look_up", person="ada")
    await run(demo.service, again)
    assert again is not None
    third = await demo.service.correct(again.id, "in_voice", person="ada")
    assert third is not None and third.route == "both"
    (kept,) = await labelled(demo.records)
    assert (kept.information, kept.voice, kept.id) == (True, True, again.id)
    assert await demo.service.take_back(asked.id, person="ada") is True
    assert await labelled(demo.records) == []
    assert await demo.service.take_back(asked.id, person="ada") is False


async def test_stopped_and_failed_turns_are_corrected_too(demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step(["par"], errors.Unavailable("down")), Step(["fine"])]))
    asked = await say(demo, "hello", route="voice")
    again = await demo.service.correct(asked.id, "look_up", person="ada")
    await run(demo.service, again)
    (shown,) = await demo.records.turns(asked.conversation)
    assert (shown.status, shown.answer) == ("finished", "fine")


def service_of(demo: Assistant, readable: set[str], voiced: Voiced = lambda *_: False) -> ChatService:
    async def what_may_be_read(_: object) -> set[str]:
        return readable

    return ChatService(Front(demo.service.engine, {"portal": what_may_be_read}, voiced=voiced), demo.records)


async def test_the_routers_rule_for_the_voice_is_asked(demo: Assistant) -> None:
    asked = await say(demo, LONDON, route="voice")
    told: list[tuple[str, float]] = []
    service = service_of(demo, {"demo"}, lambda *given: bool(told.append(given)) or True)  # type: ignore[func-returns-value]
    again = await service.correct(asked.id, "look_up", person="ada")
    assert again is not None and again.route == "both"
    (stored, _) = await demo.records.tree(asked.conversation)
    assert stored.routed is not None and told == [("portal", stored.routed["scores"]["voice"])]


async def test_a_turn_is_run_again_in_the_collection_that_it_was_asked_of(demo: Assistant) -> None:
    readable = {"demo", "hr"}
    service = service_of(demo, readable)
    asked = await service.prepare(LONDON, person="ada", collection="demo", route="voice")
    await run(service, asked)
    again = await service.correct(asked.id, "look_up", person="ada")
    assert again is not None and again.collections == frozenset({"demo"})
    readable.remove("demo")
    assert await service.correct(asked.id, "look_up", person="ada") is None, "it may not be read any more"
    assert len(await demo.records.tree(asked.conversation)) == 2
    assert len(await service.corrections()) == 1


@pytest.mark.parametrize(
    ("verdict", "person", "code"),
    [
        ("look_up", "eve", "unknown_turn"),
        ("sideways", "ada", "unknown_verdict"),
        ("plainly", "ada", "nothing_to_look_up"),
    ],
)
async def test_what_cannot_be_said_is_refused_and_not_kept(
    demo: Assistant, verdict: str, person: str, code: str
) -> None:
    asked = await say(demo, "hello", route="voice")
    with pytest.raises(TurnRejected) as caught:
        await demo.service.correct(asked.id, verdict, person=person)
    assert caught.value.code == code and str(caught.value)
    assert await demo.service.corrections() == []
    assert len(await demo.records.tree(asked.conversation)) == 1


async def test_somebody_elses_turn_is_refused_in_the_words_of_one_that_does_not_exist(demo: Assistant) -> None:
    asked = await say(demo, "hello")
    said = []
    for turn in (asked.id, "00000000-0000-0000-0000-000000000000", "", "\x00", "ü\ud800"):
        for call in (demo.service.correct(turn, "look_up", person="eve"), demo.service.take_back(turn, person="eve")):
            with pytest.raises(TurnRejected) as caught:
                await call
            said.append((caught.value.code, str(caught.value)))
    assert set(said) == {("unknown_turn", said[0][1])}


async def test_a_turn_without_an_answer_has_no_route_to_correct(demo: Assistant) -> None:
    asked = await demo.service.prepare("hello", person="ada")
    with pytest.raises(TurnRejected) as caught:
        await demo.service.correct(asked.id, "look_up", person="ada")
    assert caught.value.code == "not_answered"


async def test_a_turn_that_is_run_again_and_fails_says_so_and_leaves_the_old_answer_within_reach(
    demo: Assistant,
) -> None:
    answer_with(demo, ScriptedModel([Step(["Hello."]), Step([], errors.Unavailable("down"))]))
    asked = await say(demo, "hello", route="voice")
    events = await run(demo.service, await demo.service.correct(asked.id, "look_up", person="ada"))
    assert isinstance(events[-1], Failed)
    assert [turn.answer for turn in await demo.records.tree(asked.conversation)] == ["Hello.", ""]
    assert len(await demo.service.corrections()) == 1
