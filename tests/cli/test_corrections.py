"""`assistant router correct` and `assistant router corrections`: here, and through the running server."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.routing.labelled import read
from tests.serving import Serving, run, serving

LONDON = "What is the hotel cap per night in London?"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo ingested."""
    folder = tmp_path_factory.mktemp("filled")
    assert run(folder, "ingest").returncode == 0
    return folder


def ask(folder: Path, text: str, route: str) -> str:
    done = run(folder, "ask", text, "--route", route, "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["turn"])


def correct_and_list(folder: Path) -> None:
    turn = ask(folder, LONDON, "voice")
    done = run(folder, "router", "correct", turn, "look_up")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Looked up") and "£165" in done.stdout
    again = done.stdout.rsplit("turn ", 1)[1].strip()
    assert again != turn
    done = run(folder, "router", "correct", turn, "look_up", "--json")
    assert json.loads(done.stdout)["route"] == "retrieve"

    shown = run(folder, "router", "corrections").stdout
    line = next(line for line in shown.splitlines() if turn in line)
    assert "look_up  voice → retrieve  portal" in line and f"  {LONDON}" in shown.splitlines()
    lines = run(folder, "router", "corrections", "--jsonl").stdout
    (folder / "corrections.jsonl").write_text(lines)
    (kept,) = [each for each in read(folder / "corrections.jsonl") if each.id == turn]
    assert (kept.turn, kept.information, kept.voice, kept.kind) == (LONDON, True, False, "correction")
    assert "person" not in lines

    for says in ("taken back", "nothing had been said of this turn"):
        assert run(folder, "router", "correct", again, "--take-back").stdout.strip() == says
    assert turn not in run(folder, "router", "corrections", "--jsonl").stdout


def test_a_turn_is_corrected_run_again_and_listed_by_commands(filled: Path) -> None:
    correct_and_list(filled)


def test_while_a_server_runs_it_does_the_work_and_knows_the_turns_of_before(filled: Path) -> None:
    before = ask(filled, LONDON, "voice")
    with serving(filled):
        correct_and_list(filled)
        done = run(filled, "router", "correct", before, "no_lookup")
        assert done.returncode == 0 and done.stdout.startswith("Our voice")
        done = run(filled, "router", "correct", before, "plainly")
        assert done.returncode == 2 and "Say look_up instead" in done.stderr
        done = run(filled, "router", "correct", "x y?#", "look_up")
        assert done.returncode == 2 and "no such turn of yours" in done.stderr


def test_an_earlier_turn_is_corrected_and_run_again(filled: Path) -> None:
    with serving(filled) as server:
        first = said(server, LONDON)
        said(server, "and in Paris?", conversation=first["conversation"])
        done = run(filled, "router", "correct", first["turn"], "look_up")
        assert done.returncode == 0 and "£165" in done.stdout, done.stderr
    done = run(filled, "router", "correct", first["turn"], "look_up", "--json")
    assert json.loads(done.stdout)["conversation"] == first["conversation"]
    assert first["turn"] in run(filled, "router", "corrections").stdout


def test_what_can_no_longer_be_searched_is_corrected_and_not_run_again(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "more.md").write_text("# More\n\nThe hotel cap per night in London is £165.\n")
    assert run(filled, "ingest", str(tmp_path / "more.md"), "--collection", "more").returncode == 0
    with serving(filled) as server:
        asked = said(server, LONDON, collection="more")
        assert run(filled, "collections", "remove", "more").returncode == 0
        done = run(filled, "router", "correct", asked["turn"], "look_up")
        assert done.returncode == 0 and "corrected, not run again: There is no collection" in done.stdout, done.stderr
    done = run(filled, "router", "correct", asked["turn"], "look_up", "--json")
    assert json.loads(done.stdout)["code"] == "unknown_collection"


def said(server: Serving, message: str, **where: str) -> dict[str, Any]:
    body = {"message": message, "route": "voice", **where}
    with httpx.stream("POST", f"{server.url}/api/v1/chat", json=body, timeout=60) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    routed: dict[str, Any] = json.loads(lines[0])
    return routed


def test_ask_shows_the_turn_that_can_be_corrected(filled: Path) -> None:
    done = run(filled, "ask", "hello")
    turn = done.stdout.rstrip().rsplit("turn ", 1)[1]
    assert run(filled, "router", "correct", turn, "no_lookup").returncode == 0


def test_nothing_corrected_is_said(tmp_path: Path) -> None:
    assert run(tmp_path, "router", "corrections").stdout.strip() == "nothing has been corrected yet"
    assert run(tmp_path, "router", "corrections", "--jsonl").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing", "look_up"], "no such turn of yours"),
        (["nothing", "sideways"], "sideways"),
        (["nothing"], "give a verdict"),
        (["nothing", "look_up", "--take-back"], "give a verdict"),
        (["nothing", "--take-back"], "no such turn of yours"),
    ],
)
def test_a_mistake_is_said_and_exits_with_2(filled: Path, arguments: list[str], says: str) -> None:
    done = run(filled, "router", "correct", *arguments)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
