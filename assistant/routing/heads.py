"""The router's heads: logistic regressions over what is read of a turn, in numpy.

The shipped heads come from fine-tuning. Others are fitted to an organisation's own turns and corrections, starting
from these: the penalty draws the weights towards those of the heads before (a Gaussian prior around them; Chelba and
Acero, "Adaptation of maximum entropy capitalizer", EMNLP 2004), so that a few turns change little and many change much.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.files import write_atomically

Array = NDArray[np.float64]
CARD, WEIGHTS = "card.json", "heads.npz"
INFORMATION, VOICE, ASK = "information", "voice", "ask"
STEPS, CLOSE_ENOUGH = 50, 1e-6


class HeadsError(Exception):
    """Heads cannot be read, or do not fit what they would be used with; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Head:
    """``weights`` [d] and ``bias`` of one question; the probability is calibrated."""

    weights: Array
    bias: float

    def logits(self, x: Array) -> Array:
        """Of rows [n, d] or of one row [d]."""
        found: Array = np.asarray(x @ self.weights + self.bias, dtype=np.float64)
        return found

    def probabilities(self, x: Array) -> Array:
        """As ``logits``, 0 to 1."""
        return sigmoid(self.logits(x))


@dataclass(frozen=True, slots=True)
class Heads:
    """Heads by name with the card of their making. ``version`` goes out with every decision."""

    version: str
    heads: Mapping[str, Head]
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """Entries of a row that they read."""
        return len(self.heads[INFORMATION].weights)

    def save(self, folder: Path) -> None:
        """Into a folder, whole or not at all: the card is written last."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {}
        for name, head in self.heads.items():
            arrays[f"{name}.weights"] = head.weights.astype(np.float32)
            arrays[f"{name}.bias"] = np.float32(head.bias)
        np.savez(folder / WEIGHTS, **arrays)
        card = {**self.card, "version": self.version, "heads": list(self.heads)}
        write_atomically(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")


def load(folder: Path) -> Heads:
    """The heads of a folder. Raises HeadsError."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        with np.load(folder / WEIGHTS) as stored:
            heads = {
                name: Head(stored[f"{name}.weights"].astype(np.float64), float(stored[f"{name}.bias"]))
                for name in card["heads"]
            }
        return Heads(card["version"], heads, card)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HeadsError(f"the router version in {folder} cannot be read ({error}); install it again") from error


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), without overflow."""
    found: Array = np.exp(-np.logaddexp(0.0, -np.asarray(z, dtype=np.float64)))
    return found


def fit(
    x: Array, y: NDArray[np.bool_], penalty: float, *, prior: Head | None = None, counts: Array | None = None
) -> Head:
    """Logistic regression of rows [n, d] on labels [n] by Newton's method; the weights' squared distance from the
    ``prior``'s (or from 0), times half the ``penalty``, is added to the loss, and the bias is free. ``counts`` [n] is
    how much each row counts. Raises HeadsError for labels of one kind where there is no prior."""
    if prior is None and (y.all() or not y.any()):
        raise HeadsError("turns of both labels are needed to fit")
    before = prior.weights if prior is not None else np.zeros(x.shape[1])
    # The weights move within the span of the rows: with few rows of many entries that is a far smaller problem.
    basis = np.linalg.qr(x.T)[0] if len(x) < x.shape[1] else None
    z = np.hstack([x if basis is None else x @ basis, np.ones((len(x), 1))])
    pull = np.append(np.full(z.shape[1] - 1, penalty), penalty / 10 if prior is not None else 1e-6)
    start = np.append(np.zeros(z.shape[1] - 1), prior.bias if prior is not None else 0.0)
    weight = np.ones(len(x)) if counts is None else counts
    moved = _newton(_Problem(z, y, weight, x @ before, start, pull))
    step = moved[:-1] if basis is None else basis @ moved[:-1]
    return Head(before + step, float(moved[-1]))


@dataclass(frozen=True, slots=True)
class _Problem:
    """Rows [n, k] and their labels, weights and fixed part of the logits; where the search starts, which the penalty
    ``pull`` [k] draws towards."""

    x: Array
    y: NDArray[np.bool_]
    weight: Array
    offset: Array
    start: Array
    pull: Array

    def loss(self, theta: Array) -> float:
        z = self.offset + self.x @ theta
        fits = (self.weight * (np.logaddexp(0.0, z) - self.y * z)).sum()
        return float(fits + (self.pull * (theta - self.start) ** 2).sum() / 2)


def _newton(problem: _Problem) -> Array:
    theta, loss = problem.start, problem.loss(problem.start)
    for _ in range(STEPS):
        p = sigmoid(problem.offset + problem.x @ theta)
        slope = problem.x.T @ (problem.weight * (p - problem.y)) + problem.pull * (theta - problem.start)
        curved = problem.weight * np.maximum(p * (1 - p), 1e-9)
        step = np.linalg.solve((problem.x * curved[:, None]).T @ problem.x + np.diag(problem.pull), slope)
        size, better = 1.0, loss
        while size > 1e-4 and (better := problem.loss(theta - size * step)) > loss:
            size /= 2
        theta, gained, loss = theta - size * step, loss - better, better
        if gained < CLOSE_ENOUGH * max(1.0, abs(loss)):
            break
    return theta


def calibrated(head: Head, x: Array, y: NDArray[np.bool_], *, offset: bool = True) -> Head:
    """The head with its logits scaled and shifted so that held-apart turns come true as often as it says (Platt, 1999;
    without ``offset`` temperature alone, Guo et al., 2017)."""
    z = head.logits(x)[:, None]
    if y.all() or not y.any():
        return head
    if not offset:
        scales = np.linspace(0.1, 3.0, 117)
        losses = [float((np.logaddexp(0.0, s * z[:, 0]) - y * s * z[:, 0]).sum()) for s in scales]
        best = float(scales[int(np.argmin(losses))])
        return Head(head.weights * best, head.bias * best)
    found = fit(z, y, 1.0, prior=Head(np.ones(1), 0.0))
    scale = max(float(found.weights[0]), 0.05)
    return Head(head.weights * scale, head.bias * scale + found.bias)
