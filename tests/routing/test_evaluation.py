"""The evaluation counts what it says it counts, on every mix of labels and scores."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.turn import Message, Turn
from assistant.knowledge.embedder import FastEmbedder
from assistant.routing import evaluation, occlusion
from assistant.routing.classifier import LearnedClassifier, Scores
from assistant.routing.encoder import SHIPPED, TurnEncoder
from assistant.routing.evaluation import Judged
from assistant.routing.heads import load
from assistant.routing.labelled import LabelledTurn, read
from assistant.routing.router import Costs, Router

COSTS = Costs(4, 1)
EXAMPLES = Path(evaluation.__file__).parent / "examples"
KEYS = {
    "n", "version", "threshold", "information", "voice", "confusion", "cost", "reliability", "slices", "latency_ms",
    "wrong",
}  # fmt: skip


class Fixed:
    """A classifier that is not asked: decisions are made from the scores given."""

    version = "fixed"


def judged(information: bool, score: float, voice: bool | None = None, said: float = 0.0, **more: object) -> Judged:
    labelled = LabelledTurn("x", more.pop("history", ()), information, voice, **more)  # type: ignore[arg-type]
    scores = Scores(score, said)
    return evaluation.judge(Router(Fixed(), COSTS), labelled, scores, 2.0)


def test_every_figure_of_a_small_set_is_right() -> None:
    found = evaluation.report(
        [
            judged(True, 0.9, True, 0.8), judged(True, 0.9, False, 0.1), judged(True, 0.9, False, 0.9),
            judged(True, 0.1, True, 0.9), judged(False, 0.3), judged(False, 0.05), judged(False, 0.0),
        ],
        COSTS,
    )  # fmt: skip
    assert set(found) == KEYS
    assert found["information"] == {
        "accuracy": 0.7143, "precision": 0.75, "recall": 0.75, "f1": 0.75, "missed": 0.25, "needless": 0.3333,
        "ece": pytest.approx((abs(0.05 - 0) + abs(0.1 - 1) + abs(0.3 - 0) + 3 * abs(0.9 - 1)) / 7, abs=1e-3),
    }  # fmt: skip
    assert found["voice"] == {"accuracy": 0.75, "n": 4}, "a missed lookup is judged by its P(voice) all the same"
    assert found["confusion"] == {
        "voice": {"voice": 2, "retrieve": 1, "both": 0},
        "retrieve": {"voice": 0, "retrieve": 1, "both": 1},
        "both": {"voice": 1, "retrieve": 0, "both": 1},
    }
    assert found["cost"] == {
        "missed_lookup": 4, "needless_lookup": 1, "total": 5, "per_turn": 0.7143, "always_looking_up": 0.4286,
    }  # fmt: skip
    assert [each["mistake"] for each in found["wrong"]] == ["missed", "needless", "voice"]
    assert all(each["reasons"] for each in found["wrong"])
    assert found["latency_ms"] == {"p50": 2.0, "p95": 2.0}


def test_sets_of_one_label_or_without_voice_labels_work() -> None:
    only_true = evaluation.report([judged(True, 0.9), judged(True, 0.1)], COSTS)
    assert only_true["information"]["missed"] == 0.5 and only_true["information"]["needless"] is None
    assert only_true["voice"] == {"accuracy": None, "n": 0}
    assert only_true["confusion"][evaluation.EITHER] == {"voice": 1, "retrieve": 1, "both": 0}
    assert only_true["cost"]["always_looking_up"] == 0
    only_false = evaluation.report([judged(False, 0.0)], COSTS)["information"]
    assert only_false["accuracy"] == 1 and only_false["needless"] == 0
    assert [only_false[name] for name in ("precision", "recall", "f1", "missed")] == [None] * 4
    with pytest.raises(ValueError, match="no turns"):
        evaluation.report([], COSTS)


def test_slices_are_by_domain_kind_language_and_history() -> None:
    said = (Message("user", "hi"), Message("assistant", "Hello."))
    found = evaluation.report(
        [
            judged(True, 0.1, kind="follow_up:de", domain="hr", history=said),
            judged(True, 0.9, kind="follow_up", domain="hr"), judged(False, 0.0, kind="ack", domain="it"),
        ],
        COSTS,
    )["slices"]  # fmt: skip
    assert {name: list(parts) for name, parts in found.items()} == {
        "domain": ["hr", "it"], "kind": ["ack", "follow_up"], "language": ["de", "en"], "history": ["no", "yes"],
    }  # fmt: skip
    follow_ups = {"n": 2, "accuracy": 0.5, "missed": 0.5, "needless": None, "voice": None, "cost": 2.0}
    assert found["kind"]["follow_up"] == follow_ups


TURNS = st.tuples(st.booleans(), st.floats(0, 1), st.none() | st.booleans(), st.floats(0, 1))


@given(st.lists(TURNS, min_size=1, max_size=60))
def test_the_figures_agree_with_each_other(rows: list[tuple[bool, float, bool | None, float]]) -> None:
    given_turns = [judged(true, score, voice if true else None, said) for true, score, voice, said in rows]
    found, total = evaluation.report(given_turns, COSTS), len(rows)
    positive = sum(row[0] for row in rows)
    missed = (found["information"]["missed"] or 0) * positive
    needless = (found["information"]["needless"] or 0) * (total - positive)
    assert found["information"]["accuracy"] == pytest.approx(1 - (missed + needless) / total, abs=1e-3)
    assert found["cost"]["total"] == pytest.approx(4 * missed + needless, abs=0.05)
    assert sum(sum(row.values()) for row in found["confusion"].values()) == total
    assert sum(each["n"] for each in found["reliability"]) == total
    assert all(sum(part["n"] for part in parts.values()) == total for parts in found["slices"].values())
    assert len([each for each in found["wrong"] if each["mistake"] != "voice"]) == round(missed + needless)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=80))
def test_the_calibration_error_is_the_one_of_the_paper(rows: list[tuple[bool, float]]) -> None:
    expected = 0.0
    for place in range(10):
        last = place == 9
        inside = [
            row for row in rows if place / 10 <= row[1] and (row[1] * 10 < place + 1 or last) and row[1] * 10 >= place
        ]
        if inside:
            gap = abs(math.fsum(score - true for true, score in inside)) / len(inside)
            expected += len(inside) / len(rows) * gap
    error = evaluation.expected_calibration_error([judged(true, score) for true, score in rows])
    assert error == pytest.approx(expected, abs=5e-4)
    assert 0 <= error <= 1


@pytest.fixture(scope="module")
def router(embedder: FastEmbedder) -> Router:
    return Router(LearnedClassifier(embedder, TurnEncoder(), load(SHIPPED)), COSTS)


async def test_the_routers_own_scores_are_what_is_measured(router: Router) -> None:
    turns = read(EXAMPLES / "staff.jsonl")[:12]
    told: list[int] = []
    found = await evaluation.run(router, turns, told.append)
    assert told == list(range(1, 13)) and [each.labelled for each in found] == turns
    assert all(each.milliseconds > 0 for each in found)
    for each in found:
        scores = await router.scores(Turn(each.labelled.turn, each.labelled.history))
        assert each.information == pytest.approx(scores.information)
        assert each.looks_up == (scores.information >= COSTS.threshold)
        assert each.in_voice == (scores.voice >= 0.5)


async def test_leaving_words_out_says_what_carries_a_turn(router: Router) -> None:
    turn = Turn("thanks a lot! and how many days of annual leave do new employees get?")
    full = await router.scores(turn)
    found = await occlusion.parts(router.scores, turn, full, voice=True)
    assert 0 < len(found) <= occlusion.SHOWN
    for part in found:
        assert turn.text[part.start : part.end] == part.words
        left = f"{turn.text[: part.start].rstrip()} {turn.text[part.end :].lstrip()}".strip()
        assert (await router.scores(Turn(left))).information == pytest.approx(part.information)
    spans = sorted((part.start, part.end) for part in found)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("text", ["hello", "?", " x "])
async def test_a_turn_of_one_word_has_nothing_to_leave_out(router: Router, text: str) -> None:
    turn = Turn(text)
    assert await occlusion.parts(router.scores, turn, await router.scores(turn), voice=True) == []
    assert await occlusion.without_history(router.scores, turn) is None


async def test_a_long_turn_is_explained_in_a_bounded_number_of_looks(router: Router) -> None:
    turn = Turn("could you tell me " + "the rule for travel and " * 60)
    looked: list[Turn] = []

    async def score(given_turn: Turn) -> Scores:
        looked.append(given_turn)
        return await router.scores(given_turn)

    await occlusion.parts(score, turn, await router.scores(turn), voice=False)
    assert 0 < len(looked) <= occlusion.UNITS * occlusion.LONGEST
