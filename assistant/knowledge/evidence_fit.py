"""Fit the evidence model on labelled turns and write its weights and card.

    pip install "switchyard[train]"
    python -m assistant.knowledge.evidence_fit --set passages.jsonl turns.jsonl [--set …]

The files have the forms of `assistant eval`. Sets count alike, however many turns each has. Cross-validation is by
conversation (``conversation``, else the part of ``id`` before ``<::>``, else the line), and the thresholds are set on
its scores: ``partly`` where 8 % of the turns that can be answered would be refused, ``supported`` where nine of ten
turns above it can be answered.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from assistant.knowledge import evaluate
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.evidence import WEIGHTS
from assistant.knowledge.retrieve import Retriever

SIGNALS = (
    "closest",
    "alone",
    "above_5th",
    "above_10th",
    "closest_above_10th",
    "words_held",
    "best_held",
    "follows",
    "words",
    "new_words",
)
PENALTY = 0.1
FOLDS = 8
REFUSED = 0.08
RIGHT = 0.9
Array = NDArray[np.float64]
Labels = NDArray[np.bool_]


async def measured(passages: Path, turns: Path, embedder: FastEmbedder) -> tuple[Array, Labels, list[str]]:
    """Signals, labels and conversations of a set."""
    chunks = evaluate.read_passages(passages)
    labelled = evaluate.read_turns(turns, {chunk.document for chunk in chunks})
    groups = [_conversation(line, number) for number, line in enumerate(turns.read_text("utf-8").splitlines())]
    rows, labels, kept = [], [], []
    async with evaluate.indexed(chunks, embedder, lambda _: None) as index:
        retriever = Retriever(index, embedder)
        for each, group in zip(labelled, groups, strict=True):
            if each.answerability == "underspecified":
                continue
            found = await retriever.signals(each.turn)
            rows.append([found.values[name] for name in SIGNALS])
            labels.append(each.answerability != "unanswerable")
            kept.append(f"{turns.name}:{group}")
    return np.array(rows), np.array(labels), kept


def _conversation(line: str, number: int) -> str:
    row = json.loads(line)
    return str(row.get("conversation") or str(row.get("id", number)).partition("<::>")[0])


def fit(rows: Array, labels: Labels, weights: Array) -> tuple[Array, Array, Any]:
    """Mean, scale and regression."""
    mean, scale = rows.mean(0), rows.std(0) + 1e-9
    model = LogisticRegression(C=PENALTY, max_iter=3000)
    return mean, scale, model.fit((rows - mean) / scale, labels, sample_weight=weights)


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
        mean, scale, model = fit(rows[train], labels[train], balanced(labels[train], sets[train]))
        scores[test] = model.predict_proba((rows[test] - mean) / scale)[:, 1]
    partly, supported = thresholds(scores, labels)
    mean, scale, model = fit(rows, labels, balanced(labels, sets))
    card = {
        "embedder": embedder.name,
        "signals": list(SIGNALS),
        "mean": mean.round(6).tolist(),
        "scale": scale.round(6).tolist(),
        "weights": model.coef_[0].round(6).tolist(),
        "bias": round(float(model.intercept_[0]), 6),
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
