"""Fit how a turn is told to lean on its conversation, and write weights and card.

    pip install "switchyard[train]"
    python -m assistant.knowledge.leaning_fit --set passages.jsonl turns.jsonl [--set …] [--portals FOLDER …]

The files have the forms of `assistant eval`; `relevant` is what counts. A folder holds NAME.passages.jsonl and
NAME.turns.jsonl of small portals, which are one part together. Turns with a history are taken as they are.
Turns without one are put behind another question that was answered by the passage relevant to it: one question at
random, one of those that are nearest. Which way of searching finds a relevant passage sooner is what the regression
learns, a turn weighing as much as that makes a difference. Cross-validation is by conversation.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from assistant.conversation.turn import Message
from assistant.knowledge import evaluate
from assistant.knowledge.documents import Chunk
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.evaluate import LabelledTurn
from assistant.knowledge.evidence_fit import conversation
from assistant.knowledge.leaning import APART, LEANING, SIGNALS, STANDING, WEIGHTS, mix, signals
from assistant.knowledge.retrieve import Retriever

HISTORY_TURNS = 3
ANSWER = 400
"""Characters of a passage that stand for the answer to the question before."""
NEAREST = 5
PUT_BEHIND = 0.25
"""What a turn counts that was put behind another question, which each such turn is twice; of the others there are
fewer by half than people ask."""
THRESHOLD = 0.3
APART_BELOW = 0.1
"""Below the first a turn stands on its own, below the second without a doubt: a follow-up that is searched as such
loses more than the other way round."""
WAYS = (LEANING, STANDING, APART)
Each: TypeAlias = tuple[float, float, float]
FOLDS, SEED = 10, 7
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """A turn: its signals, the reciprocal rank of the first relevant passage and nDCG@5 searched in each of ``WAYS``,
    what it is of, and its conversation."""

    values: tuple[float, ...]
    first: Each
    ndcg: Each
    part: str
    group: str


Case = tuple[str, str, LabelledTurn]
"""What a turn is of, its conversation, and the turn."""


def put_behind(turns: Sequence[tuple[str, LabelledTurn]], chunks: dict[str, Chunk], vectors: Array) -> list[Case]:
    """Turns without a history, each behind one question at random and behind one that is near."""
    chosen = random.Random(SEED)
    made = []
    for place, (group, each) in enumerate(turns):
        others = [n for n, (_, other) in enumerate(turns) if not other.relevant & each.relevant]
        near = sorted(others, key=lambda n: -float(vectors[place] @ vectors[n]))[:NEAREST]
        for part, pool in (("behind any question", others), ("behind a near question", near)):
            if pool:
                before = turns[chosen.choice(pool)][1]
                answer = chunks[min(before.relevant)].text[:ANSWER]
                history = (Message("user", before.turn.text), Message("assistant", answer))
                made.append((part, group, replace(each, turn=replace(each.turn, history=history))))
    return made


async def measured(name: str, passages: Path, turns: Path, embedder: FastEmbedder) -> list[Row]:
    """The rows of a set, which ``name`` says what they are of."""
    chunks = {chunk.document: chunk for chunk in evaluate.read_passages(passages)}
    labelled = evaluate.read_turns(turns, set(chunks))
    groups = [conversation(line, number) for number, line in enumerate(turns.read_text("utf-8").splitlines())]
    asked = [(group, each) for group, each in zip(groups, labelled, strict=True) if each.relevant]
    first = [(group, each) for group, each in asked if not each.turn.history]
    vectors = await embedder.embed([each.turn.text for _, each in first] or [""])
    cases = [("in conversations", group, each) for group, each in asked if each.turn.history]
    cases += put_behind(first, chunks, vectors.astype(np.float64))
    async with evaluate.indexed(list(chunks.values()), embedder, lambda _: None) as index:
        retriever = Retriever(index, embedder)
        return [await row(retriever, embedder, f"{name}, {part}", group, each) for part, group, each in cases]


async def row(retriever: Retriever, embedder: FastEmbedder, part: str, group: str, each: LabelledTurn) -> Row:
    """A turn searched in each of the ways."""
    turn = each.turn
    ways = [mix(turn.text, turn.history, HISTORY_TURNS, kept) for kept in WAYS]
    vectors = await embedder.embed([text for text, _ in ways[0]])
    values = signals(turn.text, vectors, await retriever.alone(turn, vectors[0]))
    ranks = [[hit.chunk.document for hit in await retriever.candidates(turn, terms, vectors)] for terms in ways]
    first = [next((1 / n for n, name in enumerate(rank, 1) if name in each.relevant), 0.0) for rank in ranks]
    gains = [evaluate.ndcg(rank, each.relevant, 5) for rank in ranks]
    return Row(
        tuple(values[name] for name in SIGNALS),
        cast(Each, tuple(first)),
        cast(Each, tuple(gains)),
        part,
        f"{part}:{group}",
    )


def fitted(rows: Sequence[Row]) -> tuple[Array, float]:
    """Weights and bias, in the signals' own units, over the rows where it makes a difference."""
    told = [each for each in rows if abs(each.first[0] - each.first[1]) > 1e-9]
    x, y = np.array([each.values for each in told]), np.array([each.first[0] > each.first[1] for each in told])
    weights = np.array(
        [abs(each.first[0] - each.first[1]) * (PUT_BEHIND if "behind" in each.part else 1.0) for each in told]
    )
    mean, scale = x.mean(0), x.std(0) + 1e-9
    model = LogisticRegression(max_iter=3000).fit((x - mean) / scale, y, sample_weight=weights)
    found = model.coef_[0] / scale
    return found, float(model.intercept_[0] - found @ mean)


def scores(rows: Sequence[Row], weights: Array, bias: float) -> Array:
    """Probabilities of leaning."""
    found: Array = 1 / (1 + np.exp(-(np.array([each.values for each in rows]) @ weights + bias)))
    return found


def ways(found: Array) -> NDArray[np.int_]:
    """Places in ``WAYS`` by the probability of leaning."""
    return (found < THRESHOLD).astype(int) + (found < APART_BELOW)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs=2, type=Path, action="append", required=True, metavar=("PASSAGES", "TURNS"))
    parser.add_argument("--portals", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    embedder = FastEmbedder()
    sets = [(turns.name.partition(".")[0], passages, turns) for passages, turns in arguments.set]
    found = [turns for folder in arguments.portals for turns in sorted(folder.glob("*.turns.jsonl"))]
    sets += [("portals", turns.with_name(turns.name.replace(".turns.", ".passages.")), turns) for turns in found]
    rows = [each for one in sets for each in asyncio.run(measured(*one, embedder))]
    told = np.zeros(len(rows), dtype=int)
    groups = [each.group.partition(":")[2] for each in rows]
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=1).split(rows, groups=groups):
        weights, bias = fitted([rows[n] for n in train])
        told[test] = ways(scores([rows[n] for n in test], weights, bias))
    weights, bias = fitted(rows)
    card = {
        "embedder": embedder.name,
        "weights": {name: round(float(weight), 5) for name, weight in zip(SIGNALS, weights, strict=True)},
        "bias": round(bias, 5),
        "threshold": THRESHOLD,
        "apart": APART_BELOW,
        "figures, cross-validated": figures(rows, told),
        "data_sha256": hashlib.sha256(b"".join(turns.read_bytes() for *_, turns in sets)).hexdigest(),
    }
    arguments.out.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(card["figures, cross-validated"], indent=2))


def figures(rows: Sequence[Row], told: NDArray[np.int_]) -> dict[str, dict[str, float]]:
    """By part: how many turns there are, how many stand on their own, and the mean reciprocal rank and nDCG@5 of all
    as leaning and as they are told."""
    found = {}
    for part in sorted({each.part for each in rows}):
        chosen = [(each, int(way)) for each, way in zip(rows, told, strict=True) if each.part == part]
        found[part] = {
            "n": len(chosen),
            "stand": sum(way > 0 for _, way in chosen),
            "apart": sum(way > 1 for _, way in chosen),
            "mrr, all lean": round(float(np.mean([each.first[0] for each, _ in chosen])), 4),
            "mrr": round(float(np.mean([each.first[way] for each, way in chosen])), 4),
            "ndcg@5, all lean": round(float(np.mean([each.ndcg[0] for each, _ in chosen])), 4),
            "ndcg@5": round(float(np.mean([each.ndcg[way] for each, way in chosen])), 4),
        }
    return found


if __name__ == "__main__":
    main()
