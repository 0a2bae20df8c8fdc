"""From signals to a state: two small regressions, fitted by ``python -m assistant.conversation.grounding_fit``.

One says how likely a hard fact of a claim is wrong, the other how likely the claim is in the passages at all. Weights,
thresholds and their card are in ``weights/grounding.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights" / "grounding.json"
GROUPS = ("figures", "names", "negation")


@dataclass(frozen=True, slots=True)
class Regression:
    """P = 1 / (1 + exp(-(bias + Σ weight · value))), the values as they are."""

    weights: Mapping[str, float]
    bias: float

    def __call__(self, values: Mapping[str, float]) -> float:
        return 1 / (1 + math.exp(-self.bias - sum(weight * values[name] for name, weight in self.weights.items())))

    def speaks(self, values: Mapping[str, float], group: str) -> float:
        """How much the signals of a group speak for it."""
        return sum(weight * values[name] for name, weight in self.weights.items() if group_of(name) == group)


@dataclass(frozen=True, slots=True)
class Model:
    """``wrong`` and ``held`` (with and without closeness of meaning) are probabilities; a claim is unsupported from
    ``unsupported`` on, or where it is held less than ``nothing``; partly so from ``doubtful`` on, or below ``thin``."""

    wrong: Regression
    held: Regression
    held_by_words: Regression
    unsupported: float
    doubtful: float
    nothing: float
    thin: float
    nothing_by_words: float
    thin_by_words: float


def group_of(signal: str) -> str:
    """What a signal is about: figures, names, negation, or nothing of these."""
    if signal.endswith("_figures") or signal == "lost_spelt":
        return "figures"
    if signal.endswith("_names"):
        return "names"
    return "negation" if signal in NEGATION else ""


NEGATION = frozenset(
    "negation_added negation_lost added_close lost_close added_head lost_head lost_whole put_in left_out".split()
)


@cache
def load(file: Path = WEIGHTS) -> Model:
    """The shipped weights, or those of a file."""
    found = json.loads(file.read_text(encoding="utf-8"))
    wrong, held, by_words = (
        Regression(found[name]["weights"], found[name]["bias"]) for name in ("wrong", "held", "held_by_words")
    )
    return Model(wrong, held, by_words, **found["thresholds"])
