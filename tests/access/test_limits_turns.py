"""Turns that limits let in or refuse: nothing of a refused one is recorded, and every one gives its place back."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant.access.identity import Identity
from assistant.access.limits import RUNNING, Limiter
from assistant.access.limits_ledger import DAY, MemoryLedger
from assistant.app import Assistant, build_assistant
from assistant.config_file import load
from assistant.config_limits import Amounts
from assistant.conversation import running
from assistant.conversation.events import Event, Failed, Finished, TextDelta
from assistant.conversation.front import Front
from assistant.conversation.service import ChatService, TurnRejected
from assistant.conversation.turn import Turn
from assistant.records.corrections import Corrections
from assistant.records.repository import RecordsError, Repository
from assistant.settings_file import SettingsFile
from connectors import ChatModel, ChatRequest, Cost, Delta, Usage, errors
from connectors.scripted import ScriptedModel, Step
from tests.access.test_limits_ledger import Clock
from tests.conftest import answer_with
from tests.serving import write_settings

ADA = Identity("token:portal:ada", via="token")
BEN = Identity("token:portal:ben", via="token")
LEAVE = "How many days of annual leave can I carry over?"


async def readable(_: object) -> set[str]:
    return {"demo"}


def of(assistant: Assistant, amounts: Amounts, clock: Clock | None = None) -> ChatService:
    front = Front(assistant.service.engine, {"portal": readable}, amounts={"portal": amounts})
    return ChatService(front, assistant.records, limiter=Limiter(MemoryLedger(clock or Clock())))


async def run(service: ChatService, turn: Turn) -> list[Event]:
    return [event async for event in service.run(turn)]


async def say(service: ChatService, text: str = "hello", who: Identity = ADA, **more: Any) -> Turn:
    turn = await service.prepare(text, person=who, **{"route": "voice"} | more)
    await run(service, turn)
    return turn


async def everything(assistant: Assistant, turn: Turn) -> tuple[int, int, int, str]:
    listed = await assistant.service.conversations.listed(ADA.person)
    tree = await assistant.records.tree(turn.conversation)
    thread = await assistant.records.thread(turn.conversation, ADA.person)
    return (
        len(listed.conversations),
        len(tree),
        len(await Corrections(assistant.records).listed()),
        str(thread and thread.leaf),
    )


CALLS: dict[str, Callable[[ChatService, Turn], Awaitable[object]]] = {
    "prepare": lambda service, turn: service.prepare("more", person=ADA),
    "go on": lambda service, turn: service.prepare("more", person=ADA, conversation=turn.conversation),
    "again": lambda service, turn: service.again(turn.id, None, person=ADA),
    "edit": lambda service, turn: service.edit(turn.id, "differently", person=ADA),
    "correct": lambda service, turn: service.correct(turn.id, "look_up", person=ADA),
}


@pytest.mark.parametrize(
    ("amounts", "code"),
    [
        (Amounts(person={"turns_per_minute": 1}), "too_many_turns"),
        (Amounts(everybody={"turns_per_day": 1}), "too_many_turns"),
        (Amounts(person={"tokens_per_day": 1}), "budget_spent"),
    ],
)
async def test_nothing_of_a_refused_turn_is_recorded(demo: Assistant, amounts: Amounts, code: str) -> None:
    answer_with(demo, ScriptedModel([Step(["You can carry over 5 days."])]))
    service = of(demo, amounts)
    turn = await say(service, LEAVE)
    before = await everything(demo, turn)
    for call in (*CALLS.values(), *CALLS.values()):
        with pytest.raises(TurnRejected) as caught:
            await call(service, turn)
        assert caught.value.code == code
        assert caught.value.retry_after is not None and 1 <= caught.value.retry_after <= 1.02 * DAY
    assert await everything(demo, turn) == before


async def test_what_is_refused_for_another_reason_counts_for_nothing(demo: Assistant) -> None:
    service = of(demo, Amounts(person={"turns_per_minute": 1, "at_once": 1}))
    for wrong in ({"text": " "}, {"collection": "nowhere"}, {"surface": "nowhere"}, {"route": "sideways"}):
        with pytest.raises(TurnRejected) as caught:
            await service.prepare(**{"text": "hi", "person": ADA} | wrong)
        assert caught.value.retry_after is None
    assert await say(service)


async def test_a_correction_is_kept_and_run_again_within_the_limit(demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step(["Hello."]), Step(["5 days."])]))
    service = of(demo, Amounts(person={"turns_per_minute": 2, "at_once": 1}))
    turn = await say(service, LEAVE)
    again = await service.correct(turn.id, "look_up", person=ADA)
    assert again is not None and isinstance((await run(service, again))[-1], Finished)
    assert len(await service.corrections()) == 1


async def stopped(service: ChatService, turn: Turn) -> None:
    async with aclosing(service.run(turn)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                return


async def cancelled(service: ChatService, turn: Turn) -> None:
    seen = asyncio.Event()

    async def consume() -> None:
        async with aclosing(service.run(turn)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    seen.set()

    task = asyncio.create_task(consume())
    await seen.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def to_the_end(service: ChatService, turn: Turn) -> None:
    await run(service, turn)


@pytest.mark.parametrize(
    ("step", "way"),
    [
        (Step(["one ", "two"]), to_the_end),
        (Step(["par"], errors.Unavailable("down")), to_the_end),
        (Step([], errors.Unavailable("down")), to_the_end),
        (Step(["par"], RuntimeError("a broken connector")), to_the_end),
        (Step(["one ", "two "], hangs=True), stopped),
        (Step(["one ", "two "], hangs=True), cancelled),
    ],
)
async def test_a_place_is_given_back_however_a_turn_ends(demo: Assistant, step: Step, way: Any) -> None:
    answer_with(demo, ScriptedModel([step], loop=True))
    service = of(demo, Amounts(person={"at_once": 1}))
    for _ in range(3):
        turn = await service.prepare("hello", person=ADA, route="voice")
        with pytest.raises(TurnRejected) as caught:
            await service.prepare("hello", person=ADA)
        assert caught.value.code == "too_many_at_once"
        await way(service, turn)


async def test_whoever_hears_of_the_end_may_go_on_at_once(demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step(["hi"]), Step([], errors.Unavailable("down"))]))
    limiter = Limiter(MemoryLedger(Clock()))
    front = Front(demo.service.engine, {"portal": readable}, amounts={"portal": Amounts(person={"at_once": 1})})
    service = ChatService(front, demo.records, limiter=limiter)
    for last in (Finished, Failed):
        turn = await service.prepare("hello", person=ADA, route="voice")
        heard = False
        async with aclosing(service.run(turn)) as events:
            async for event in events:
                if isinstance(event, last):
                    heard = True
                    second = await service.prepare("and now?", person=ADA, route="voice")
                    await limiter.ended(second.grant)
        assert heard, last


class Watched(MemoryLedger):
    """Tells whenever a place is held on."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.held = asyncio.Event()

    async def hold(self, slots: Sequence[str], lease: str, seconds: float) -> None:
        await super().hold(slots, lease, seconds)
        self.held.set()


async def test_a_model_that_is_silent_for_long_keeps_the_place_of_its_turn(demo: Assistant, monkeypatch: Any) -> None:
    monkeypatch.setattr(running, "RENEWED", 0.01)
    answer_with(demo, ScriptedModel([Step(["one ", "two "], hangs=True)]))
    clock = Clock()
    ledger = Watched(clock)
    front = Front(demo.service.engine, {"portal": readable}, amounts={"portal": Amounts(person={"at_once": 1})})
    service = ChatService(front, demo.records, limiter=Limiter(ledger))
    turn = await service.prepare("hello", person=ADA, route="voice")
    async with aclosing(service.run(turn)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
        for _ in range(3):
            clock.now += RUNNING * 0.75
            ledger.held.clear()
            async with asyncio.timeout(20):
                await ledger.held.wait()
        with pytest.raises(TurnRejected):
            await service.prepare("and now?", person=ADA)
    assert await service.prepare("and now?", person=ADA, route="voice")
    ledger.held.clear()
    await asyncio.sleep(0.1)
    assert not ledger.held.is_set(), "nobody holds on to what has ended"


class Closed(Repository):
    """Records that take nothing new."""

    async def begin(self, person: str, surface: str, text: str, collection: str | None) -> tuple[str, str]:
        raise RecordsError("away")


async def test_a_turn_that_cannot_be_recorded_keeps_no_place(demo: Assistant, tmp_path: Path) -> None:
    records = Closed(f"sqlite+aiosqlite:///{tmp_path / 'closed.db'}")
    front = Front(demo.service.engine, {"portal": readable}, amounts={"portal": Amounts(person={"at_once": 1})})
    service = ChatService(front, records)
    for _ in range(3):
        with pytest.raises(RecordsError):
            await service.prepare("hello", person=ADA)


class Priced(ChatModel):
    """Says what it took, after each of its answers."""

    name = "priced"

    def __init__(self, hangs: bool = False) -> None:
        self.hangs = hangs

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        yield Delta(text="x" * 400)
        if self.hangs:
            await asyncio.Event().wait()
        yield Delta(usage=Usage(900, 100), cost=Cost(0.5, "EUR"), finish="stop", model="m", backend="priced")


async def let_in(service: ChatService, who: Identity = ADA) -> bool:
    try:
        turn = await service.prepare("hello", person=who, route="voice")
    except TurnRejected as refused:
        assert refused.code == "budget_spent"
        return False
    await stopped(service, turn)
    return True


async def test_what_was_used_is_booked_when_the_turn_has_ended(demo: Assistant) -> None:
    answer_with(demo, Priced())
    service = of(demo, Amounts(person={"cost_per_day": 0.9}, currency="EUR"))
    await say(service)
    await say(service)
    assert not await let_in(service)
    assert await let_in(service, BEN)


async def test_stopping_every_answer_does_not_keep_the_budget(demo: Assistant) -> None:
    model = Priced()
    answer_with(demo, model)
    service = of(demo, Amounts(person={"cost_per_day": 5.0, "tokens_per_day": 1_000_000}, currency="EUR"))
    await say(service)  # from now on it is known what a token costs here
    model.hangs = True
    # 400 characters written, about 500 tokens of instructions: some 600 tokens at 0.0005 each
    assert [await let_in(service) for _ in range(30)].count(True) in range(10, 20)


async def test_tokens_of_stopped_turns_are_booked_before_any_price_is_known(demo: Assistant) -> None:
    answer_with(demo, Priced(hangs=True))
    service = of(demo, Amounts(person={"tokens_per_day": 1_000}))
    assert [await let_in(service) for _ in range(4)] == [True, True, False, False]


async def test_what_fails_before_its_first_word_costs_nothing(demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step([], errors.Unavailable("down"))] * 5))
    service = of(demo, Amounts(person={"tokens_per_day": 1}))
    for _ in range(5):
        await say(service)


async def test_answers_that_are_for_free_stay_so_when_they_are_stopped(demo: Assistant) -> None:
    service = of(demo, Amounts(person={"tokens_per_day": 1}))
    await say(service)  # by the builtin model
    assert [await let_in(service) for _ in range(3)] == [True] * 3


async def test_changed_settings_count_from_the_next_turn_on(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"limits": {"person": {"turns_per_minute": 1}}}
    file = write_settings(tmp_path, **changes)
    loaded = load(file, environ={})
    follow = SettingsFile(lambda: load(file, environ={}), loaded.watched)
    async with build_assistant(loaded.settings, file=follow) as assistant:
        await say(assistant.service)
        with pytest.raises(TurnRejected):
            await say(assistant.service)
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
        given["surfaces"] = {"portal": {"limits": {"person": {"turns_per_minute": 3}}}}
        fresh = tmp_path / "fresh.yaml"
        fresh.write_text(yaml.safe_dump(given), encoding="utf-8")
        os.replace(fresh, file)
        await say(assistant.service)
        await say(assistant.service)
        with pytest.raises(TurnRejected):
            await say(assistant.service)


class Slow(Repository):
    """Records that take their time over the end of a turn."""

    async def end_turn(self, *arguments: Any, **named: Any) -> None:
        await asyncio.sleep(0.2)
        await super().end_turn(*arguments, **named)


async def test_a_program_that_ends_waits_for_what_is_being_recorded(demo: Assistant, tmp_path: Path) -> None:
    answer_with(demo, ScriptedModel([Step(["one ", "two "], hangs=True)]))
    records = Slow(f"sqlite+aiosqlite:///{tmp_path / 'slow.db'}")
    await records.open()
    service = ChatService(Front(demo.service.engine, {"portal": readable}), records)
    turn = await service.prepare("hello", person=ADA, route="voice")
    seen = asyncio.Event()

    async def consume() -> None:
        async with aclosing(service.run(turn)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    seen.set()

    task = asyncio.create_task(consume())
    await seen.wait()
    task.cancel()
    await asyncio.sleep(0.05)  # its being stopped is being recorded now
    task.cancel()  # and nobody waits for that any more
    with pytest.raises(asyncio.CancelledError):
        await task
    await service.aclose()
    (stored,) = await records.turns(turn.conversation)
    await records.close()
    assert (stored.status, stored.answer) == ("stopped", "one")
