"""Whether new heads are better than old ones: figures on turns held apart, and the slices that fall.

A slice falls where more turns went wrong than before: at least ``FEWEST_FALLEN``, and more than ``TOLERANCE`` of it. So
one turn, which is chance, stops nothing. Where an organisation wants some turns decided otherwise, their slice has to
fall: people accept that by its name, and then such turns are neither judged on nor learnt from as they ship.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.routing.evaluation import SLICES
from assistant.routing.heads import INFORMATION, VOICE, Array, Heads
from assistant.routing.labelled import LabelledTurn
from assistant.routing.router import Costs

Flags = NDArray[np.bool_]
TOLERANCE = 0.05
"""Share of a slice that may go wrong anew."""
FEWEST_FALLEN = 2
FEWEST_TURNS = 8
"""Smaller slices are not looked at."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How scores become decisions: the costs of wrong lookups, and P(voice) from which it is the voice."""

    costs: Costs
    voice_threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of turns, None of no turns; ``cost`` a turn at the threshold; ``f1`` of the lookups; ``log_loss`` of
    P(information) and of P(voice) where something is to be looked up."""

    n: int
    right: float | None
    f1: float | None
    missed: float | None
    needless: float | None
    cost: float
    log_loss: float
    voice_right: float | None
    voice_log_loss: float | None

    def to_json(self) -> dict[str, Any]:
        """Rounded values by name."""
        return {name: round(value, 4) if value is not None else None for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Judged:
    """Heads on labelled turns: the figures, and which turns are decided rightly, [n]."""

    figures: Figures
    right: Flags


@dataclass(frozen=True, slots=True)
class Fall:
    """A slice in which more turns are wrong: how many are right before and after, of how many."""

    by: str
    name: str
    n: int
    before: int
    after: int

    @property
    def slice(self) -> str:
        """As people name it: "kind doubt"."""
        return f"{self.by} {self.name}"

    def to_json(self) -> dict[str, Any]:
        """Values by name."""
        return {"slice": self.slice, "n": self.n, "right_before": self.before, "right_after": self.after}


def judge(heads: Heads, rows: Array, turns: Sequence[LabelledTurn], rule: Rule) -> Judged:
    """The heads' decisions on turns by their rows, [n, d]."""
    information = np.array([each.information for each in turns], dtype=bool)
    voiced = np.array([each.voice is not None for each in turns], dtype=bool) & information
    voice = np.array([bool(each.voice) for each in turns], dtype=bool)
    p = heads.heads[INFORMATION].probabilities(rows)
    q = heads.heads[VOICE].probabilities(rows)
    said, spoken = p >= rule.costs.threshold, q >= rule.voice_threshold
    right = (said == information) & (~voiced | ~said | (spoken == voice))
    missed, needless = information & ~said, said & ~information
    cost = rule.costs.missed_lookup * missed.sum() + rule.costs.needless_lookup * needless.sum()
    found = int(said.sum() + information.sum())
    figures = Figures(
        n=len(turns),
        right=_share(said == information),
        f1=2 * float((said & information).sum()) / found if found else None,
        missed=_share(missed[information]),
        needless=_share(needless[~information]),
        cost=float(cost) / max(len(turns), 1),
        log_loss=_log_loss(p, information) or 0.0,
        voice_right=_share((spoken == voice)[voiced]),
        voice_log_loss=_log_loss(q[voiced], voice[voiced]),
    )
    return Judged(figures, right)


def falls(turns: Sequence[LabelledTurn], before: Judged, after: Judged) -> list[Fall]:
    """The slices in which more went wrong than is chance, the deepest fall first."""
    found = []
    for by, of in SLICES.items():
        names = np.array([of(each) for each in turns], dtype=object)
        for name in sorted(set(names)):
            chosen = names == name
            n, old, new = int(chosen.sum()), int(before.right[chosen].sum()), int(after.right[chosen].sum())
            if n >= FEWEST_TURNS and old - new >= FEWEST_FALLEN and old - new > TOLERANCE * n:
                found.append(Fall(by, str(name), n, old, new))
    return sorted(found, key=lambda fall: (fall.after - fall.before) / fall.n)


def outside(turns: Sequence[LabelledTurn], accepted: Collection[str]) -> Flags:
    """Which turns are in none of the slices that people accept to fall, by their names ("kind doubt"), [n]."""
    return np.array(
        [not any(f"{by} {of(each)}" in accepted for by, of in SLICES.items()) for each in turns], dtype=bool
    )


def objections(before: Figures, after: Figures, fallen: Sequence[Fall]) -> list[str]:
    """Why the new heads are not better, in words; none where they are."""
    found = []
    for name, old, new in (
        ("wrong lookups cost", before.cost, after.cost),
        ("log loss", before.log_loss, after.log_loss),
        ("log loss of the voice", before.voice_log_loss or 0.0, after.voice_log_loss or 0.0),
    ):
        if new > old + 1e-9:
            found.append(f"{name} {new:.4f} a turn, {old:.4f} before")
    same = abs(before.cost - after.cost) < 1e-9
    if not found and same and (before.log_loss, before.voice_log_loss) == (after.log_loss, after.voice_log_loss):
        found.append("nothing is better than before")
    for fall in fallen:
        part = 100 * (fall.before - fall.after) / fall.n
        found.append(f"{fall.slice} falls: {fall.after} of {fall.n} right, {fall.before} before (-{part:.0f} points)")
    return found


def _share(values: Flags) -> float | None:
    return float(values.mean()) if values.size else None


def _log_loss(p: Array, y: Flags) -> float | None:
    if not y.size:
        return None
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-np.where(y, np.log(p), np.log(1 - p)).mean())
