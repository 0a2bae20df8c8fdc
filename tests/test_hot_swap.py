"""Settings that change while the program runs: the next turn has the new ones, and no turn is lost."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from assistant.app import Assistant, build_assistant
from assistant.config_file import Loaded, load
from assistant.conversation.events import Event, Failed, Finished, TextDelta
from assistant.knowledge.happenings import Mistake
from assistant.settings_file import SettingsFile
from tests.serving import serving, write_settings

SETTINGS: dict[str, Any] = {
    "models": {
        "a": {"connector": "scripted", "options": {"answers": ["from a"]}},
        "b": {"connector": "scripted", "options": {"answers": ["from b"]}},
        "slow": {"connector": "scripted", "options": {"answers": [["one ", "two ", "three"]], "delay": 0.15}},
        "down": {"connector": "openai-compatible", "model": "m", "base_url": "http://127.0.0.1:9/v1", "retries": 0},
    },
    "roles": {"main": "a", "voice": "a"},
    "surfaces": {"shop": {"roles": {"main": "b"}}, "intranet": {"roles": {"voice": ["b"]}}},
}


@asynccontextmanager
async def running(folder: Path, **changes: Any) -> AsyncIterator[Assistant]:
    file = write_settings(folder, **SETTINGS | changes)
    loaded = load(file, environ={})
    follow = SettingsFile(lambda: load(file, environ={}), loaded.watched)
    async with build_assistant(loaded.settings, file=follow) as assistant:
        yield assistant


def change(folder: Path, **changes: Any) -> None:
    """As an editor does: written beside and renamed."""
    fresh = folder / "assistant.yaml.new"
    fresh.write_text(yaml.safe_dump(SETTINGS | changes), encoding="utf-8")
    os.replace(fresh, folder / "assistant.yaml")


async def ask(assistant: Assistant, text: str = "hello", **more: Any) -> list[Event]:
    turn = await assistant.service.prepare(text, person="guest-1", **{"route": "voice"} | more)
    return [event async for event in assistant.service.run(turn)]


def answered(events: list[Event]) -> str:
    assert isinstance(events[-1], Finished), events[-1]
    return events[-1].backend


async def test_the_next_turn_has_the_new_model(tmp_path: Path) -> None:
    async with running(tmp_path) as assistant:
        assert answered(await ask(assistant)) == "a"
        change(tmp_path, roles={"main": "a", "voice": "b"})
        assert answered(await ask(assistant)) == "b"
        assert answered(await ask(assistant, route="retrieve")) == "a"


async def test_surfaces_have_chains_of_their_own(tmp_path: Path) -> None:
    async with running(tmp_path) as assistant:
        assert answered(await ask(assistant, surface="shop", route="retrieve")) == "b"
        assert answered(await ask(assistant, surface="shop")) == "a"
        assert answered(await ask(assistant, surface="intranet")) == "b"
        change(tmp_path, surfaces={"shop": {"roles": {"main": ["down", "slow"]}}, "intranet": {}})
        last = (await ask(assistant, surface="shop", route="retrieve"))[-1]
        assert isinstance(last, Finished) and last.backend == "slow" and last.answer == "one two three"
        assert [(fault.model, fault.code) for fault in last.faults] == [("down", "model_unavailable")]
        assert answered(await ask(assistant, surface="intranet")) == "a"


async def test_a_running_turn_ends_on_the_old_model_which_then_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, roles={"main": "slow"}) as assistant:
        old = assistant.backends.current
        closed: list[str] = []
        slow = old.made["slow"].model
        close = slow.aclose

        async def noted() -> None:
            closed.append("slow")
            await close()

        slow.aclose = noted  # type: ignore[method-assign]
        turn = await assistant.service.prepare("hello", person="guest-1", route="voice")
        texts: list[str] = []
        last: Event | None = None
        async for event in assistant.service.run(turn):
            last = event
            if isinstance(event, TextDelta):
                texts.append(event.text)
                if len(texts) == 1:
                    change(tmp_path, roles={"main": "b"})
                    assert answered(await ask(assistant)) == "b"
                    assert not closed
        assert "".join(texts) == "one two three" and isinstance(last, Finished) and last.backend == "slow"
        await asyncio.sleep(0)
        assert closed == ["slow"] and old.running == 0


async def test_a_model_that_did_not_change_stays_with_what_its_breaker_learnt(tmp_path: Path) -> None:
    async with running(tmp_path, roles={"main": "down"}) as assistant:
        assert isinstance((await ask(assistant))[-1], Failed)
        down = assistant.backends.current.made["down"].model
        change(tmp_path, roles={"main": ["down", "b"]}, organisation="Another name")
        assert answered(await ask(assistant)) == "b"
        assert assistant.backends.current.made["down"].model is down and down.breaker.failures == 2  # type: ignore[attr-defined]
        other = {**SETTINGS["models"], "down": {**SETTINGS["models"]["down"], "model": "n"}}
        change(tmp_path, roles={"main": ["down", "b"]}, models=other)
        assert answered(await ask(assistant)) == "b"
        assert assistant.backends.current.made["down"].model is not down


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("roles: {main: nobody}\n", "roles.main names a model that does not exist"),
        ("models: {x: {connector: nothing}}\nroles: {main: x}\n", "there is no connector 'nothing'"),
        ("roles: [unclosed\n", "not valid YAML"),
        ("voice: {examples: missing.jsonl}\n", "missing.jsonl"),
        (None, "this file is gone"),
    ],
)
async def test_a_wrong_file_changes_nothing_and_is_reported(
    tmp_path: Path, text: str | None, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as assistant:
        before = assistant.settings
        file = tmp_path / "assistant.yaml"
        file.unlink() if text is None else file.write_text(text)
        with caplog.at_level(logging.ERROR, "assistant.app"):
            assert answered(await ask(assistant)) == "a"
            assert answered(await ask(assistant)) == "a"
        assert assistant.settings == before and says in (assistant.problem or "")
        assert [says in record.getMessage() for record in caplog.records] == [True], "said once, not every turn"
        with pytest.raises(Mistake, match="earlier ones still count"):
            await assistant.refresh()
        change(tmp_path, roles={"main": "b"})
        assert answered(await ask(assistant)) == "b" and assistant.problem is None


async def test_a_file_that_is_being_written_is_not_read_half(tmp_path: Path) -> None:
    async with running(tmp_path) as assistant:
        file = tmp_path / "assistant.yaml"
        whole = yaml.safe_dump(SETTINGS | {"roles": {"main": "b"}})
        file.write_text("")

        async def write() -> None:
            with file.open("w") as written:
                for start in range(0, len(whole), 200):
                    written.write(whole[start : start + 200])
                    written.flush()
                    await asyncio.sleep(0.02)

        writing = asyncio.create_task(write())
        assert answered(await ask(assistant)) == "b"
        await writing
        assert assistant.problem is None


async def test_a_secret_in_a_file_of_its_own_is_followed(tmp_path: Path) -> None:
    (tmp_path / "answer.txt").write_text("first")
    models = {"a": {"connector": "scripted", "options": {"answers": ["${file:answer.txt}"]}}}
    async with running(tmp_path, models=models, roles={"main": "a"}, surfaces={}) as assistant:
        assert "first" in "".join(e.text for e in await ask(assistant) if isinstance(e, TextDelta))
        (tmp_path / "answer.txt").write_text("second")
        assert "second" in "".join(e.text for e in await ask(assistant) if isinstance(e, TextDelta))


async def test_what_only_a_restart_takes_over_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path) as assistant:
        with caplog.at_level(logging.INFO, "assistant.settings_file"):
            change(tmp_path, server={"port": 9999}, limits={"turn_characters": 5}, retrieval={"passages": 2})
            await assistant.follow()
        said = [record.getMessage() for record in caplog.records]
        assert said == [
            "taken over from the settings file: retrieval, limits",
            "changed in the settings file, but only a restart takes it over: server",
        ]
        with pytest.raises(Exception, match="at most 5 can be read"):
            await ask(assistant, "hello there")
        assert assistant.settings.server.port == 7860


async def test_swaps_under_load_lose_no_turn(tmp_path: Path) -> None:
    """The bar: 20 turns a second, 30 swaps."""
    ended: list[Event] = []

    async def one(assistant: Assistant, delay: float) -> None:
        await asyncio.sleep(delay)
        ended.append((await ask(assistant))[-1])

    async with running(tmp_path, roles={"main": "slow"}) as assistant:
        turns = [asyncio.create_task(one(assistant, number / 20)) for number in range(80)]
        for number in range(30):
            change(tmp_path, roles={"main": ("a", "b", "slow")[number % 3]})
            await asyncio.sleep(0.13)
        await asyncio.gather(*turns)
        assert len(ended) == 80 and all(isinstance(event, Finished) for event in ended), ended
        assert len({event.backend for event in ended if isinstance(event, Finished)}) == 3
        assert assistant.problem is None
        await asyncio.gather(*assistant.backends._closing)
        assert not assistant.backends._retired


def test_a_server_takes_over_models_and_tells_of_a_wrong_file(tmp_path: Path) -> None:
    with serving(tmp_path, **SETTINGS) as server:

        def chat() -> str:
            body = {"message": "hello", "route": "voice"}
            return httpx.post(f"{server.url}/api/v1/chat", json=body, timeout=30).text

        port = {"port": int(server.url.rpartition(":")[2])}
        assert '"backend": "a"' in chat()
        change(tmp_path, roles={"main": ["down", "b"]}, server=port)
        text = chat()
        assert '"backend": "b"' in text and '"code": "model_unavailable"' in text
        (tmp_path / "assistant.yaml").write_text("roles: {main: nobody}")
        assert '"backend": "b"' in chat()
        assert httpx.get(f"{server.url}/healthz").json()["settings"] == "invalid"
        assert "roles.main names a model that does not exist" in server.log
        assert httpx.get(f"{server.url}/metrics").status_code == 401
        change(tmp_path, roles={"main": "a"}, server=port)
        assert '"backend": "a"' in chat()
        assert httpx.get(f"{server.url}/healthz").json()["settings"] == "ok"


async def test_a_turn_that_is_stopped_does_not_stop_the_settings(tmp_path: Path) -> None:
    async with running(tmp_path) as assistant:
        assert assistant.file is not None
        read, reading, go_on = assistant.file.load, threading.Event(), threading.Event()

        def slowly() -> Loaded:
            reading.set()
            go_on.wait(10)
            return read()

        assistant.file.load = slowly
        change(tmp_path, roles={"main": "b"})
        turn = asyncio.create_task(ask(assistant))
        await asyncio.to_thread(reading.wait, 10)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        go_on.set()
        assert answered(await ask(assistant)) == "b"


async def test_a_file_that_is_gone_is_not_taken_for_the_defaults_when_a_key_changes(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("one")
    models = SETTINGS["models"] | {"keyed": {"connector": "scripted", "options": {"answers": ["${file:key.txt}"]}}}
    async with running(tmp_path, models=models) as assistant:
        (tmp_path / "assistant.yaml").unlink()
        assert answered(await ask(assistant)) == "a"
        (tmp_path / "key.txt").write_text("another")
        assert answered(await ask(assistant)) == "a"
        assert "gone" in (assistant.problem or "") and "keyed" in assistant.settings.models


async def test_a_key_file_that_comes_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.settings_file.AGAIN", 0.2)
    async with running(tmp_path) as assistant:
        models = SETTINGS["models"] | {"b": {"connector": "scripted", "options": {"answers": ["${file:later.txt}"]}}}
        change(tmp_path, models=models, roles={"main": "b"})
        assert answered(await ask(assistant)) == "a" and "later.txt" in (assistant.problem or "")
        (tmp_path / "later.txt").write_text("here")
        await asyncio.sleep(0.25)
        assert answered(await ask(assistant)) == "b" and assistant.problem is None


async def test_a_change_that_fails_half_way_counts_not_at_all_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as assistant:
        name, failing = assistant.collections.name, [True]

        async def locked(*given: Any) -> None:
            if failing:
                raise OSError("the database is locked")
            await name(*given)

        monkeypatch.setattr(assistant.collections, "name", locked, raising=False)
        change(tmp_path, roles={"main": "b"}, surfaces={})
        with pytest.raises(OSError, match="locked"):
            await ask(assistant)
        assert assistant.backends.current.of("portal", "main").name == "a" and "shop" in assistant.settings.surfaces
        failing.clear()
        assert answered(await ask(assistant)) == "b" and "shop" not in assistant.settings.surfaces


async def test_the_builtin_model_says_that_it_stands_in_for_another(tmp_path: Path) -> None:
    async with running(tmp_path, roles={"main": ["down", "builtin"]}, surfaces={}) as assistant:
        last = (await ask(assistant))[-1]
        assert isinstance(last, Finished) and last.backend == "builtin"
        assert (last.note or "").startswith("No language model answered")
        change(tmp_path, roles={"main": "builtin"}, surfaces={})
        last = (await ask(assistant))[-1]
        assert isinstance(last, Finished) and (last.note or "").startswith("No language model is configured")
