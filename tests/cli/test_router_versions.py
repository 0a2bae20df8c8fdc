"""`assistant router …` as people use it: versions, comparing, learning, and what is said where something is missing."""

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from assistant.__main__ import app
from assistant.conversation.turn import Turn
from assistant.records.corrections import Correction, Corrections
from assistant.records.models import now
from assistant.records.repository import Repository
from assistant.routing import heads, labelled, retrain, shadow
from assistant.routing.encoder import SHIPPED
from assistant.routing.labelled import LabelledTurn
from assistant.routing.router import Decision
from assistant.routing.versions import Versions
from tests.conftest import ROOT
from tests.serving import run_anew

ALWAYS = SHIPPED.name


@pytest.fixture(autouse=True)
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few shipped turns, so that reading them takes no half minute, and a folder of our own."""
    turns = random.Random(5).sample(labelled.read_all(sorted(retrain.EXAMPLES.glob("*.jsonl"))), 120)
    (tmp_path / "examples").mkdir()
    labelled.write(tmp_path / "examples" / "some.jsonl", turns[:80])
    labelled.write(tmp_path / "apart.jsonl", turns[80:])
    monkeypatch.setattr(retrain, "EXAMPLES", tmp_path / "examples")
    monkeypatch.setattr(retrain, "HELD_APART", tmp_path / "apart.jsonl")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Turns of a house that looks every parcel up and nothing else."""
    rooms = [f"{room} {number}" for room in ("dock", "ramp", "gate", "yard") for number in range(1, 16)]
    turns = [LabelledTurn(f"parcel at {room}", (), True, False, conversation=f"p-{room}") for room in rooms]
    turns += [LabelledTurn(f"where is {room}", (), False, conversation=f"w-{room}") for room in rooms]
    labelled.write(tmp_path / "own.jsonl", turns)
    return tmp_path / "own.jsonl"


def router(*arguments: str, code: int = 0) -> Result:
    found = CliRunner().invoke(app, ["router", *arguments])
    assert found.exit_code == code, found.output
    return found


async def corrected(turns: list[LabelledTurn]) -> None:
    """Conversations of one turn each, of which people said how they should have gone."""
    Path("data").mkdir()
    records = Repository(f"sqlite+aiosqlite:///{Path('data/records.db').resolve()}")
    await records.open()
    for each in turns:
        conversation = await records.start_conversation("p", "portal", each.turn)
        turn = await records.start_turn(conversation, each.turn)
        verdict = "look_up" if each.information else "no_lookup"
        await Corrections(records).note(
            Correction(
                turn, conversation, 0, verdict, "p", "portal", each.turn, (), each.information, each.voice, {}, now()
            )
        )
        decision = Decision("retrieve", 0.9, 0.1, 0.2, (), "", False, "v")
        if each is turns[0]:
            Versions(Path("data")).install(replace(heads.load(SHIPPED), card={}), "x", name="candidate")
            shadow.start(Versions(Path("data")), "candidate")
            said = Turn(each.turn, id=turn, conversation=conversation)
            shadow.note(Path("data/router"), "candidate", said, decision, replace(decision, route="voice"))
    await records.close()


def listed() -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in json.loads(router("versions", "--json").stdout)}


def test_own_turns_become_a_version_that_is_compared_rolled_back_and_removed(own: Path) -> None:
    found = json.loads(router("train-heads", str(own), "--name", "house", "--json").stdout)
    assert found["version"] == "house" and found["better"] and found["in_use"]
    assert found["after"]["own"]["cost"] < found["before"]["own"]["cost"] and found["after"]["shipped"]["n"] == 40
    assert listed()["house"]["in_use"] and not listed()[ALWAYS]["in_use"]
    shown = router("versions").stdout
    assert "house" in shown and "120 own" in shown and "in use" in shown
    compared = json.loads(router("compare", ALWAYS, "house", str(own), "--json").stdout)
    assert compared["after"]["right"] > compared["before"]["right"]
    assert {each["right"] for each in compared["changed"]} >= {True}
    assert "now right" in router("compare", ALWAYS, "house", str(own)).stdout
    assert f"{ALWAYS} is in use again" in router("rollback").stdout
    assert "no other version was used before" in router("rollback", code=2).output
    assert "house is in use" in router("use", "house").stdout
    assert "is in use" in router("remove", "house", code=2).output
    router("rollback")
    router("remove", "house")
    assert list(listed()) == [ALWAYS]


def test_a_dry_run_changes_nothing_and_a_candidate_can_begin_as_the_shadow(own: Path) -> None:
    assert "nothing was installed" in router("train-heads", str(own), "--dry-run").stdout
    assert list(listed()) == [ALWAYS]
    assert "own-1 runs as the shadow" in router("train-heads", str(own), "--shadow").stdout
    assert listed()["own-1"]["shadow"] and listed()[ALWAYS]["in_use"]
    assert json.loads(router("shadow", "report", "--json").stdout) == {
        "version": "own-1", "running": True, "seen": 0, "differ": 0, "differences": [], "full": False,
    }  # fmt: skip
    assert "own-1 runs no longer" in router("shadow", "stop").stdout
    assert "no shadow was running" in router("shadow", "stop").stdout


def test_corrections_are_learnt_from_and_the_shadow_shows_the_turns(own: Path) -> None:
    asyncio.run(corrected(labelled.read(own)))
    tried = json.loads(router("retrain", "--dry-run", "--json").stdout)
    assert tried["version"] is None and not tried["in_use"] and tried["learned"] + tried["held_apart"] == 120
    assert tried["after"]["corrections"]["log_loss"] < tried["before"]["corrections"]["log_loss"]
    done = json.loads(router("retrain", "--json", code=0 if tried["better"] else 1).stdout)
    assert done["in_use"] == tried["better"] == (done["version"] == "retrained-1")
    shown = router("shadow", "report").stdout
    assert (
        "turns seen: 1, of them 1 would go another way" in shown
        and "retrieve → voice" in shown
        and "parcel at dock 1" in shown
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["use", "nope"], f"there is no router version 'nope'. There is: {ALWAYS}"),
        (["remove", ALWAYS], "came with the program and stays"),
        (["compare", ALWAYS, "nope"], "there is no router version 'nope'"),
        (["shadow", "start", ALWAYS], "is in use: the shadow is another version"),
        (["shadow", "report"], "no shadow has run yet"),
        (["retrain"], "nobody has corrected a route yet"),
        (["train-heads", "none.jsonl"], "none.jsonl cannot be read"),
    ],
)
def test_mistakes_say_what_to_do(arguments: list[str], says: str) -> None:
    assert says in router(*arguments, code=2).output


def test_training_without_torch_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    )
    done = run_anew(tmp_path, "router", "train", PYTHONPATH=f"{tmp_path / 'none'}:{ROOT}")
    assert done.returncode == 1 and 'pip install "switchyard[finetune]" (torch is missing)' in done.stderr
