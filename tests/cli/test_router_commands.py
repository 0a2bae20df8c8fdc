"""`assistant router eval` and `assistant router explain`, as real processes on real files."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.routing.test_evaluation import EXAMPLES, KEYS
from tests.serving import run, run_anew, serving, write_settings

HOTEL = "What is the hotel cap per night in London?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo ingested and some labelled turns."""
    made = tmp_path_factory.mktemp("router")
    done = run(made, "ingest")
    assert done.returncode == 0, done.stderr
    lines = (EXAMPLES / "staff.jsonl").read_text(encoding="utf-8").splitlines()[:40]
    (made / "turns.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return made


def measured(folder: Path, *arguments: str) -> dict[str, Any]:
    done = run(folder, "router", "eval", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_eval_prints_one_object_with_every_figure(folder: Path) -> None:
    found = measured(folder, "turns.jsonl")
    assert set(found) == KEYS and found["n"] == 40 and found["threshold"] == 0.2
    assert set(found["information"]) == {"accuracy", "precision", "recall", "f1", "missed", "needless", "ece"}
    assert set(found["voice"]) == {"accuracy", "n"} and set(found["latency_ms"]) == {"p50", "p95"}
    assert set(found["slices"]) == {"domain", "kind", "language", "history"}
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p95"]
    wrong = len([each for each in found["wrong"] if each["mistake"] != "voice"])
    assert found["information"]["accuracy"] == pytest.approx(1 - wrong / 40, abs=1e-3)
    for each in found["wrong"]:
        assert each["turn"] and each["reasons"] and 0 <= each["scores"]["information"] <= 1


def test_eval_follows_the_costs_of_the_settings(folder: Path, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, router={"costs": {"missed_lookup": 1, "needless_lookup": 3}})
    dear, cheap = measured(folder, "turns.jsonl", "--config", str(settings)), measured(folder, "turns.jsonl")
    assert dear["threshold"] == 0.75
    assert dear["information"]["needless"] <= cheap["information"]["needless"]
    assert dear["information"]["missed"] >= cheap["information"]["missed"]


def test_eval_shows_people_a_table_slices_and_the_wrong_turns(folder: Path) -> None:
    found, shown = measured(folder, "turns.jsonl"), run(folder, "router", "eval", "turns.jsonl").stdout
    assert f"40 turns, router {found['version']}, looking up from 0.20 on" in shown
    for words in ("missed lookups", "calibration error", "latency p50, p95", "sent to", "slice, worst first"):
        assert words in shown
    assert [each["id"] for each in found["wrong"] if each["id"] not in shown] == []


def test_eval_takes_files_of_one_label_and_without_voice(folder: Path) -> None:
    rows = [{"turn": "and for contractors?", "information": True}, {"turn": "vpn on a mac", "information": True}]
    (folder / "one.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = measured(folder, "one.jsonl")
    assert found["voice"] == {"accuracy": None, "n": 0} and found["information"]["needless"] is None
    assert run_anew(folder, "router", "eval", "one.jsonl").returncode == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "bad.jsonl cannot be read: No such file"),
        (b"", "bad.jsonl holds no turns"),
        (b"\xff\xfe\x00", "bad.jsonl cannot be read"),
        (b'{"turn": "x", "information": true}\n{"turn": ', "bad.jsonl:2: this line is not JSON"),
        (b"[1]", "bad.jsonl:1: this line is not a JSON object"),
        (b'{"turn": "x"}', 'bad.jsonl:1: "information" must be true or false'),
    ],
)
def test_eval_says_in_a_line_what_is_wrong_with_a_file(tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "bad.jsonl").write_bytes(content)
    done = run(tmp_path, "router", "eval", "bad.jsonl")
    assert done.returncode == 2 and says in done.stderr and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def explained(folder: Path, *arguments: str) -> dict[str, Any]:
    done = run(folder, "router", "explain", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_explain_decides_as_chat_does(folder: Path) -> None:
    found, asked = explained(folder, HOTEL), json.loads(run(folder, "ask", HOTEL, "--json").stdout)
    assert found["route"] == asked["route"] == "retrieve"
    for key in ("scores", "threshold", "reasons", "query"):
        assert found[key] == asked[key]
    assert found["version"] == asked["router_version"]
    assert found["evidence"]["state"] == asked["evidence"] == "supported" and found["evidence"]["similarity"] > 0.4
    assert found["note"] is None and found["without_history"] is None
    for part in found["words"]:
        assert HOTEL[part["start"] : part["end"]] == part["words"]


def test_explain_reads_a_history_from_a_file_and_from_the_pipe(folder: Path) -> None:
    said = [{"role": "user", "content": "is it open on sunday"}, {"role": "assistant", "content": "Shall I look?"}]
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")
    (folder / "said.jsonl").write_text("\n".join(map(json.dumps, said)) + "\n", encoding="utf-8")
    found = explained(folder, "yes please", "--history", "said.json")
    assert found["without_history"]["information"] != found["scores"]["information"]
    assert explained(folder, "yes please", "--history", "said.jsonl") == found
    arguments = ["router", "explain", "yes please", "--history", "-", "--json"]
    piped = run_anew(folder, *arguments, stdin=json.dumps(said))
    assert json.loads(piped.stdout) == found


def test_explain_shows_people_the_reasons_and_the_words(folder: Path) -> None:
    found, shown = explained(folder, HOTEL), run(folder, "router", "explain", HOTEL).stdout
    assert shown.startswith(f"Looked up (retrieve, router {found['version']})")
    assert all(reason in shown for reason in found["reasons"])
    assert all(f"“{part['words']}”" in shown for part in found["words"])
    assert "P(information)" in shown and "which the costs ask for" in shown


def test_explain_follows_the_surface(folder: Path) -> None:
    settings = write_settings(folder / "shop", surfaces={"shop": {"voice": "always"}}, data=str(folder / "data"))
    found = explained(folder, HOTEL, "--surface", "shop", "--config", str(settings))
    assert found["policy"] == "always" and found["route"] == "both"


def test_explain_says_so_where_a_server_holds_the_documents(tmp_path: Path) -> None:
    with serving(tmp_path):
        found = explained(tmp_path, HOTEL)
    assert "server" in found["note"] and found["evidence"] is None and found["route"] == "retrieve"


@pytest.mark.parametrize(
    ("arguments", "content", "says"),
    [
        (["  "], None, "the turn is empty"),
        (["hi", "--surface", "nowhere"], None, "there is no surface 'nowhere'. There is: portal"),
        (["hi", "--history", "bad.json"], None, "bad.json cannot be read: No such file"),
        (["hi", "--history", "bad.json"], "[{", "bad.json is not JSON"),
        (["hi", "--history", "bad.json"], '[{"role": "robot", "content": "x"}]', "a history is a JSON list of"),
        (["hi", "--history", "bad.json"], "[1]", "a history is a JSON list of"),
    ],
)
def test_explain_says_in_a_line_what_is_wrong(
    tmp_path: Path, arguments: list[str], content: str | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "bad.json").write_text(content, encoding="utf-8")
    done = run(tmp_path, "router", "explain", *arguments)
    assert done.returncode == 2 and says in done.stderr and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
