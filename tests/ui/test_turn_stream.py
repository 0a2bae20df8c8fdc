"""The way in which turns stream: a silent stream is kept open, and what was recorded reads as it ran."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from assistant.records.stored import StoredTurn
from ui import turn_stream
from ui.turn_stream import LONG, EventStream, Wire, recorded, replayed


async def sent(stream: EventStream) -> list[bytes]:
    """What a client gets."""
    found: list[bytes] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        found.append(message.get("body", b""))

    await stream({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
    return found


async def test_a_stream_that_is_silent_is_kept_open_by_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_stream, "KEEP_ALIVE", 0.05)
    said = asyncio.Event()

    async def frames() -> AsyncIterator[str]:
        yield "event: a\ndata: {}\n\n"
        await asyncio.wait_for(said.wait(), 10)
        yield "event: b\ndata: {}\n\n"

    stream = EventStream(frames())
    asyncio.get_running_loop().call_later(0.3, said.set)
    found = await sent(stream)
    comments = found.count(b": keep-alive\n\n")
    assert 1 <= comments <= 6
    assert [each for each in found if each.startswith(b"event")] == [
        b"event: a\ndata: {}\n\n",
        b"event: b\ndata: {}\n\n",
    ]
    assert found[-1] == b"" and stream.headers["x-accel-buffering"] == "no"


async def test_a_stream_that_is_not_silent_has_no_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_stream, "KEEP_ALIVE", 5.0)

    async def frames() -> AsyncIterator[str]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield "event: a\ndata: {}\n\n"

    before = len(asyncio.all_tasks())
    assert await sent(EventStream(frames())) == [b"", *[b"event: a\ndata: {}\n\n"] * 3, b""]
    assert len(asyncio.all_tasks()) == before


async def test_a_fault_in_a_stream_leaves_no_task_behind() -> None:
    async def frames() -> AsyncIterator[str]:
        yield "event: a\ndata: {}\n\n"
        raise RuntimeError("a fault")

    before = len(asyncio.all_tasks())
    with pytest.raises(RuntimeError, match="a fault"):
        await sent(EventStream(frames()))
    assert len(asyncio.all_tasks()) == before


def stored(**events: Any) -> StoredTurn:
    usual: dict[str, Any] = dict.fromkeys(("routed", "retrieved", "checked", "ended"))
    return StoredTurn(
        **{
            "id": "t", "conversation": "c", "parent": None, "question": "t", "siblings": ("t",), "position": 0,
            "version": 0, "collection": None, "text": "hello", "answer": "Well", "status": "stopped",
            "created_at": datetime.now(UTC), **usual, **events,
        }
    )  # fmt: skip


def test_what_was_recorded_has_one_end_and_its_text_in_one_piece() -> None:
    routed, ended = {"type": "routed"}, {"type": "finished"}
    assert [each["type"] for each in recorded(stored(routed=routed, ended=ended))] == [
        "routed",
        "text_delta",
        "finished",
    ]
    last = list(recorded(stored(routed=routed)))[-1]
    assert (last["type"], last["code"], last["partial"]) == ("failed", "stopped", "Well")
    assert [each["type"] for each in recorded(stored(answer=""))] == ["failed"]


async def test_whole_answers_are_shown_away_from_the_event_loop() -> None:
    """Their HTML takes up to a tenth of a second, in which nobody else would get a word."""
    found: list[tuple[str, bool]] = []

    def render(event: Wire) -> list[Wire]:
        found.append((event["type"], threading.current_thread() is threading.main_thread()))
        return [{"type": "rendered", "of": event["type"]}]

    turn = stored(routed={"type": "routed"}, answer="w" * (LONG + 1), ended={"type": "finished"})
    frames = await sent(replayed(turn, render))
    assert found == [("routed", True), ("text_delta", False), ("finished", False)]
    shown = [json.loads(each.split(b"data: ")[1]) for each in frames if b"rendered" in each]
    assert [each["of"] for each in shown] == ["routed", "text_delta", "finished"]
