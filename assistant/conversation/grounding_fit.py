"""Fit the grounding check on answers that are known to be true, and write its weights and card.

    pip install "switchyard[train]"
    python -m assistant.conversation.grounding_fit --set passages.jsonl turns.jsonl [--half 0]

The files have the forms of `assistant eval answers`: a turn has ``id``, ``relevant`` passages and a ``reference``
answer. ``--half`` takes only the conversations of one half (by the SHA-256 of the id before ``<::>``), so that the
other can be measured: ``--rows FILE`` writes it in the form of `assistant eval grounding`.

Sentences of the references are true; each is exchanged in every way that it allows (see ``grounding_swaps``), and
sentences of other answers stand for what no passage holds. Thresholds are set on scores cross-validated by
conversation: ``UNSUPPORTED`` of the true sentences may be taken for wrong, and so on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from assistant.conversation.claims import is_claim, plain, sentences, stated
from assistant.conversation.facts import facts_in
from assistant.conversation.grounding_model import WEIGHTS
from assistant.conversation.grounding_signals import signals
from assistant.conversation.grounding_sources import Sources
from assistant.conversation.grounding_swaps import SWAPS, swapped
from assistant.knowledge.embedder import FastEmbedder

SEED = 7
FOLDS = 20
DRAWS = 6
"""Times that another value is drawn where weights are fitted, which count as one: a single one says little."""
UNSUPPORTED, DOUBTFUL = 0.09, 0.13
"""Parts of the true sentences that may be taken for wrong, and for doubtful."""
NOTHING, THIN = 0.01, 0.05
"""Parts of the true sentences that may be taken for held by nothing, and for thinly held."""
WORTH = {"true": 4.0, "number": 1.0, "date": 0.5, "name": 3.0, "negation": 0.3, "unit": 0.2}
"""What each kind of sentence counts in all."""
HELD = ("held", "held_all", "closeness")
Row = dict[str, Any]
Array = NDArray[np.float64]


def rows(passages: Path, turns: Path, half: int | None, *, every: bool) -> list[Row]:
    """Turns as rows of `assistant eval grounding`. ``every``: each sentence as it is and exchanged in all ways, each
    ``DRAWS`` times, else about half of them exchanged in one way."""
    known = {row["id"]: row for row in _read(passages)}
    told = [turn for turn in _read(turns) if turn.get("reference") and turn.get("relevant")]
    told = [turn for turn in told if turn.get("answerability") in (None, "answerable", "partial")]
    names = _names(known.values())
    rng = random.Random(SEED)
    made = []
    for turn in told:
        if half is not None and _half(turn["id"]) != half:
            continue
        about = [known[identity] for identity in turn["relevant"]]
        others = names.get(about[0].get("collection", ""), [])
        text = "\n".join(each["text"] for each in about)
        reference = turn["reference"].strip()
        said = [" ".join(reference[each.start : each.end].split()) for each in sentences(reference)]
        made.append({
            "id": turn["id"],
            "passages": [{"id": each["id"], "text": each["text"]} for each in about],
            "sentences": [row for sentence in said for row in _variants(sentence, text, others, rng, every)],
        })  # fmt: skip
    return made


def _variants(sentence: str, text: str, names: Sequence[str], rng: random.Random, every: bool) -> list[Row]:
    true = {"text": sentence, "cites": [], "supported": True, "kind": "true"}
    if not is_claim(plain(sentence)):
        return [true]
    draws = range(DRAWS if every else 1)
    drawn = {(kind, swapped(sentence, kind, text, names, rng)): None for kind in SWAPS for _ in draws}
    found = [(kind, made) for kind, made in drawn if made]
    wrong = [{"text": made, "cites": [], "supported": False, "kind": kind} for kind, made in found]
    if every:
        drawn_of = Counter(kind for kind, _ in found)
        return [true, *({**row, "share": 1 / drawn_of[kind]} for row, (kind, _) in zip(wrong, found, strict=True))]
    return [rng.choice(wrong)] if wrong and rng.random() < 0.55 else [true]


def _names(passages: Iterable[Row]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for row in passages:
        new = {fact.text for fact in facts_in(row["text"]) if fact.kind == "name" and 3 < len(fact.text) < 30}
        found.setdefault(row.get("collection", ""), set()).update(name for name in new if "\n" not in name)
    return {collection: sorted(each) for collection, each in found.items()}


def _half(identity: str) -> int:
    return int(hashlib.sha256(identity.partition("<::>")[0].encode()).hexdigest(), 16) % 2


def _read(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def measured(data: Sequence[Row]) -> tuple[list[Mapping[str, float]], list[str], list[str], list[float]]:
    """Signals, kinds and conversations of the claims among the sentences, and what each counts among its kind."""
    values: list[Mapping[str, float]] = []
    kinds: list[str] = []
    groups: list[str] = []
    shares: list[float] = []
    for row in data:
        sources = Sources([passage["text"] for passage in row["passages"]])
        for sentence in row["sentences"]:
            said = stated(plain(sentence["text"]))
            if is_claim(plain(sentence["text"])):
                values.append(signals(said, sources, range(len(sources.readings))).values)
                kinds.append(sentence["kind"])
                groups.append(row["id"].partition("<::>")[0])
                shares.append(sentence.get("share", 1.0))
    return values, kinds, groups, shares


def held(data: Sequence[Row]) -> tuple[Array, NDArray[np.bool_]]:
    """How much true sentences are held by their own passages, and by those of other answers."""
    embedder = FastEmbedder()
    rng = random.Random(SEED)
    true = [
        (row["id"], stated(plain(sentence["text"])))
        for row in data
        for sentence in row["sentences"]
        if sentence["supported"] and is_claim(plain(sentence["text"]))
    ]
    found, labels = [], []
    for row in data:
        sources = Sources([passage["text"] for passage in row["passages"]])
        own = [text for identity, text in true if identity == row["id"]]
        foreign = rng.sample([text for identity, text in true if identity != row["id"]], 5)
        for text, label in [*((text, True) for text in own), *((text, False) for text in foreign)]:
            got = signals(text, sources, range(len(sources.readings)))
            vectors = embedder.embed_now([text, *(sources.text_of(place) for place in got.best)])
            close = float((vectors[1:] @ vectors[0]).max()) if got.best else 0.0
            found.append([got.values["held"], got.values["held_all"], close])
            labels.append(label)
    return np.array(found), np.array(labels)


def regression(names: Sequence[str], values: Array, labels: NDArray[np.bool_], weights: Array) -> dict[str, Any]:
    """A regression over the values as they are; it is fitted on standardised ones, so that its penalty is fair."""
    mean, scale = values.mean(0), values.std(0) + 1e-9
    model = LogisticRegression(C=1.0, max_iter=3000).fit((values - mean) / scale, labels, sample_weight=weights)
    raw = model.coef_[0] / scale
    bias = float(model.intercept_[0] - (model.coef_[0] * mean / scale).sum())
    return {"weights": {name: round(float(w), 5) for name, w in zip(names, raw, strict=True)}, "bias": round(bias, 5)}


def score(model: dict[str, Any], values: Array) -> Array:
    """P for each row of values."""
    scores: Array = 1 / (1 + np.exp(-(values @ np.array(list(model["weights"].values())) + model["bias"])))
    return scores


def fit(data: Sequence[Row]) -> dict[str, Any]:
    """Weights, thresholds and cross-validated figures."""
    found, kinds, groups, shares = measured(data)
    names = list(found[0])
    values, kind, share = (
        np.array([[each[name] for name in names] for each in found]),
        np.array(kinds),
        np.array(shares),
    )
    weights = share * [WORTH[each] / share[kind == each].sum() * share.sum() / 8 for each in kinds]
    wrong = np.zeros(len(kinds))
    for train, test in GroupKFold(FOLDS).split(values, kind, groups):
        model = regression(names, values[train], kind[train] != "true", weights[train])
        wrong[test] = score(model, values[test])
    limits = {name: float(np.quantile(wrong[kind == "true"], 1 - part)) for name, part in
              (("unsupported", UNSUPPORTED), ("doubtful", DOUBTFUL))}  # fmt: skip
    near, own = held(data)
    full, words = (regression(HELD[:n], near[:, :n], own, np.ones(len(own))) for n in (3, 2))
    scores = score(full, near)
    by_words = score(words, near[:, :2])
    for name, part in (("nothing", NOTHING), ("thin", THIN)):
        limits[name] = float(np.quantile(scores[own], part))
        limits[f"{name}_by_words"] = float(np.quantile(by_words[own], part))
    figures = {
        each: round(float(np.average(wrong[kind == each] >= limits["unsupported"], weights=share[kind == each])), 3)
        for each in sorted(set(kinds))
    }
    return {
        "wrong": regression(names, values, kind != "true", weights),
        "held": full,
        "held_by_words": words,
        "thresholds": {name: round(limit, 4) for name, limit in limits.items()},
        "figures, cross-validated: part taken for wrong": figures,
        "foreign sentences taken for held by nothing": round(float((scores[~own] < limits["nothing"]).mean()), 3),
        "sentences": {each: kinds.count(each) for each in sorted(set(kinds))},
        "seed": SEED,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs=2, type=Path, required=True, metavar=("PASSAGES", "TURNS"))
    parser.add_argument("--half", type=int, choices=(0, 1))
    parser.add_argument("--rows", type=Path, help="write the rows of the other half here")
    parser.add_argument("--also", type=Path, help="rows in the form of `assistant eval grounding` to learn from too")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    passages, turns = arguments.set
    if arguments.rows:
        other = rows(passages, turns, None if arguments.half is None else 1 - arguments.half, every=False)
        arguments.rows.write_text("".join(json.dumps(row) + "\n" for row in other), encoding="utf-8")
    card = fit(rows(passages, turns, arguments.half, every=True) + (_read(arguments.also) if arguments.also else []))
    card["half"] = arguments.half
    card["data_sha256"] = hashlib.sha256(passages.read_bytes() + turns.read_bytes()).hexdigest()
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(
        json.dumps(
            {name: each for name, each in card.items() if not isinstance(each, dict) or "weights" not in each}, indent=2
        )
    )


if __name__ == "__main__":
    main()
