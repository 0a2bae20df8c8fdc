"""The route `both` in its two ways, and facts that must survive being said in the organisation's voice."""

from contextlib import aclosing

import pytest

from assistant.app import Assistant
from assistant.backends import Chains, Made
from assistant.conversation.events import Checked, Event, Failed, Finished, TextDelta
from assistant.settings import Both
from connectors import errors
from connectors.scripted import ScriptedModel, Step

TURN = "Write to Maya: how many days of annual leave can she carry over, and until when?"
DRAFT = "You can carry over up to 5 days [1]. They must be used by 30 June [1]."


def voices(demo: Assistant, main: ScriptedModel, voice: ScriptedModel, **both: str) -> None:
    main.name, voice.name = "main", "voice"
    demo.settings = demo.settings.model_copy(update={"both": Both(**both)})
    roles = {("portal", "main"): main, ("portal", "voice"): voice}
    demo.backends.use(Chains(roles, {"main": Made(main), "voice": Made(voice)}))
    demo.service.use(demo._front(demo.settings, demo.voice))


async def run(demo: Assistant) -> list[Event]:
    turn = await demo.service.prepare(TURN, person="guest-1", route="both")
    async with aclosing(demo.service.run(turn)) as events:
        return [event async for event in events]


def shown(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def checked(events: list[Event]) -> Checked:
    (found,) = (event for event in events if isinstance(event, Checked))
    return found


async def test_the_voice_model_says_the_draft_of_the_main_model(demo: Assistant) -> None:
    main = ScriptedModel([Step([DRAFT])])
    voice = ScriptedModel([Step(["Hi Maya, up to 5 days [1], ", "to be used by 30 June [1]."])])
    voices(demo, main, voice, way="two_pass")
    events = await run(demo)
    last = events[-1]
    assert isinstance(last, Finished) and last.answer == shown(events) == "".join(voice.steps[0].pieces)
    assert (last.model, last.usage["output_tokens"]) == ("voice", 3), "both calls are counted"
    assert checked(events).lost == checked(events).added == () and checked(events).cited == (1,)
    asked = voice.requests[0]
    assert DRAFT in asked.messages[-1].text and not asked.messages[-1].documents
    assert main.requests[0].messages[-1].documents and "Be brief" in main.requests[0].messages[0].text


async def test_facts_that_changed_on_the_way_are_named(demo: Assistant) -> None:
    voices(
        demo,
        ScriptedModel([Step([DRAFT])]),
        ScriptedModel([Step(["Dear Maya, six days [1] are yours until 30 July [1]."])]),
        way="two_pass",
    )
    events = await run(demo)
    assert shown(events).startswith("Dear Maya, six days")
    lost, added = checked(events).lost, checked(events).added
    assert any("5" in fact for fact in lost) and any("30 June" in fact for fact in lost), lost
    assert any("July" in fact for fact in added) and not any("Maya" in fact for fact in added), added


async def test_the_plain_answer_is_served_instead_and_nothing_else_was_shown(demo: Assistant) -> None:
    voices(
        demo,
        ScriptedModel([Step([DRAFT])]),
        ScriptedModel([Step(["Dear Maya, six days [1] are yours until 30 July [1]."])]),
        way="two_pass",
        on_violation="plain",
    )
    events = await run(demo)
    last = events[-1]
    assert isinstance(last, Finished) and shown(events) == last.answer == DRAFT and last.model == "main"
    assert "In plain words" in (last.note or "") and last.usage["output_tokens"] == 2


async def test_what_kept_its_facts_is_served_in_the_voice(demo: Assistant) -> None:
    said = "Hi Maya! Five days [1]; use them by June 30 [1]."
    main, voice = ScriptedModel([Step([DRAFT])]), ScriptedModel([Step([said])])
    voices(demo, main, voice, way="two_pass", on_violation="plain")
    events = await run(demo)
    assert shown(events) == said and events[-1].note is None


@pytest.mark.parametrize("hold", ["mark", "plain"])
async def test_a_voice_model_that_fails_leaves_the_draft(demo: Assistant, hold: str) -> None:
    main, voice = ScriptedModel([Step([DRAFT])]), ScriptedModel([Step([], errors.Unavailable("voice is down"))])
    voices(demo, main, voice, way="two_pass", on_violation=hold)
    events = await run(demo)
    assert isinstance(events[-1], Finished) and shown(events) == DRAFT
    assert events[-1].note == "In plain words: the voice model did not answer."


async def test_a_voice_model_that_breaks_off_keeps_what_it_said(demo: Assistant) -> None:
    voice = ScriptedModel([Step(["Hi Maya, "], errors.Unavailable("voice broke"))])
    voices(demo, ScriptedModel([Step([DRAFT])]), voice, way="two_pass")
    events = await run(demo)
    assert isinstance(events[-1], Failed) and events[-1].partial == "Hi Maya, "


async def test_a_draft_that_fails_fails_the_turn_and_the_voice_is_not_asked(demo: Assistant) -> None:
    voice = ScriptedModel([])
    voices(demo, ScriptedModel([Step([], errors.QuotaExceeded("no credit"))]), voice, way="two_pass")
    events = await run(demo)
    assert isinstance(events[-1], Failed) and events[-1].code == "model_quota" and not voice.requests


async def test_an_invented_fact_of_a_single_pass_is_replaced_by_the_plain_answer(demo: Assistant) -> None:
    main, voice = ScriptedModel([Step([DRAFT])]), ScriptedModel([Step(["Maya, take 77 days until 1 April 2031 [1]!"])])
    voices(demo, main, voice, on_violation="plain")
    events = await run(demo)
    assert shown(events) == DRAFT and "In plain words" in (events[-1].note or "")


async def test_a_single_pass_that_keeps_to_its_documents_costs_one_call(demo: Assistant) -> None:
    main, voice = ScriptedModel([]), ScriptedModel([Step(["Hi Maya, up to 5 days, used by 30 June [1]."])])
    voices(demo, main, voice, on_violation="plain")
    events = await run(demo)
    assert isinstance(events[-1], Finished) and shown(events).startswith("Hi Maya") and not main.requests


async def test_invented_citations_never_reach_the_reader(demo: Assistant) -> None:
    voice = ScriptedModel([Step(["Up to 5 days [1", "], by 30 June [4", "2].", " Fine [1][77]."])])
    voices(demo, ScriptedModel([]), voice)
    events = await run(demo)
    assert "[42]" not in shown(events) and "[77]" not in shown(events) and shown(events).count("[1]") == 2
    assert events[-1].answer == shown(events) and set(checked(events).invented) == {42, 77}


async def test_titles_dates_and_citations_of_the_passages_are_no_inventions(demo: Assistant) -> None:
    said = "By Annual leave, as of 12 January 2026, Maya may carry over up to 5 days [1][4]."
    main, voice = ScriptedModel([]), ScriptedModel([Step([said])])
    voices(demo, main, voice, on_violation="plain")
    events = await run(demo)
    assert shown(events) == said and not main.requests


@pytest.mark.parametrize("way", ["single", "two_pass"])
async def test_what_was_held_back_never_gets_out(demo: Assistant, way: str) -> None:
    down = errors.Unavailable("down")
    main = [Step([DRAFT])] if way == "two_pass" else [Step([], down)]
    voices(
        demo, ScriptedModel(main), ScriptedModel([Step(["Maya gets 777 days "], down)]), way=way, on_violation="plain"
    )
    events = await run(demo)
    last = events[-1]
    assert "777" not in shown(events)
    if way == "two_pass":
        assert isinstance(last, Finished) and last.answer == DRAFT
        assert [(fault.model, fault.code) for fault in last.faults] == [("voice", "model_unavailable")]
    else:
        assert isinstance(last, Failed) and last.partial == ""


async def test_a_voice_that_says_nothing_but_an_invented_citation_leaves_the_draft(demo: Assistant) -> None:
    voices(demo, ScriptedModel([Step([DRAFT])]), ScriptedModel([Step([" [7]"])]), way="two_pass")
    events = await run(demo)
    assert isinstance(events[-1], Finished) and events[-1].answer == DRAFT


async def test_the_prompt_version_is_that_of_the_answer_that_is_served(demo: Assistant) -> None:
    from prompts import load

    good, bad = Step(["Hi Maya! Five days [1]; use them by June 30 [1]."]), Step(["Six days until 30 July [1]."])
    for step, prompt in ((good, "restyle"), (bad, "retrieve")):
        voices(demo, ScriptedModel([Step([DRAFT])]), ScriptedModel([step]), way="two_pass", on_violation="plain")
        assert (await run(demo))[-1].prompt_version == load(prompt).version


async def test_a_fault_of_the_check_does_not_take_the_answer_away(
    demo: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assistant.conversation import grounding

    def broken(*_: object) -> None:
        raise OSError("no embedder")

    monkeypatch.setattr(grounding, "check", broken)
    voices(demo, ScriptedModel([]), ScriptedModel([Step(["Up to 5 days [1]."])]))
    events = await run(demo)
    assert isinstance(events[-1], Finished) and checked(events).cited == (1,) and checked(events).marks == ()
