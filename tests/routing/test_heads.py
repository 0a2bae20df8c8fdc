"""The heads' regression: it finds the optimum, holds on to its prior, and comes back from disk as it was."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.routing.heads import ASK, INFORMATION, Array, Head, Heads, HeadsError, calibrated, fit, load, sigmoid


def made(seed: int, rows: int = 200, dimension: int = 5) -> tuple[Array, np.ndarray, Array]:
    random = np.random.default_rng(seed)
    truth, x = random.normal(size=dimension), random.normal(size=(rows, dimension))
    return x, random.random(rows) < sigmoid(x @ truth), truth


@given(st.integers(0, 50), st.floats(0.01, 100), st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_fit_is_where_the_slope_is_nothing(seed: int, penalty: float, with_prior: bool) -> None:
    x, y, _ = made(seed)
    prior = Head(np.full(5, 0.7), 0.3) if with_prior else None
    head = fit(x, y, penalty, prior=prior)
    start = prior.weights if prior else np.zeros(5)
    slope = x.T @ (head.probabilities(x) - y) + penalty * (head.weights - start)
    assert np.abs(slope).max() < 0.05


def test_a_strong_prior_holds_and_a_weak_one_gives_way() -> None:
    x, y, truth = made(3, rows=2000)
    prior = Head(-truth, 0.0)
    held, free = fit(x, y, 1e7, prior=prior), fit(x, y, 1e-3, prior=prior)
    assert np.allclose(held.weights, -truth, atol=0.01)
    assert np.corrcoef(free.weights, truth)[0, 1] > 0.95


def test_a_row_that_counts_twice_is_two_rows() -> None:
    x, y, _ = made(5, rows=60)
    twice = fit(np.vstack([x, x[:20]]), np.concatenate([y, y[:20]]), 1.0)
    counted = fit(x, y, 1.0, counts=np.where(np.arange(60) < 20, 2.0, 1.0))
    assert np.allclose(twice.weights, counted.weights, atol=1e-4)


def test_labels_of_one_kind_need_a_prior() -> None:
    x = np.ones((4, 2))
    with pytest.raises(HeadsError, match="both labels"):
        fit(x, np.ones(4, dtype=bool), 1.0)
    moved = fit(x, np.ones(4, dtype=bool), 1.0, prior=Head(np.zeros(2), 0.0))
    assert 0.5 < float(moved.probabilities(x[0])) < 1


@pytest.mark.parametrize("factor", [0.3, 4.0])
def test_calibration_takes_back_what_was_too_sure_or_not_sure_enough(factor: float) -> None:
    x, y, truth = made(7, rows=4000)
    found = calibrated(Head(truth * factor, 0.8), x, y)
    assert np.allclose(found.weights, truth, rtol=0.25, atol=0.1) and abs(found.bias) < 0.25
    said = found.probabilities(x)
    for low in (0.1, 0.4, 0.7):
        chosen = (said >= low) & (said < low + 0.2)
        assert abs(said[chosen].mean() - y[chosen].mean()) < 0.07


def test_calibration_without_both_labels_changes_nothing() -> None:
    x, y, truth = made(7)
    head = Head(truth, 0.0)
    assert calibrated(head, x, np.ones(len(y), dtype=bool)) is head


def test_heads_come_back_as_they_were(tmp_path: Path) -> None:
    heads = Heads("mine", {INFORMATION: Head(np.array([0.5, -2.0]), 0.25), ASK: Head(np.zeros(2), 1.0)}, {"turns": 7})
    heads.save(tmp_path / "new")
    found = load(tmp_path / "new")
    assert found.version == "mine" and found.card["turns"] == 7 and found.dimension == 2
    for name, head in heads.heads.items():
        assert np.array_equal(found.heads[name].weights, head.weights) and found.heads[name].bias == head.bias


@pytest.mark.parametrize("damage", ["card.json", "heads.npz"])
def test_a_damaged_version_is_named(tmp_path: Path, damage: str) -> None:
    Heads("mine", {INFORMATION: Head(np.zeros(2), 0.0)}).save(tmp_path)
    (tmp_path / damage).write_bytes(b"\x00 not this")
    with pytest.raises(HeadsError, match="cannot be read"):
        load(tmp_path)


def test_sigmoid_has_no_edge() -> None:
    assert sigmoid(np.array([-1e6, 0.0, 1e6])).tolist() == [0.0, 0.5, 1.0]
