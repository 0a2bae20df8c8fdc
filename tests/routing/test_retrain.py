"""Learning from people: rows that are kept, heads that follow corrections and own turns, and the gate before them."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.turn import Message
from assistant.knowledge.embedder import FastEmbedder
from assistant.routing import fitting, heads, labelled, retrain
from assistant.routing.classifier import LearnedClassifier
from assistant.routing.encoder import DIMENSION, SHIPPED, TurnEncoder
from assistant.routing.heads import ASK, INFORMATION, VOICE, Head
from assistant.routing.judging import Fall, Rule, falls, judge, objections, outside
from assistant.routing.labelled import LabelledTurn, LabelsError
from assistant.routing.retrain import Bench, base_of, compared, parted, train_heads
from assistant.routing.router import Costs
from assistant.routing.rows import Rows
from assistant.routing.versions import Versions

RULE = Rule(Costs())
THINGS = (
    "printer", "badge", "canteen", "parking", "holiday", "laptop", "invoice", "phone", "locker", "visitor", "shuttle",
    "heating", "library", "payslip", "meeting room", "projector", "first aid kit", "bike shed", "cooler", "archive",
)  # fmt: skip
ASIDES = (
    "my cat sat on the {} again", "I dreamt of a {}", "a {} walks into a bar", "a lovely {}, ha", "bored of the {}",
)  # fmt: skip
FACTS = ("where is the {}", "who looks after the {}", "the {} does not work", "when can I use the {}", "is the {} free")


def shipped_turns() -> list[LabelledTurn]:
    found = labelled.read_all(sorted(retrain.EXAMPLES.glob("*.jsonl")))
    return random.Random(3).sample([each for each in found if each.language == "en"], 240)


def own_turns(forms: Sequence[str], information: bool, *, stem: str) -> list[LabelledTurn]:
    return [
        LabelledTurn(
            form.format(thing), (), information, False if information else None, "own", "portal", f"{stem}-{n}"
        )
        for n, (form, thing) in enumerate((form, thing) for form in forms for thing in THINGS)
    ]


@pytest.fixture(scope="session")
def turns() -> list[LabelledTurn]:
    return shipped_turns()


@pytest.fixture
def bench(tmp_path: Path, turns: list[LabelledTurn], embedder: FastEmbedder) -> Callable[..., Bench]:
    """Makes benches over few shipped turns."""
    (tmp_path / "examples").mkdir()
    labelled.write(tmp_path / "examples" / "some.jsonl", turns[:160])
    labelled.write(tmp_path / "apart.jsonl", turns[160:])
    versions = Versions(tmp_path / "data", threads=1)

    def make(**values: object) -> Bench:
        places = {"examples": tmp_path / "examples", "held_apart": tmp_path / "apart.jsonl"}
        return Bench(versions, embedder, RULE, **places, **values)  # type: ignore[arg-type]

    return make


def flat(n: int) -> heads.Heads:
    return heads.Heads("v", {name: Head(np.zeros(n), 0.0) for name in (INFORMATION, VOICE)})


async def test_rows_are_those_of_the_classifier_and_shipped_ones_are_read_once(
    tmp_path: Path, turns: list[LabelledTurn], embedder: FastEmbedder
) -> None:
    encoder = TurnEncoder(threads=1)
    rows = Rows(encoder, embedder, tmp_path)
    read: list[tuple[int, int]] = []
    first = rows.kept(turns[:5], lambda done, of: read.append((done, of)))
    assert read == [(n, 5) for n in range(1, 6)]
    shipped = heads.load(SHIPPED)
    classifier = LearnedClassifier(embedder, encoder, shipped)
    for row, each in zip(first, turns, strict=False):
        scores = await classifier.scores(each.turn, each.history)
        assert float(shipped.heads[INFORMATION].probabilities(row)) == pytest.approx(scores.information, abs=1e-6)
        assert (row[DIMENSION : DIMENSION + 384] == (await classifier.embed(each.turn)).vector).all()
    read.clear()
    again = Rows(encoder, embedder, tmp_path).kept(turns[:6], lambda done, of: read.append((done, of)))
    assert read == [(1, 1)] and (again[:5] == first).all()


def test_what_is_kept_is_made_anew_where_it_is_damaged_and_of_own_turns_nothing_is(
    tmp_path: Path, turns: list[LabelledTurn], embedder: FastEmbedder
) -> None:
    rows = Rows(TurnEncoder(threads=1), embedder, tmp_path)
    rows.of(turns[:3])
    assert not list(tmp_path.iterdir())
    kept = rows.kept(turns[:3])
    rows.file.write_bytes(rows.file.read_bytes()[:500])
    assert (Rows(TurnEncoder(threads=1), embedder, tmp_path).kept(turns[:3]) == kept).all()


def test_the_same_words_after_other_words_are_another_turn(tmp_path: Path, embedder: FastEmbedder) -> None:
    said = (Message("assistant", "Shall I look it up?"),)
    yes = LabelledTurn("yes", (), False)
    rows = Rows(TurnEncoder(threads=1), embedder, tmp_path).kept([yes, replace(yes, history=said), yes])
    assert (rows[0] == rows[2]).all() and not np.allclose(rows[0], rows[1])


@given(st.lists(st.text(max_size=8), max_size=60))
def test_a_conversation_is_wholly_learnt_from_or_wholly_held_apart_and_always_the_same(names: list[str]) -> None:
    given = [LabelledTurn("x", (), False, conversation=name) for name in names]
    learned, apart = parted(given)
    assert len(learned) + len(apart) == len(given)
    assert not {each.conversation for each in learned} & {each.conversation for each in apart}
    assert parted([*given, *given])[1] == apart * 2


def test_about_one_conversation_in_five_is_held_apart() -> None:
    _, apart = parted([LabelledTurn("x", (), False, conversation=f"c{n}") for n in range(2000)])
    assert 330 < len(apart) < 470


def test_figures_count_what_they_say() -> None:
    x = np.array([[3.0], [3.0], [-3.0], [-3.0], [3.0]])
    found = heads.Heads("v", {INFORMATION: Head(np.ones(1), 0.0), VOICE: Head(np.zeros(1), 1.0)})
    given = [
        LabelledTurn("a", (), True, True), LabelledTurn("b", (), True, False), LabelledTurn("c", (), True, None),
        LabelledTurn("d", (), False), LabelledTurn("e", (), False),
    ]  # fmt: skip
    judged = judge(found, x, given, RULE)
    assert judged.right.tolist() == [True, False, False, True, False]
    figures = judged.figures
    assert (figures.right, figures.missed, figures.needless, figures.cost) == (0.6, 1 / 3, 0.5, 1.0)
    assert figures.voice_right == 0.5 and figures.f1 == pytest.approx(4 / 6)
    nothing = judge(found, x[3:], given[3:], RULE).figures
    assert nothing.missed is None and nothing.voice_right is None and nothing.voice_log_loss is None


def test_a_slice_falls_by_more_than_one_turn_and_by_more_than_its_tolerance() -> None:
    given = [LabelledTurn("x", (), True, kind="small") for _ in range(8)]
    given += [LabelledTurn("x", (), True, kind="large", domain="d") for _ in range(60)]
    x = np.zeros((68, 1))
    good = judge(replace(flat(1), heads={**flat(1).heads, INFORMATION: Head(np.zeros(1), 5.0)}), x, given, RULE)

    def after(small: int, large: int) -> list[str]:
        right = good.right.copy()
        right[:small] = False
        right[8 : 8 + large] = False
        return [each.slice for each in falls(given, good, replace(good, right=right)) if each.by == "kind"]

    assert after(1, 3) == [] and after(2, 3) == ["kind small"] and after(0, 4) == ["kind large"]
    few = replace(good, right=good.right[:7])
    assert falls(given[:7], few, replace(few, right=~few.right)) == [], "too few to say anything"


def test_better_is_cheaper_or_surer_and_neither_worse_and_the_slice_is_named() -> None:
    base = judge(flat(1), np.zeros((4, 1)), [LabelledTurn("x", (), n < 2) for n in range(4)], RULE).figures
    assert objections(base, base, []) == ["nothing is better than before"]
    assert objections(base, replace(base, cost=base.cost - 0.1), []) == []
    assert "log loss" in objections(base, replace(base, cost=base.cost - 0.1, log_loss=base.log_loss + 0.1), [])[0]
    assert "cost" in objections(base, replace(base, cost=base.cost + 0.1, log_loss=base.log_loss - 0.1), [])[0]
    (said,) = objections(base, replace(base, cost=base.cost - 0.1), [Fall("kind", "doubt", 10, 9, 6)])
    assert said == "kind doubt falls: 6 of 10 right, 9 before (-30 points)"
    given = [LabelledTurn("x", (), True, kind="doubt:de"), LabelledTurn("x", (), True, kind="people")]
    assert outside(given, ["kind doubt"]).tolist() == [False, True]


def test_corrections_that_agree_with_each_other_are_learnt(bench: Callable[..., Bench]) -> None:
    corrections = own_turns(ASIDES, True, stem="c")
    found = retrain.retrain(bench(), corrections)
    assert found.learned + found.held_apart == len(corrections) and found.held_apart > 5
    assert found.after["corrections"]["missed"] < found.before["corrections"]["missed"]
    assert (found.version is None) == bool(found.objections)
    assert set(found.to_json()["after"]) == {"shipped", "corrections", "all"}


def test_trying_it_out_installs_nothing_and_a_version_is_not_used_by_itself(bench: Callable[..., Bench]) -> None:
    own = [*own_turns(ASIDES, True, stem="a"), *own_turns(FACTS, False, stem="f")]
    file = Path("own.jsonl")
    tried = bench(install=False)
    assert train_heads(tried, own, file).version is None and len(tried.versions.listed()) == 1
    outcome = train_heads(bench(), own, file, "house")
    assert outcome.objections == () and outcome.version == "house"
    assert outcome.after["own"]["right"] > 0.9 > outcome.before["own"]["right"]
    versions = bench().versions
    assert versions.current() == SHIPPED.name
    card = versions.find("house").card
    assert card["turns"] == {"own": len(own)} and card["figures"]["shipped"]["n"] == 80
    assert versions.load("house").heads.version == "house"


def test_turns_that_teach_nothing_leave_everything_as_it_is(bench: Callable[..., Bench]) -> None:
    wrong = [replace(each, information=not each.information, voice=None) for each in labelled.read(bench().held_apart)]
    learned, _ = parted(wrong)
    sound = [each for each in own_turns(FACTS, True, stem="f") if not parted([each])[0]]
    outcome = retrain.retrain(bench(), [*learned, *sound])
    assert any("cost" in each for each in outcome.objections) and any(" falls: " in each for each in outcome.objections)
    assert outcome.version is None and len(bench().versions.listed()) == 1


def test_without_a_conversation_to_judge_on_nothing_is_installed(bench: Callable[..., Bench]) -> None:
    one = parted(own_turns(ASIDES, True, stem="c"))[0][:3]
    outcome = retrain.retrain(bench(), one)
    assert outcome.objections == ("no conversation with corrections is held apart to judge on yet: correct some more",)
    with pytest.raises(LabelsError, match="too few conversations"):
        train_heads(bench(), one, Path("few.jsonl"))


def test_retraining_begins_from_before_the_corrections(bench: Callable[..., Bench]) -> None:
    versions = bench().versions
    for name, card in (("house", {}), ("retrained-1", {"base": "house"}), ("lost", {"base": "gone"})):
        versions.install(replace(heads.load(SHIPPED), card=card), "x", name=name)
    assert [base_of(versions, name) for name in ("house", "retrained-1", "lost", SHIPPED.name)] == [
        "house", "house", "lost", SHIPPED.name,
    ]  # fmt: skip


def test_accepted_slices_are_neither_learnt_from_nor_judged_on(bench: Callable[..., Bench]) -> None:
    kind = "kind " + labelled.read(bench().held_apart)[0].kind.partition(":")[0]
    made = bench(accepted=[kind])
    (x, examples), (y, apart) = made.shipped(made.rows(made.versions.load_current()))
    assert len(x) == len(examples) < 160 and len(y) == len(apart) < 80
    assert all(f"kind {each.kind.partition(':')[0]}" != kind for each in [*examples, *apart])


def test_what_is_held_apart_is_never_learnt_from(bench: Callable[..., Bench], turns: list[LabelledTurn]) -> None:
    made = bench()
    labelled.write(made.examples / "leak.jsonl", turns[160:200])
    (_, examples), (_, apart) = made.shipped(made.rows(made.versions.load_current()))
    assert len(examples) == 160 and len(apart) == 80


def test_so_many_shipped_turns_as_hold_what_is_known_are_drawn_once_and_for_all(
    bench: Callable[..., Bench], turns: list[LabelledTurn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrain, "HOLDING", 60)
    first, again = (made.shipped(made.rows(made.versions.load_current()))[0][1] for made in (bench(), bench()))
    assert len(first) == 60 and list(first) == list(again)
    assert set(first) <= set(turns[:160]) and set(first) != set(turns[:60])


def test_heads_of_other_questions_stay_and_few_turns_keep_close_to_the_prior() -> None:
    width = heads.load(SHIPPED).dimension
    prior = replace(flat(width), heads={**flat(width).heads, ASK: Head(np.ones(width), 0.3)})
    chance = np.random.default_rng(1)
    x, given = chance.normal(size=(40, width)) / 10, [LabelledTurn("x", (), n % 2 == 0) for n in range(40)]
    close, far = (fitting.fitted(prior, x, fitting.labels(given), penalty) for penalty in (300.0, 0.1))
    assert close.heads[ASK] is prior.heads[ASK] and close.heads[VOICE] is prior.heads[VOICE]
    moved = [float(np.linalg.norm(each.heads[INFORMATION].weights)) for each in (close, far)]
    assert 0 < moved[0] < moved[1] / 5
    assert fitting.penalty_for(prior, x, given, ["one group"] * 40) == fitting.PENALTIES[-1]


def test_two_versions_are_compared_each_by_its_own_rows() -> None:
    given = [LabelledTurn("x", (), n < 5) for n in range(10)]
    x = np.array([[1.0 if n < 5 else -5.0] for n in range(10)])
    known = replace(flat(1), heads={**flat(1).heads, INFORMATION: Head(np.ones(1), 0.0)})
    found = compared(RULE, known, known, {"turns": (x, given)}, -x)
    assert found.old.figures.right == 0.5 and found.new.figures.right == 1.0 and "all" not in found.after
    assert json.dumps(found.before)


def test_few_rows_are_fitted_in_their_own_space_with_the_same_result() -> None:
    width = heads.load(SHIPPED).dimension
    chance = np.random.default_rng(2)
    x, y = chance.normal(size=(30, width)), chance.random(30)
    prior = Head(chance.normal(size=width) / 50, 0.2)
    few = fitting.fitted_head(prior, x, y, 30.0)
    nothing = np.zeros((width, width))
    counts = np.concatenate([np.ones(30), np.zeros(width)])
    whole = fitting.fitted_head(prior, np.vstack([x, nothing]), np.append(y, np.zeros(width)), 30.0, counts)
    assert np.allclose(few.weights, whole.weights, atol=1e-4) and few.bias == pytest.approx(whole.bias, abs=1e-4)


def test_what_heads_believe_moves_them_nowhere() -> None:
    prior = heads.load(SHIPPED)
    chance = np.random.default_rng(4)
    x = chance.normal(size=(50, prior.dimension)) / 10
    given = [LabelledTurn("x", (), n % 2 == 0, True if n % 4 == 0 else None) for n in range(50)]
    targets = fitting.beliefs(prior, x, given)
    assert np.isnan(targets.voice).tolist() == [n % 4 != 0 for n in range(50)]
    again = fitting.fitted(prior, x, targets, 0.1)
    for name in (INFORMATION, VOICE):
        assert np.allclose(again.heads[name].weights, prior.heads[name].weights, atol=1e-6)
