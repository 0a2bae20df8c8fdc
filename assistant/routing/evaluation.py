"""How well the router decides, over labelled turns: figures, slices, calibration, latency, and what went wrong.

It is the router alone that is measured, on a surface that answers in voice ``on_request`` and without documents: what
the search would add depends on whose documents they are.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import Turn
from assistant.routing.classifier import Scores
from assistant.routing.labelled import LabelledTurn
from assistant.routing.router import Costs, Decision, Router

Mistake = Literal["missed", "needless", "voice"]
MISTAKES: tuple[Mistake, ...] = ("missed", "needless", "voice")
BINS = 10
SLICES: dict[str, Callable[[LabelledTurn], str]] = {
    "domain": lambda turn: turn.domain or "–",
    "kind": lambda turn: turn.kind.partition(":")[0] or "–",
    "language": lambda turn: turn.language,
    "history": lambda turn: "yes" if turn.history else "no",
}
LABELLED = ("voice", "retrieve", "both")
"""The routes that labels stand for."""
EITHER = "retrieve or both"
"""The right route of a turn that must be looked up and has no voice label."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled turn with its decision. ``information`` is P(information), unrounded; ``in_voice`` whether the voice
    would answer were it looked up, so that a missed lookup is not a second mistake; ``milliseconds`` what it took."""

    labelled: LabelledTurn
    decision: Decision
    information: float
    in_voice: bool
    milliseconds: float = 0.0

    @property
    def looks_up(self) -> bool:
        """Whether the decision looks up."""
        return ROUTES[self.decision.route].looks_up

    @property
    def expected(self) -> str:
        """The right route under the policy ``on_request``."""
        if not self.labelled.information:
            return "voice"
        if self.labelled.voice is None:
            return EITHER
        return "both" if self.labelled.voice else "retrieve"

    @property
    def mistake(self) -> Mistake | None:
        """What is wrong with the decision, the lookup before the voice."""
        if self.looks_up != self.labelled.information:
            return "missed" if self.labelled.information else "needless"
        wrong = self.labelled.voice is not None and self.in_voice != self.labelled.voice
        return "voice" if wrong else None


def judge(router: Router, labelled: LabelledTurn, scores: Scores, milliseconds: float = 0.0) -> Judged:
    """The router's decision on scores that are known already."""
    turn = Turn(labelled.turn, labelled.history)
    decision = router.decide(turn, scores, "on_request", turn.text, None)
    asked = router.decide(turn, replace(scores, information=1.0), "on_request", turn.text, None)
    return Judged(labelled, decision, scores.information, ROUTES[asked.route].role == "voice", milliseconds)


async def run(
    router: Router, turns: Sequence[LabelledTurn], on_progress: Callable[[int], None] = lambda _: None
) -> list[Judged]:
    """Every turn decided, one after another, each timed from its text to its decision, embedding included. The first
    is decided once more beforehand, so that loading the model is not timed."""
    if turns:
        await router.scores(Turn(turns[0].turn, turns[0].history))
    judged = []
    for number, labelled in enumerate(turns, 1):
        turn = Turn(labelled.turn, labelled.history)
        began = time.perf_counter()
        scores = await router.scores(turn)
        router.decide(turn, scores, "on_request", turn.text, None)
        judged.append(judge(router, labelled, scores, 1000 * (time.perf_counter() - began)))
        on_progress(number)
    return judged


def report(judged: Sequence[Judged], costs: Costs) -> dict[str, Any]:
    """All figures as plain values; a share of nothing is None. Raises ValueError without a turn."""
    if not judged:
        raise ValueError("there are no turns to report on")
    taken = [each.milliseconds for each in judged]
    return {
        "n": len(judged),
        "version": judged[0].decision.version,
        "threshold": judged[0].decision.threshold,
        "information": information(judged),
        "voice": voice(judged),
        "confusion": confusion(judged),
        "cost": cost(judged, costs),
        "reliability": reliability(judged),
        "slices": {name: _sliced(judged, of, costs) for name, of in SLICES.items()},
        "latency_ms": {f"p{part}": round(float(np.percentile(taken, part)), 3) for part in (50, 95)},
        "wrong": [_told(each) for each in sorted(filter(lambda each: each.mistake, judged), key=_gravity)],
    }


def information(judged: Sequence[Judged]) -> dict[str, float | None]:
    """Whether lookups were right, at the router's threshold. ``missed`` is the share of the turns labelled true that
    went without one, ``needless`` that of the turns labelled false that got one."""
    said, true = _looked_up(judged), _labels(judged)
    precision, recall = _share(true[said]), _share(said[true])
    found = int((said & true).sum())
    return {
        "accuracy": _share(said == true),
        "precision": precision,
        "recall": recall,
        "f1": _rounded(2 * found / (int(said.sum()) + int(true.sum()))) if said.any() or true.any() else None,
        "missed": _share(~said[true]),
        "needless": _share(said[~true]),
        "ece": expected_calibration_error(judged),
    }


def voice(judged: Iterable[Judged]) -> dict[str, float | int | None]:
    """Whether the voice was right where something must be looked up, and how many turns have that label."""
    right = [each.in_voice == each.labelled.voice for each in judged if each.labelled.voice is not None]
    return {"accuracy": _share(np.array(right, dtype=bool)), "n": len(right)}


def confusion(judged: Iterable[Judged]) -> dict[str, dict[str, int]]:
    """How many turns of each right route were sent to which; another route is there where a turn took it."""
    pairs = Counter((each.expected, str(each.decision.route)) for each in judged)
    rows = dict.fromkeys([*LABELLED, *(right for right, _ in pairs)])
    columns = dict.fromkeys([*LABELLED, *(sent for _, sent in pairs)])
    return {right: {sent: pairs[right, sent] for sent in columns} for right in rows}


def cost(judged: Sequence[Judged], costs: Costs) -> dict[str, float]:
    """What the wrong lookups cost, beside what looking up every turn would."""
    said, true = _looked_up(judged), _labels(judged)
    total = float(costs.missed_lookup * (true & ~said).sum() + costs.needless_lookup * (said & ~true).sum())
    return {
        "missed_lookup": costs.missed_lookup,
        "needless_lookup": costs.needless_lookup,
        "total": _rounded(total),
        "per_turn": _rounded(total / len(judged)),
        "always_looking_up": _rounded(float(costs.needless_lookup * (~true).mean())),
    }


def reliability(judged: Sequence[Judged]) -> list[dict[str, float | int]]:
    """The turns in ten bins of P(information) of equal width: how many, what the router says on average (``said``),
    and how many of them must be looked up (``true``, a share). Empty bins are left out."""
    said, true = np.array([each.information for each in judged]), _labels(judged)
    places = np.minimum((said * BINS).astype(int), BINS - 1)
    return [
        {
            "from": place / BINS,
            "to": (place + 1) / BINS,
            "n": int(chosen.sum()),
            "said": _rounded(float(said[chosen].mean())),
            "true": _rounded(float(true[chosen].mean())),
        }
        for place in range(BINS)
        if (chosen := places == place).any()
    ]


def expected_calibration_error(judged: Sequence[Judged]) -> float:
    """The mean distance between what the bins of ``reliability`` say and what is true, by their turns (Guo et al., ICML
    2017, equation 3, with ten bins, for P(information) in place of the confidence of the predicted class)."""
    bins = reliability(judged)
    return _rounded(sum(each["n"] * abs(each["said"] - each["true"]) for each in bins) / len(judged))


def _sliced(judged: Sequence[Judged], of: Callable[[LabelledTurn], str], costs: Costs) -> dict[str, dict[str, Any]]:
    parts: dict[str, list[Judged]] = {}
    for each in judged:
        parts.setdefault(of(each.labelled), []).append(each)
    return {name: _slice(parts[name], costs) for name in sorted(parts)}


def _slice(judged: Sequence[Judged], costs: Costs) -> dict[str, Any]:
    lookups = information(judged)
    return {
        "n": len(judged),
        **{name: lookups[name] for name in ("accuracy", "missed", "needless")},
        "voice": voice(judged)["accuracy"],
        "cost": cost(judged, costs)["per_turn"],
    }


def _gravity(each: Judged) -> tuple[int, float]:
    """Missed lookups before needless ones before the voice; those that the router was surest of first."""
    order = MISTAKES.index(each.mistake) if each.mistake else len(MISTAKES)
    return order, each.information if each.mistake == "missed" else -each.information


def _told(each: Judged) -> dict[str, Any]:
    return {
        **each.labelled.to_json(),
        "mistake": each.mistake,
        "expected": each.expected,
        "route": each.decision.route,
        "scores": {"information": each.decision.information, "voice": each.decision.voice},
        "reasons": list(each.decision.reasons),
    }


def _looked_up(judged: Sequence[Judged]) -> NDArray[np.bool_]:
    return np.array([each.looks_up for each in judged], dtype=bool)


def _labels(judged: Sequence[Judged]) -> NDArray[np.bool_]:
    return np.array([each.labelled.information for each in judged], dtype=bool)


def _share(values: NDArray[np.bool_]) -> float | None:
    return _rounded(float(values.mean())) if values.size else None


def _rounded(value: float) -> float:
    return round(value, 4)
