"""Every fault of a provider × every route × with and without a fallback: an answer that names its fallback, or exactly
one `Failed` that says what to do; no turn hangs, and nothing is left open."""

import asyncio
import json
import logging
import os
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from assistant.app import Assistant, build_assistant
from assistant.conversation.events import Event, Failed, Finished, Retrieved, Routed, TextDelta
from assistant.conversation.wire import encode
from assistant.settings import Settings
from connectors import errors
from tests.connectors.misbehaving import FAULTS, Upstream, misbehaving

KEY = "sk-planted-secret-0123456789"
ROUTES = ("voice", "retrieve", "both")
SPARE = "The spare one answers."
PATIENCE = {"first_token_timeout": 5.0, "timeout": 5.0, "connect_timeout": 5, "retries": 0}
ENDLESS = "chatters"
TURN = "How many days of annual leave can I carry over?"


def settings(data: Path, records: Path, upstream: Upstream, fault: str, chain: list[str]) -> Settings:
    ill = {"connector": "openai-compatible", "model": "m-1", "api_key": KEY, "base_url": upstream.at(fault)} | PATIENCE
    spare = {"connector": "scripted", "options": {"answers": [SPARE]}}
    return Settings(
        data=data,
        records={"url": f"sqlite+aiosqlite:///{records / 'records.db'}"},
        models={"ill": ill, "spare": spare},
        roles={"main": chain},
    )


@asynccontextmanager
async def running(
    data: Path, folder: Path, upstream: Upstream, fault: str, chain: list[str]
) -> AsyncIterator[Assistant]:
    async with build_assistant(settings(data, folder, upstream, fault, chain)) as assistant:
        yield assistant


async def ask(assistant: Assistant, route: str, most: int = 1_000_000) -> list[Event]:
    """The events of a turn; a reader who has had ``most`` pieces of text stops it."""
    turn = await assistant.service.prepare(TURN, person="guest-1", route=route)
    events: list[Event] = []
    async with aclosing(assistant.service.run(turn)) as stream:
        async for event in stream:
            events.append(event)
            if sum(isinstance(each, TextDelta) for each in events) >= most:
                break
    return events


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def our_tasks() -> int:
    """Those that run, but for the upstream's own: one for each connection."""
    return sum(getattr(task.get_coro(), "__name__", "") != "_serve" for task in asyncio.all_tasks())


def check_order(events: list[Event], route: str) -> None:
    assert isinstance(events[0], Routed) and events[0].decision.route == route
    assert isinstance(events[1], Retrieved) == (route != "voice")
    assert sum(isinstance(event, Finished | Failed) for event in events) == 1
    assert isinstance(events[-1], Finished | Failed)


def check_alone(fault: str, events: list[Event]) -> None:
    ends, last = FAULTS[fault], events[-1]
    if ends.error is None:
        assert isinstance(last, Finished) and last.backend == "ill" and not last.faults
        return
    assert isinstance(last, Failed) and last.code == ends.error.code, last
    assert last.partial == text_of(events) and bool(last.partial) == ends.text
    assert "ill" in last.message and len(last.message.split()) > 7, "it says who failed, and what to do"


def check_with_fallback(fault: str, events: list[Event]) -> None:
    ends, last = FAULTS[fault], events[-1]
    if ends.error is None or ends.text or ends.error is errors.ContentFiltered:
        check_alone(fault, events)
        return
    assert isinstance(last, Finished) and last.answer == SPARE and last.backend == "spare", last
    assert [(each.model, each.code) for each in last.faults] == [("ill", ends.error.code)]


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != ENDLESS])
async def test_every_fault_on_every_route_ends_well(
    fault: str, _demo_index: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[Event] = []
    async with misbehaving(fault) as upstream:
        for chain in (["ill"], ["ill", "spare"]):
            async with running(_demo_index, tmp_path, upstream, fault, chain) as assistant, asyncio.timeout(60):
                check = check_alone if chain == ["ill"] else check_with_fallback
                for route, events in zip(
                    ROUTES, await asyncio.gather(*(ask(assistant, route) for route in ROUTES)), strict=True
                ):
                    check_order(events, route)
                    check(fault, events)
                    said += events
        assert await upstream.settled() == 0
    shown = json.dumps([encode(event) for event in said]) + caplog.text
    assert KEY not in shown and KEY[3:] not in shown


async def test_an_answer_without_end_ends_when_its_reader_stops(_demo_index: Path, tmp_path: Path) -> None:
    async with (
        misbehaving(ENDLESS) as upstream,
        running(_demo_index, tmp_path, upstream, ENDLESS, ["ill"]) as assistant,
        asyncio.timeout(60),
    ):
        for route in ROUTES:
            events = await ask(assistant, route, most=20)
            assert isinstance(events[0], Routed) and len(text_of(events)) > 20
            (stored,) = await assistant.records.turns(events[0].conversation)
            assert stored.status == "stopped" and stored.answer == text_of(events)
        assert await upstream.settled() == 0


async def test_a_thousand_faulty_turns_leave_nothing_behind(_demo_index: Path, tmp_path: Path) -> None:
    dice = random.Random(5)
    faults = [name for name in FAULTS if name != ENDLESS]
    async with misbehaving() as upstream:
        models: dict[str, Any] = {
            name: {"connector": "openai-compatible", "model": "m", "base_url": upstream.at(name), **PATIENCE}
            for name in faults
        }
        places = {f"s{number}": {"roles": {"main": name.replace("_", "-")}} for number, name in enumerate(faults)}
        given = Settings(
            data=_demo_index,
            records={"url": f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"},
            models={name.replace("_", "-"): model for name, model in models.items()},
            surfaces=places,
        )
        async with build_assistant(given) as assistant:
            limit = asyncio.Semaphore(40)
            few = 2 * len(faults)  # two turns that asked one model at once leave it two connections for the next
            ended: list[Event] = []

            async def one() -> None:
                async with limit:
                    place = f"s{dice.randrange(len(faults))}"
                    turn = await assistant.service.prepare("hello", person="p", surface=place, route="voice")
                    stopped = dice.random() < 0.2
                    async with aclosing(assistant.service.run(turn)) as stream:
                        async for event in stream:
                            if stopped and isinstance(event, TextDelta):
                                ended.append(event)
                                return
                            if isinstance(event, Finished | Failed):
                                ended.append(event)

            await asyncio.gather(*(one() for _ in range(100)))
            assert await upstream.settled(30, most=few) <= few
            ended.clear()
            tasks, files = our_tasks(), len(os.listdir("/proc/self/fd"))
            async with asyncio.timeout(300):
                await asyncio.gather(*(one() for _ in range(1000)))
            assert len(ended) == 1000
            kinds = {event.code if isinstance(event, Failed) else type(event).__name__ for event in ended}
            assert {"Finished", "TextDelta", "model_resting", "model_timeout", "model_protocol"} <= kinds
            await asyncio.sleep(0.1)
            assert our_tasks() == tasks
            kept = await upstream.settled(30, most=few)
            assert kept <= few, "but for connections that are kept for the next turn"
            assert len(os.listdir("/proc/self/fd")) <= files + 2 * kept + 4
        assert await upstream.settled() == 0
