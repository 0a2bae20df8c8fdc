"""What the desk reads of routes, on both databases: the mix, what people said, the queue, and labels."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from assistant.desk.routing import HOUR, LABEL, RoutingRecords, Threshold
from assistant.desk.routing_judged import confusion, in_cell, live
from assistant.desk.routing_labels import Labels
from assistant.desk.routing_learning import BUSY, NOTHING_SAID, Learning, LearningError, State
from assistant.records.corrections import Correction, Corrections, labelled
from assistant.records.models import TurnRow
from assistant.records.repository import Repository
from assistant.routing import heads, retrain, shadow
from assistant.routing import labelled as labels
from assistant.routing.encoder import SHIPPED
from assistant.routing.versions import Versions
from assistant.settings import Settings
from tests.records.conftest import database, postgres_socket, url

__all__ = ["database", "postgres_socket", "url"]

AT = Threshold(0.2, 0.5, ("portal",))
NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def routed(route: str = "retrieve", information: float = 0.9, voice: float = 0.1, **more: Any) -> dict[str, Any]:
    """A decision as the records hold it."""
    scores = {"information": information, "voice": voice}
    fields = {"route": route, "scores": scores, "threshold": 0.2, "reasons": ["asks for a fact"], "query": "x"}
    return (
        {"type": "routed", "turn": "t", "conversation": "c", "requested": False, "router_version": "v"} | fields | more
    )


async def said(
    records: Repository,
    text: str,
    decision: Mapping[str, Any] | None,
    *,
    person: str = "guest-1",
    surface: str = "portal",
    conversation: str | None = None,
    at: datetime = NOON,
) -> tuple[str, str]:
    """A turn that was answered so; its conversation and its id."""
    if conversation is None:
        conversation, turn = await records.begin(person, surface, text)
    else:
        turn = await records.start_turn(conversation, text)
    events = {"routed": decision} if decision else {}
    await records.end_turn(turn, answer=f"answer to {text}", status="finished", events=events)
    async with records.session() as session:
        await session.execute(update(TurnRow).where(TurnRow.id == turn).values(created_at=at))
    return conversation, turn


async def corrected(records: Repository, turn: str, verdict: str, information: bool, voice: bool | None) -> Correction:
    """A person said so of a turn."""
    asked = await Labels(records).asked(turn)
    assert asked is not None
    correction = Correction(
        turn, asked.stored.conversation, asked.stored.question, verdict, asked.person, asked.surface, asked.stored.text,
        asked.history, information, voice, asked.decision, datetime.now(UTC),
    )  # fmt: skip
    await Corrections(records).note(correction)
    return correction


async def test_the_mix_is_by_day_surface_and_way_with_what_people_corrected(database: Repository) -> None:
    _, wrong = await said(database, "one", routed(), at=NOON - timedelta(days=1))
    await said(database, "two", routed())
    await said(database, "three", routed(), at=NOON + timedelta(hours=1))
    await said(database, "four", routed("voice"), surface="shop")
    await said(database, "five", routed("both", requested=True))
    await said(database, "never decided", None)
    _, labelled_here = await said(database, "six", routed("voice"))
    await corrected(database, wrong, "no_lookup", False, None)
    asked = await Labels(database).asked(labelled_here)
    assert asked is not None
    await Labels(database).give(asked, "retrieve", by="desk")

    desk = RoutingRecords(database)
    found = {(each.when, each.surface, each.route, each.chosen): each for each in await desk.sent(None)}
    assert {key: (each.turns, each.corrected) for key, each in found.items()} == {
        ("2026-11-19", "portal", "retrieve", False): (1, 1),
        ("2026-11-20", "portal", "retrieve", False): (2, 0),
        ("2026-11-20", "shop", "voice", False): (1, 0),
        ("2026-11-20", "portal", "voice", False): (1, 0),
        ("2026-11-20", "portal", "both", True): (1, 0),
    }
    hours = await desk.sent(NOON, by=HOUR)
    assert {each.when for each in hours} == {"2026-11-20 12", "2026-11-20 13"}


async def test_the_queue_begins_with_what_is_nearest_to_tipping(database: Repository) -> None:
    turns = {
        "sure": routed(information=0.95, voice=0.02),
        "tips": routed(information=0.21),
        "just below": routed("voice", information=0.18, voice=0.5),
        "voice tips": routed(information=0.99, voice=0.49),
        "chosen": routed(information=0.2, requested=True),
    }
    ids = {text: (await said(database, text, decision))[1] for text, decision in turns.items()}
    await said(database, "in another voice", routed(information=0.99, voice=0.5), surface="shop")
    desk = RoutingRecords(database)
    found = await desk.uncertain(AT)
    assert [each.turn for each in found[:3]] == [ids["tips"], ids["voice tips"], ids["just below"]]
    assert [each.about for each in found[:3]] == ["information", "voice", "information"]
    assert found[0].far == pytest.approx(0.0125) and found[1].far == pytest.approx(0.02)
    assert len(found) == 3, "neither what a person chose, nor what the router is sure of"
    assert [each.turn for each in await desk.uncertain(AT, without=[ids["tips"]], limit=1)] == [ids["voice tips"]]
    assert await desk.uncertain(AT, NOON + timedelta(days=1)) == []
    assert (await desk.uncertain(Threshold(0.2, 1.0, ("portal",))))[1].turn == ids["just below"]


async def test_turns_alike_are_asked_once_and_never_again_once_labelled(database: Repository) -> None:
    twins = [(await said(database, text, routed(information=0.22)))[1] for text in ("hello ", "Hello")]
    _, other = await said(database, "hello", routed(information=0.23))
    desk, labels = RoutingRecords(database), Labels(database)
    found = [each.turn for each in await desk.uncertain(AT)]
    assert len(found) == 2 and other in found and found[0] in twins
    asked = await labels.asked(found[0])
    assert asked is not None
    await labels.give(asked, "voice", by="desk")
    assert [each.turn for each in await desk.uncertain(AT)] == [other]
    assert await desk.labelled("desk") == 1 and await desk.labelled("somebody") == 0
    assert await labels.take_back(asked, by="somebody") is False
    assert await labels.take_back(asked, by="desk") is True
    assert await labels.take_back(asked, by="desk") is False
    assert len(await desk.uncertain(AT)) == 2


@pytest.mark.parametrize(
    ("way", "information", "voice"), [("voice", False, None), ("retrieve", True, False), ("both", True, True)]
)
async def test_a_label_is_what_the_router_learns_from(
    database: Repository, way: str, information: bool, voice: bool | None
) -> None:
    conversation, _ = await said(database, "how much leave", routed())
    _, turn = await said(database, "and for <b>Paris</b>?", routed(information=0.21), conversation=conversation)
    await said(database, "later", routed(), conversation=conversation)
    labels = Labels(database)
    asked = await labels.asked(turn)
    assert asked is not None and asked.person == "guest-1"
    assert [each.content for each in asked.history] == ["how much leave", "answer to how much leave"]
    await labels.give(asked, way, by="desk")
    (made,) = await labelled(database)
    assert (made.turn, made.information, made.voice, made.conversation, made.id) == (
        "and for <b>Paris</b>?", information, voice, conversation, turn,
    )  # fmt: skip
    assert made.history == asked.history
    (kept,) = await Corrections(database).listed()
    assert (kept.verdict, kept.person) == (LABEL, "desk")
    assert kept.decision["scores"]["information"] == 0.21 and "conversation" not in kept.decision


async def test_a_person_has_the_last_word(database: Repository) -> None:
    _, turn = await said(database, "a", routed(information=0.21))
    labels = Labels(database)
    asked = await labels.asked(turn)
    assert asked is not None and await labels.asked("nothing") is None
    await labels.give(asked, "voice", by="desk")
    await corrected(database, turn, "look_up", True, False)
    assert await labels.take_back(asked, by="desk") is False
    assert [each.verdict for each in await Corrections(database).listed()] == ["look_up"]


async def test_confusion_counts_what_people_said_of_the_routers_own_decisions(database: Repository) -> None:
    said_so = [
        (routed(), "no_lookup", False, None), (routed(), "in_voice", True, True),
        (routed("voice"), "look_up", True, True),
        (routed("voice", requested=True), "look_up", True, False), (routed("ask"), "look_up", True, False),
    ]  # fmt: skip
    for number, (decision, *meant) in enumerate(said_so):
        _, turn = await said(database, f"turn {number}", decision)
        await corrected(database, turn, *meant)
    _, right = await said(database, "right", routed())
    asked = await Labels(database).asked(right)
    assert asked is not None
    await Labels(database).give(asked, "retrieve", by="desk")
    corrections = await RoutingRecords(database).corrections(None)
    found = confusion(corrections)
    assert found.routes == ("voice", "retrieve", "both", "ask")
    assert found.counts == ((0, 0, 1), (1, 1, 1), (0, 0, 0), (0, 1, 0))
    assert (found.people, found.desk) == (4, 1)
    assert found.told == {"missed": 2, "needless": 1, "voice": 1}
    assert [each.text for each in in_cell(corrections, "retrieve", "both")] == ["turn 1"]
    assert await RoutingRecords(database).corrections(datetime.now(UTC) + timedelta(hours=1)) == []


async def test_reliability_of_live_turns_is_that_of_the_corrections(database: Repository) -> None:
    for number, (information, true) in enumerate([(0.95, True), (0.95, True), (0.95, False), (0.15, False)]):
        _, turn = await said(database, f"turn {number}", routed(information=information))
        await corrected(database, turn, "look_up", true, False if true else None)
    found = live(await RoutingRecords(database).corrections(None))
    assert found.turns == 4 and found.bins[1]["true"] == pytest.approx(2 / 3, abs=1e-4)
    assert found.error == pytest.approx((0.15 + 3 * (0.95 - 2 / 3)) / 4, abs=1e-3)
    assert live([]).error is None


async def test_fifty_thousand_turns_are_read_without_a_wait(tmp_path: Path) -> None:
    """The bound is one that only reading turn by turn could break."""
    records = Repository(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    await records.open()
    try:
        conversation, _ = await said(records, "first", routed())
        some = random.Random(1)
        rows = [
            {
                "id": f"t{n}", "conversation_id": conversation, "position": n + 10, "text": f"turn {n}",
                "answer": "x" * 900,
                "status": "finished", "created_at": NOON + timedelta(minutes=n),
                "routed": routed(some.choice(["voice", "retrieve", "both"]), some.random(), some.random()),
            }
            for n in range(50_000)
        ]  # fmt: skip
        async with records.session() as session:
            await session.run_sync(lambda plain: plain.bulk_insert_mappings(TurnRow, rows))  # type: ignore[arg-type]
        desk = RoutingRecords(records)
        async with asyncio.timeout(20):
            assert sum(each.turns for each in await desk.sent(None)) == 50_001
            assert len(await desk.uncertain(AT)) == 100
    finally:
        await records.close()


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few shipped turns, so that reading them takes no minute."""
    turns = random.Random(5).sample(labels.read_all(sorted(retrain.EXAMPLES.glob("*.jsonl"))), 400)
    (tmp_path / "examples").mkdir()
    labels.write(tmp_path / "examples" / "some.jsonl", turns[:300])
    labels.write(tmp_path / "apart.jsonl", turns[300:])
    monkeypatch.setattr(retrain, "EXAMPLES", tmp_path / "examples")
    monkeypatch.setattr(retrain, "HELD_APART", tmp_path / "apart.jsonl")


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Repository]:
    """On SQLite alone: what learns never sees the database."""
    found = Repository(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    await found.open()
    yield found
    await found.close()


async def watched(learning: Learning) -> list[State]:
    return [state async for state in learning.watch()]


async def test_nothing_is_learnt_from_nothing_and_one_thing_at_a_time(records: Repository, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    learning = Learning(records)
    assert (await watched(learning)) == [State()]
    with pytest.raises(LearningError, match=NOTHING_SAID):
        await learning.retrain(settings, "use", [])
    learning.compare(settings, "nothing-1", SHIPPED.name)
    with pytest.raises(LearningError, match=BUSY):
        learning.measure(settings, SHIPPED.name)
    states = await watched(learning)
    assert states[0].running and not states[-1].running
    assert "there is no router version 'nothing-1'" in states[-1].failed
    assert learning.found("compare") is None


@pytest.mark.usefixtures("few")
async def test_a_version_is_measured_and_compared_in_another_process(records: Repository, tmp_path: Path) -> None:
    settings, learning = Settings(data=tmp_path), Learning(records)
    Versions(tmp_path).install(heads.load(SHIPPED), "x", name="same")
    learning.measure(settings, SHIPPED.name)
    states = await watched(learning)
    found = states[-1].found
    assert found is not None and found["n"] == 100 and 0 < found["information"]["ece"] < 0.3
    assert sum(each["n"] for each in found["reliability"]) == 100
    assert any(0 < state.done < state.of for state in states), "how far it was could be seen"
    learning.compare(settings, SHIPPED.name, "same")
    assert (await watched(learning))[-1].found == learning.found("compare")
    compared = learning.found("compare")
    assert compared is not None and compared["before"] == compared["after"] and compared["changed"] == []
    assert learning.found("measure") == found


async def test_what_runs_ends_with_whoever_runs_it(records: Repository, tmp_path: Path) -> None:
    learning = Learning(records)
    learning.measure(Settings(data=tmp_path), SHIPPED.name)
    await asyncio.sleep(0.5)
    assert learning._task is not None
    learning._task.cancel()
    await asyncio.gather(learning._task, return_exceptions=True)
    assert not learning.state.running and learning.state.failed


@pytest.mark.usefixtures("few")
async def test_heads_are_fitted_to_labels_and_run_as_the_shadow(records: Repository, tmp_path: Path) -> None:
    """Labels as the router has them already: whatever comes of it, the outcome tells what was weighed and what is in
    use."""
    given: list[labels.LabelledTurn] = []
    while len(given) < 12 or not retrain.parted(given)[1]:
        text = f"where is the printer on floor {len(given)}"
        conversation, turn = await said(records, text, routed(information=0.3))
        asked = await Labels(records).asked(turn)
        assert asked is not None
        await Labels(records).give(asked, "retrieve", by="desk")
        given.append(labels.LabelledTurn(text, (), True, conversation=conversation))
    learning, versions = Learning(records), Versions(tmp_path)
    await learning.retrain(Settings(data=tmp_path), "shadow", [])
    states = await watched(learning)
    found = states[-1].found
    assert found is not None, states[-1].failed
    assert found["learned"] + found["held_apart"] == len(given) and set(found["before"]) >= {"shipped", "all"}
    assert versions.current() == SHIPPED.name
    assert versions.shadow() == found["version"] and (found["version"] is None) == bool(found["objections"])
    assert shadow.report(versions) is None or versions.shadow() is not None
