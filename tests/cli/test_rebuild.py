"""A change of chunking under a running server, back again, and a rebuild that is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.serving import CLI, Serving, environment, free_port, run, serving, write_settings

HOUSE = {"house": {"sources": ["docs"]}}


def fill(folder: Path, count: int) -> None:
    (folder / "docs").mkdir()
    for number in range(count):
        text = " ".join(f"Rule {number}.{line} says that room {number} opens at {line} o'clock." for line in range(20))
        (folder / "docs" / f"room-{number}.md").write_text(f"# Room {number}\n\n{text}\n")


def change(folder: Path, **settings: object) -> None:
    """Change some settings of a server that runs with the others."""
    file = folder / "assistant.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **settings}))


def ask(url: str, text: str) -> list[dict[str, Any]]:
    body = {"message": text, "route": "retrieve"}
    answer = httpx.post(f"{url}/api/v1/chat", json=body, timeout=60).text
    return [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: ")]


@contextmanager
def somebody_asking(server: Serving) -> Iterator[list[list[dict[str, Any]]]]:
    """A client that asks again and again; what it got."""
    turns: list[list[dict[str, Any]]] = []
    enough = threading.Event()

    def client() -> None:
        number = 0
        while not enough.wait(0.1):
            number += 1
            turns.append(ask(server.url, f"When does room {number % 40} open?"))

    thread = threading.Thread(target=client)
    thread.start()
    try:
        yield turns
    finally:
        enough.set()
        thread.join(timeout=60)


def indexes(folder: Path) -> dict[str, str]:
    """What each kept index was built with, by its use."""
    shown = run(folder, "collections", "list").stdout.split("\n\n")[1].splitlines()[1:]
    return {line.split()[0]: line.split("dimensions), ")[1].strip() for line in shown}


def test_an_index_is_exchanged_and_put_back_while_people_chat(tmp_path: Path) -> None:
    fill(tmp_path, 120)
    with serving(tmp_path, collections=HOUSE, sync={"watch": False, "every": 0}) as server:
        change(tmp_path, chunking={"max_tokens": 100})
        with somebody_asking(server) as turns:
            done = run(tmp_path, "ingest", "--rebuild")
            assert done.returncode == 0, done.stderr
            during = len(turns)
            assert "house: 120 added" in done.stdout
            until = time.monotonic() + 60
            while len(turns) < during + 5 and time.monotonic() < until:
                time.sleep(0.05)
        assert during > 3, "nobody asked while it was built"
        for events in turns:
            assert events[-1]["type"] == "finished", events[-1]
            assert next(event for event in events if event["type"] == "retrieved")["passages"]
        assert indexes(tmp_path) == {"live": "100 tokens", "previous": "240 tokens"}

        refused = run(tmp_path, "collections", "rollback")
        assert refused.returncode == 2 and "chunking.max_tokens: 240" in refused.stderr
        assert ask(server.url, "When does room 7 open?")[-1]["type"] == "finished"
        (tmp_path / "docs" / "late.md").write_text("# Late\n\nThe lagoon closes at seven.\n")
        change(tmp_path, chunking={"max_tokens": 240})
        with somebody_asking(server) as turns:
            back = run(tmp_path, "collections", "rollback")
            assert back.returncode == 0, back.stderr
            assert "house: 1 added, 120 unchanged" in back.stdout
        assert all(events[-1]["type"] == "finished" for events in turns)
        assert indexes(tmp_path) == {"live": "240 tokens", "previous": "100 tokens"}
        assert "lagoon" in ask(server.url, "When does the lagoon close?")[-1]["answer"]
    assert run(tmp_path, "ask", "When does room 7 open?").returncode == 0


@pytest.mark.parametrize("moment", [0.0, 0.7])
def test_a_killed_rebuild_is_never_searched_and_is_taken_up_again(tmp_path: Path, moment: float) -> None:
    fill(tmp_path, 60)
    settings: dict[str, Any] = {"collections": HOUSE}
    write_settings(tmp_path, **settings)
    assert run(tmp_path, "ingest").returncode == 0
    write_settings(tmp_path, **settings, chunking={"max_tokens": 100})
    building = subprocess.Popen(
        [*CLI, "ingest", "--rebuild"], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, text=True
    )
    until = time.monotonic() + 60
    while not list((tmp_path / "data" / "index").glob("*-c100-*")) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(moment)
    building.send_signal(signal.SIGKILL)
    assert building.wait() == -signal.SIGKILL, "it was done before it could be killed"

    refused = run(tmp_path, "ask", "When does room 7 open?")
    assert refused.returncode == 2 and "assistant ingest --rebuild" in refused.stderr
    write_settings(tmp_path, **settings)
    assert run(tmp_path, "ask", "When does room 7 open?").returncode == 0, "the one before goes on"
    assert indexes(tmp_path)["live"] == "240 tokens"
    write_settings(tmp_path, **settings, chunking={"max_tokens": 100})
    done = run(tmp_path, "ingest", "--rebuild")
    assert done.returncode == 0, done.stderr
    assert indexes(tmp_path) == {"live": "100 tokens", "previous": "240 tokens"}
    assert "60 unchanged" in run(tmp_path, "ingest").stdout


def test_a_rebuild_without_a_source_that_was_there_switches_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    write_settings(tmp_path, collections=HOUSE)
    assert run(tmp_path, "ingest").returncode == 0
    (tmp_path / "docs").rename(tmp_path / "moved")
    write_settings(tmp_path, collections=HOUSE, chunking={"max_tokens": 100})
    done = run(tmp_path, "ingest", "--rebuild")
    assert done.returncode == 1 and "--force" in done.stderr and "there is no folder" in done.stdout
    (tmp_path / "docs").mkdir()
    done = run(tmp_path, "ingest", "--rebuild")
    assert done.returncode == 1 and "5 documents before, 0 now" in done.stderr
    write_settings(tmp_path, collections=HOUSE)
    assert "room-1.md" in run(tmp_path, "ask", "When does room 1 open?", "--json").stdout
    done = run(tmp_path, "ingest", "--rebuild", "--force")
    assert done.returncode == 0, done.stderr


def test_an_index_of_another_version_is_refused_with_the_command_that_repairs_it(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    write_settings(tmp_path, collections=HOUSE, server={"port": free_port()})
    assert run(tmp_path, "ingest").returncode == 0
    folder = tmp_path / "data" / "index"
    (live,) = folder.glob("*-f2-v1")
    old = live.name.replace("-f2", "")
    live.rename(folder / old)
    (folder / "aliases.json").write_text(json.dumps({"live": old}))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "moth.md").write_text("# Moth\n\nMoths flutter at dusk.\n")
    entries = {"notes": {"paths": [str(tmp_path / "notes")], "origin": "command"}}
    (tmp_path / "data" / "sources.json").write_text(json.dumps(entries))
    for command in (["ask", "hi"], ["serve"], ["ingest"]):
        done = run(tmp_path, *command)
        assert done.returncode == 2 and "another version" in done.stderr and "assistant ingest --rebuild" in done.stderr
    done = run(tmp_path, "ingest", "--rebuild")
    assert done.returncode == 0 and "notes: 1 added" in done.stdout, "what commands had ingested came along"
    assert "room-1.md" in run(tmp_path, "ask", "When does room 1 open?", "--json").stdout
    assert "moth.md" in run(tmp_path, "ask", "When do moths flutter?", "--route", "retrieve", "--json").stdout
    back = run(tmp_path, "collections", "rollback")
    assert back.returncode == 2 and "cannot search it" in back.stderr


def test_there_is_nothing_to_go_back_to_at_first(tmp_path: Path) -> None:
    done = run(tmp_path, "collections", "rollback")
    assert done.returncode == 2 and "no earlier index" in done.stderr
    assert run(tmp_path, "ingest", "--rebuild").returncode == 0
    done = run(tmp_path, "collections", "rollback")
    assert done.returncode == 2 and "no earlier index" in done.stderr, "an empty one is not kept"
