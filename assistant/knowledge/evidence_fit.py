"""Fit the evidence model on labelled turns and write its weights and card.

    pip install "switchyard[train]"
    python -m assistant.knowledge.evidence_fit --set passages.jsonl turns.jsonl [--set …]

The files have the forms of `assistant eval`. Sets count alike, however many turns each has. Cross-validation is by
conversation (``conversation``, else the part of ``id`` before ``<::>``, else the line), and the thresholds are set on
its scores, of the second regression where the first is in doubt: ``partly`` where 8 % of the turns that can be answered
would be refused, ``supported`` where nine of ten turns above it can be answered.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from assistant.knowledge import evaluate
from assistant.knowledge.answerability import Answerability
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.evidence import READING, WEIGHTS
from assistant.knowledge.retrieve import Retriever

SIGNALS = (
    "closest",
    "alone",
    "above_5th",
    "above_10th",
    "closest_above_10th",
    "words_held",
    "best_held",
    "turns",
    "follows",
    "words",
    "new_words",
)
DOUBT = (0.15, 0.8)
"""Probabilities of the first regression between which passages are read: to read all refuses no more."""
PENALTY = 0.1
FOLDS = 8
REFUSED = 0.08
RIGHT = 0.9
Array = NDArray[np.float64]
Labels = NDArray[np.bool_]


async def measured(passages: Path, turns: Path, embedder: FastEmbedder) -> tuple[Array, Labels, list[str]]:
    """Signals and what reading says [n, signals + 2], labels and conversations of a set; turns that are not read, as
    they are not in English, have nan for it."""
    chunks = evaluate.read_passages(passages)
    labelled = evaluate.read_turns(turns, {chunk.document for chunk in chunks})
    groups = [conversation(line, number) for number, line in enumerate(turns.read_text("utf-8").splitlines())]
    rows, labels, kept = [], [], []
    async with evaluate.indexed(chunks, embedder, lambda _: None) as index:
        retriever = Retriever(index, embedder, reading=Answerability())
        for each, group in zip(labelled, groups, strict=True):
            if each.answerability == "underspecified":
                continue
            found = await retriever.signals(each.turn)
            rows.append([found.values.get(name, np.nan) for name in (*SIGNALS, *READING)])
            labels.append(each.answerability != "unanswerable")
            kept.append(f"{turns.name}:{group}")
    return np.array(rows), np.array(labels), kept


def conversation(line: str, number: int) -> str:
    """The conversation of a line of a file of turns."""
    row = json.loads(line)
    return str(row.get("conversation") or str(row.get("id", number)).partition("<::>")[0])


@dataclass(frozen=True, slots=True)
class Fitted:
    """A regression over signals, once as they are and, if they are ``crossed``, once times the turns before."""

    names: tuple[str, ...]
    crossed: bool
    mean: Array
    scale: Array
    weights: Array
    bias: float

    @classmethod
    def to(cls, rows: Array, labels: Labels, weights: Array, names: tuple[str, ...], *, crossed: bool) -> Self:
        values = _values(rows, names, crossed)
        mean, scale = values.mean(0), values.std(0) + 1e-9
        model = LogisticRegression(C=PENALTY, max_iter=3000).fit((values - mean) / scale, labels, sample_weight=weights)
        return cls(names, crossed, mean, scale, model.coef_[0], float(model.intercept_[0]))

    def scores(self, rows: Array) -> Array:
        values = (_values(rows, self.names, self.crossed) - self.mean) / self.scale
        found: Array = 1 / (1 + np.exp(-(values @ self.weights + self.bias)))
        return found

    def card(self) -> dict[str, Any]:
        return {
            "signals": list(self.names),
            "crossed": self.crossed,
            "mean": self.mean.round(6).tolist(),
            "scale": self.scale.round(6).tolist(),
            "weights": self.weights.round(6).tolist(),
            "bias": round(self.bias, 6),
        }


def _values(rows: Array, names: tuple[str, ...], crossed: bool) -> Array:
    chosen = rows[:, : len(names)]
    return np.hstack([chosen, chosen * rows[:, [SIGNALS.index("turns")]]]) if crossed else chosen


def both(rows: Array, labels: Labels, sets: Array) -> tuple[Fitted, Fitted]:
    """The regression over what the search says, and that over what reading says too, which means less in the midst of
    a conversation."""
    weights, was_read = balanced(labels, sets), ~np.isnan(rows).any(1)
    alone = Fitted.to(rows, labels, weights, SIGNALS, crossed=False)
    names = (*SIGNALS, *READING)
    return alone, Fitted.to(rows[was_read], labels[was_read], weights[was_read], names, crossed=True)


def scored(rows: Array, alone: Fitted, read: Fitted) -> Array:
    """The scores as turns get them."""
    found = alone.scores(rows)
    doubtful = (found >= DOUBT[0]) & (found <= DOUBT[1]) & ~np.isnan(rows).any(1)
    return np.where(doubtful, read.scores(np.nan_to_num(rows)), found)


def balanced(labels: Labels, sets: Array) -> Array:
    """Each set, and in it each label, counts alike."""
    weights = np.zeros(len(labels))
    for name in np.unique(sets):
        for label in (True, False):
            chosen = (sets == name) & (labels == label)
            weights[chosen] = len(labels) / max(1, chosen.sum()) / 2 / len(np.unique(sets))
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs=2, type=Path, action="append", required=True, metavar=("PASSAGES", "TURNS"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    embedder = FastEmbedder()
    parts = [asyncio.run(measured(passages, turns, embedder)) for passages, turns in arguments.set]
    rows, labels = np.vstack([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    groups = [group for part in parts for group in part[2]]
    sets = np.concatenate([[turns.name] * len(part[1]) for part, (_, turns) in zip(parts, arguments.set, strict=True)])
    scores = np.zeros(len(labels))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=1).split(rows, labels, groups):
        scores[test] = scored(rows[test], *both(rows[train], labels[train], sets[train]))
    partly, supported = thresholds(scores, labels)
    alone, read = both(rows, labels, sets)
    card = {
        "embedder": embedder.name,
        "alone": alone.card(),
        "read": read.card(),
        "doubt": DOUBT,
        "partly": partly,
        "supported": supported,
        "figures, cross-validated": {
            str(name): figures(scores, labels, sets == name, partly) for name in np.unique(sets)
        },
        "data_sha256": hashlib.sha256(b"".join(turns.read_bytes() for _, turns in arguments.set)).hexdigest(),
    }
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(card["figures, cross-validated"], indent=2), partly, supported)


def thresholds(scores: Array, labels: Labels) -> tuple[float, float]:
    """The scores from which the evidence is partly there, and there."""
    partly = float(np.quantile(scores[labels], REFUSED))
    for supported in np.sort(scores[scores > partly]):
        if labels[scores >= supported].mean() >= RIGHT:
            return round(partly, 4), round(float(supported), 4)
    return round(partly, 4), 1.0


def figures(scores: Array, labels: Labels, chosen: Labels, partly: float) -> dict[str, float]:
    """AUC, and who is refused at the threshold, of one set."""
    can, cannot = scores[chosen & labels], scores[chosen & ~labels]
    return {
        "n": int(chosen.sum()),
        "auc": round(evaluate.auc(can.tolist(), cannot.tolist()), 4) if len(can) and len(cannot) else 0.0,
        "unanswerable refused": round(float((cannot < partly).mean()), 3) if len(cannot) else 0.0,
        "answerable refused": round(float((can < partly).mean()), 3) if len(can) else 0.0,
    }


if __name__ == "__main__":
    main()
