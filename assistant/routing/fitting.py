"""Heads fitted to labelled turns by their rows, in numpy: how the rows are scaled, and how strongly the prior holds.

The embedder's vector of the turn, which the shipped heads leave alone, is what new heads can learn an organisation's
words by: it is scaled up for the fit. docs/figures.md shows how the constants were found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from assistant.routing import features
from assistant.routing.encoder import DIMENSION
from assistant.routing.heads import INFORMATION, VOICE, Array, Head, Heads, fit
from assistant.routing.labelled import LabelledTurn

VECTOR_SCALE, CUES_SCALE = 8.0, 2.0
"""By how much the fit scales the vector of the turn and the cues beside the encoder's entries."""
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Of own turns: tried by cross-validation below ``MANY``; from there on the first, so that the prior gives way."""
MANY = 500
FOLDS = 4


@dataclass(frozen=True, slots=True)
class Targets:
    """What heads are fitted to: P(information) and P(voice) of turns, [n] each; the second NaN where not asked."""

    information: Array
    voice: Array

    def __add__(self, other: Targets) -> Targets:
        return Targets(np.concatenate([self.information, other.information]), np.concatenate([self.voice, other.voice]))


def labels(turns: Sequence[LabelledTurn]) -> Targets:
    """As people labelled them."""
    voice = [float(each.voice) if each.information and each.voice is not None else np.nan for each in turns]
    return Targets(np.array([float(each.information) for each in turns]), np.array(voice, dtype=np.float64))


def beliefs(heads: Heads, x: Array, turns: Sequence[LabelledTurn]) -> Targets:
    """As heads see them by their rows, so that a fit forgets nothing of what they know and learns nothing anew there:
    an encoder fits the labels of turns that it was trained on too well (Li and Hoiem, "Learning without forgetting",
    ECCV 2016)."""
    asked = ~np.isnan(labels(turns).voice)
    voice = np.where(asked, heads.heads[VOICE].probabilities(x), np.nan)
    return Targets(heads.heads[INFORMATION].probabilities(x), voice)


def fitted(prior: Heads, x: Array, targets: Targets, penalty: float, counts: Array | None = None) -> Heads:
    """The prior's heads fitted to turns by their rows [n, d]; the voice where it is asked. Heads of other questions
    stay."""
    weight = np.ones(len(x)) if counts is None else counts
    heads = dict(prior.heads)
    for name, y in ((INFORMATION, targets.information), (VOICE, targets.voice)):
        chosen = ~np.isnan(y)
        if chosen.any():
            heads[name] = fitted_head(prior.heads[name], x[chosen], y[chosen], penalty, weight[chosen])
    return replace(prior, heads=heads)


def fitted_head(prior: Head, x: Array, y: Array, penalty: float, counts: Array | None = None) -> Head:
    """One head fitted to probabilities [n]. What fewer rows than entries can move lies in the space that they span, so
    it is fitted there; that changes nothing but the time."""
    scale = _scale(x.shape[1])
    rows, start, given = x * scale, prior.weights / scale, cast(NDArray[np.bool_], y)
    if len(rows) >= rows.shape[1]:
        found = fit(rows, given, penalty, prior=Head(start, prior.bias), counts=counts)
        return Head(found.weights * scale, found.bias)
    basis = np.linalg.qr(rows.T)[0]
    within = start @ basis
    found = fit(rows @ basis, given, penalty, prior=Head(within, prior.bias), counts=counts)
    return Head((start + basis @ (found.weights - within)) * scale, found.bias)


def penalty_for(prior: Heads, x: Array, turns: Sequence[LabelledTurn], groups: Sequence[str]) -> float:
    """How strongly the prior should hold: the penalty with the lowest log loss on groups that the fit has not seen."""
    if len(turns) >= MANY:
        return PENALTIES[0]
    folds = np.array([bucket(group, FOLDS, salt="fold") for group in groups])
    y = labels(turns).information
    losses = dict.fromkeys(PENALTIES, 0.0)
    for number in np.unique(folds) if len(np.unique(folds)) > 1 else ():
        out = folds == number
        for penalty in PENALTIES:
            z = fitted_head(prior.heads[INFORMATION], x[~out], y[~out], penalty).logits(x[out])
            losses[penalty] += float((np.logaddexp(0.0, z) - y[out] * z).sum())
    return min(reversed(PENALTIES), key=lambda penalty: losses[penalty])


def bucket(name: str, of: int, salt: str = "") -> int:
    """A number below ``of`` that a name always has."""
    digest = hashlib.sha256(f"{salt}{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % of


def _scale(width: int) -> Array:
    cues = len(features.NAMES)
    vector = np.full(width - DIMENSION - cues, VECTOR_SCALE)
    return np.concatenate([np.ones(DIMENSION), vector, np.full(cues, CUES_SCALE)])
