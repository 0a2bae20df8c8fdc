"""Fit the linear classifier on the labelled turns in ``examples/`` and write its weights and card.

    pip install "switchyard[train]"
    python -m assistant.routing.train [--test turns.jsonl]

Cross-validation is by conversation. ``--test`` takes labelled turns in the same form, which are only measured on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from assistant.conversation.turn import Message
from assistant.knowledge.embedder import FastEmbedder
from assistant.routing import features
from assistant.routing.classifier import WEIGHTS, inputs

EXAMPLES = Path(__file__).parent / "examples"
PENALTY = 2.0
FOLDS = 5
Row = dict[str, Any]
Array = NDArray[np.float32]


def load(files: Sequence[Path]) -> list[Row]:
    rows = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            row["history"] = tuple(Message(each["role"], each["content"]) for each in row["history"])
            rows.append(row)
    return rows


def matrix(rows: Sequence[Row], embedder: FastEmbedder) -> Array:
    texts = [features.texts(row["turn"], row["history"]) for row in rows]
    ends = np.cumsum([len(each) for each in texts])[:-1]
    vectors = np.split(embedder.embed_now([text for each in texts for text in each]), ends)
    cues = [features.cues(row["turn"], row["history"]) for row in rows]
    return np.stack([inputs(*pair) for pair in zip(vectors, cues, strict=True)])


def fit(x: Array, y: NDArray[np.bool_]) -> Any:
    return LogisticRegression(C=PENALTY, max_iter=3000).fit(x, y)


def cross_validated(x: Array, y: NDArray[np.bool_], groups: Sequence[str]) -> Array:
    found = np.zeros(len(y), dtype=np.float32)
    for train, test in GroupKFold(FOLDS).split(x, y, groups):
        found[test] = fit(x[train], y[train]).predict_proba(x[test])[:, 1]
    return found


def figures(p: Array, y: NDArray[np.bool_], threshold: float) -> dict[str, float]:
    said = p >= threshold
    return {
        "n": len(y),
        "threshold": round(threshold, 3),
        "right": round(float((said == y).mean()), 3),
        "missed": round(float((~said[y]).mean()), 3),
        "needless": round(float(said[~y].mean()), 3),
    }


def head(
    rows: Sequence[Row], x: Array, label: str, keep: Callable[[Row], bool]
) -> tuple[Any, dict[str, dict[str, float]]]:
    chosen = [index for index, row in enumerate(rows) if keep(row)]
    y = np.array([bool(rows[index][label]) for index in chosen])
    p = cross_validated(x[chosen], y, [rows[index]["conversation"] for index in chosen])
    return fit(x[chosen], y), {f"{label}, cross-validated, at {t}": figures(p, y, t) for t in (0.5, 0.2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", type=Path, help="labelled turns to measure on")
    test_file: Path | None = parser.parse_args().test
    files = sorted(EXAMPLES.glob("*.jsonl"))
    rows, embedder = load(files), FastEmbedder()
    x = matrix(rows, embedder)
    information, table = head(rows, x, "information", lambda row: True)
    voice, voice_table = head(rows, x, "voice", lambda row: row["information"] is True)
    table |= voice_table
    if test_file is not None:
        test = load([test_file])
        z = matrix(test, embedder)
        y = np.array([bool(row["information"]) for row in test])
        asks = [index for index, row in enumerate(test) if row["information"]]
        v = np.array([bool(test[index]["voice"]) for index in asks])
        for threshold in (0.5, 0.2):
            table[f"information, test file, at {threshold}"] = figures(information.predict_proba(z)[:, 1], y, threshold)
        table["voice, test file, at 0.5"] = figures(voice.predict_proba(z[asks])[:, 1], v, 0.5)
    data = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    card = {
        "version": f"linear-{data[:8]}",
        "kind": "logistic regression over frozen vectors of the shipped embedder and cues",
        "turns": len(rows),
        "data_sha256": data,
        "penalty": PENALTY,
        "figures": table,
        "cues": list(features.NAMES),
    }
    WEIGHTS.mkdir(exist_ok=True)
    weights = np.stack([information.coef_[0], voice.coef_[0]]).astype(np.float32)
    bias = np.array([information.intercept_[0], voice.intercept_[0]], dtype=np.float32)
    np.savez(WEIGHTS / "linear.npz", weights=weights, bias=bias)
    (WEIGHTS / "linear.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    for name, values in table.items():
        print(f"{name:42}", values)


if __name__ == "__main__":
    main()
