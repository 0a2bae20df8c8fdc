"""The router beside semantic-router 1.x: the same labelled turns, the same encoder, one run.

    pip install semantic-router            # in a virtual environment of its own: it asks for an older openai
    python -m tests.benchmarks.bench_router [--test FILE] [--repeat 3]

semantic-router gets our shipped embedder as its dense encoder, the routes ``information`` and ``conversation`` with our
training turns as utterances, and its own ``fit``. A fifth of the training conversations is held apart for that; the
form of the text (the turn alone, or with what was said before), ``top_k`` and the aggregation are those that do best
there, by its own ``evaluate``. Then it knows all of the training turns. The test turns are in none of it.

Accuracy is that of the likelier answer (its top route; P(information) of at least 0.5); missed and needless are at the
threshold of the default costs; ECE has ten bins. Latency is of one decision after another, from text to route,
embedding included; the routers take turns, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from pydantic import Field
from semantic_router import IndexedRouter, Route
from semantic_router.encoders import DenseEncoder

from assistant.conversation.turn import Message, Turn
from assistant.knowledge.embedder import FastEmbedder
from assistant.routing import evaluation, features
from assistant.routing.classifier import CUE_SCALE, Embedded, LearnedClassifier, Scores
from assistant.routing.encoder import SHIPPED, TurnEncoder
from assistant.routing.heads import fit, load
from assistant.routing.labelled import LabelledTurn, read, read_all
from assistant.routing.router import Costs, Router
from tests.conftest import ROOT

TEST = ROOT / "assistant" / "routing" / "held_apart" / "hard.jsonl"
TRAINING = sorted((ROOT / "assistant" / "routing" / "examples").glob("*.jsonl"))
LINEAR_PENALTY = 0.5
Form = Callable[[LabelledTurn], str]
FORMS: dict[str, Form] = {
    "the turn alone": lambda each: each.turn[: features.TURN_CHARACTERS],
    "the turn with what was said": lambda each: features.texts(each.turn, each.history)[-1],
}
TOP_K = (1, 5, 15, 40, 100)
AGGREGATES: dict[str, Callable[[list[float]], float]] = {"mean": lambda v: float(np.mean(v)), "sum": sum, "max": max}
HELD_APART = 0.2
THEIRS = "semantic-router"
Decide = Callable[[LabelledTurn], Awaitable[tuple[float, bool]]]
"""P(information), and the likelier answer."""


class Encoder(DenseEncoder):  # type: ignore[misc]
    """Our shipped embedder as a dense encoder of semantic-router. While it looks for its best form, texts are embedded
    once; ``known`` is None while decisions are timed."""

    name: str = "shipped"
    embedder: Any
    known: dict[str, list[float]] | None = Field(default_factory=dict)

    def __call__(self, docs: list[Any]) -> list[list[float]]:
        if self.known is None:
            return [list(map(float, vector)) for vector in self.embedder.embed_now(docs)]
        new = list(dict.fromkeys(text for text in docs if text not in self.known))
        self.known |= dict(zip(new, (list(map(float, each)) for each in self.embedder.embed_now(new)), strict=True))
        return [self.known[text] for text in docs]

    async def acall(self, docs: list[Any]) -> list[list[float]]:
        return await asyncio.to_thread(self, docs)


@dataclass(slots=True)
class Row:
    """A router under test: P(information) and the answer of each turn, and milliseconds of each decision."""

    name: str
    decide: Decide
    information: list[float] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)


class Linear:
    """The simpler way: logistic regression over frozen vectors of the shipped embedder (of the turn, of the previous
    answer, of both together) and the cues, fitted to the same training turns in this run."""

    version = "linear"

    def __init__(self, embedder: FastEmbedder, training: Sequence[LabelledTurn]) -> None:
        self._embedder = embedder
        rows = np.stack([self._row(each.turn, each.history) for each in training]).astype(np.float64)
        self._head = fit(rows, np.array([each.information for each in training]), LINEAR_PENALTY)

    async def embed(self, turn: str) -> Embedded:
        return Embedded((await self._embedder.embed([turn]))[0], self._embedder.name)

    async def scores(self, turn: str, history: Sequence[Message], embedded: Embedded | None = None) -> Scores:
        row = await asyncio.to_thread(self._row, turn, history)
        return Scores(float(self._head.probabilities(row.astype(np.float64))), 0.0)

    def _row(self, turn: str, history: Sequence[Message]) -> Any:
        vectors = self._embedder.embed_now(features.texts(turn, history))
        own, previous, both = vectors if len(vectors) == 3 else (vectors[0], np.zeros_like(vectors[0]), vectors[0])
        return np.concatenate([own, previous, both, features.cues(turn, history) * CUE_SCALE])


def label(each: LabelledTurn) -> str:
    return "information" if each.information else "conversation"


def split(turns: Sequence[LabelledTurn]) -> tuple[list[LabelledTurn], list[LabelledTurn]]:
    """Training turns, and those of a fifth of the conversations held apart."""
    conversations = sorted({each.conversation for each in turns})
    apart = set(Random(7).sample(conversations, int(HELD_APART * len(conversations))))
    kept = [each for each in turns if each.conversation not in apart]
    return kept, [each for each in turns if each.conversation in apart]


def indexed(encoder: Encoder, turns: Sequence[LabelledTurn], form: Form) -> Any:
    """Their router over these turns."""
    names = ("information", "conversation")
    texts = {name: dict.fromkeys(form(each) for each in turns if label(each) == name) for name in names}
    return IndexedRouter(encoder=encoder, routes=[Route(name=name, utterances=list(texts[name])) for name in names])


async def semantic_router(embedder: FastEmbedder, training: Sequence[LabelledTurn]) -> tuple[Decide, str]:
    """semantic-router at its best on held-apart training turns, calibrated on these; and what that is."""
    encoder = Encoder(embedder=embedder)
    kept, apart = split(training)
    best, reached, chosen = -1.0, None, ""
    for name, form in FORMS.items():
        router = indexed(encoder, kept, form)
        stored = {form(each) for each in kept}
        given = [(form(each), label(each)) for each in apart if form(each) not in stored]
        texts, wanted = zip(*given, strict=True)
        for top_k, (how, aggregate) in product(TOP_K, AGGREGATES.items()):
            router.top_k, router.aggregate, router.calibrator = top_k, aggregate, None
            right = await router.aevaluate(texts, wanted)
            if right > best:
                await router.afit(texts, wanted)
                best, reached = right, (form, top_k, aggregate, router.calibrator)
                chosen = f"{name}, top_k {top_k}, {how} ({right:.3f} right of {len(texts)} held-apart training turns)"
    assert reached is not None
    form, top_k, aggregate, calibrator = reached
    final = indexed(encoder, training, form)
    final.top_k, final.aggregate, final.calibrator = top_k, aggregate, calibrator
    encoder.known = None

    async def decide(each: LabelledTurn) -> tuple[float, bool]:
        found = await final.acall(form(each))
        said = found.name == "information"
        return float(found.confidence if said else 1 - found.confidence), said

    return decide, chosen


def ours(router: Router) -> Decide:
    async def decide(each: LabelledTurn) -> tuple[float, bool]:
        turn = Turn(each.turn, each.history)
        scores = await router.scores(turn)
        router.decide(turn, scores, "on_request", turn.text, None)
        return scores.information, scores.information >= 0.5

    return decide


async def measure(rows: Sequence[Row], turns: Sequence[LabelledTurn], repeat: int) -> None:
    for row in rows:
        await row.decide(turns[0])
    for again in range(repeat):
        for each in turns:
            for row in rows:
                began = time.perf_counter()
                score, answer = await row.decide(each)
                row.taken.append(1000 * (time.perf_counter() - began))
                if not again:
                    row.information.append(score)
                    row.answers.append(answer)


def figures(row: Row, turns: Sequence[LabelledTurn], costs: Costs) -> dict[str, float]:
    said, true = np.array(row.information), np.array([each.information for each in turns])
    looks_up = said >= costs.threshold
    missed, needless = true & ~looks_up, looks_up & ~true
    places = np.minimum((said * evaluation.BINS).astype(int), evaluation.BINS - 1)
    gaps = [abs(float((said - true)[places == place].sum())) for place in set(places.tolist())]
    return {
        "accuracy": float((np.array(row.answers) == true).mean()),
        "missed": float(missed.sum() / max(true.sum(), 1)),
        "needless": float(needless.sum() / max((~true).sum(), 1)),
        "cost": float((costs.missed_lookup * missed + costs.needless_lookup * needless).mean()),
        "ece": sum(gaps) / len(turns),
        "p50": float(np.percentile(row.taken, 50)),
        "p95": float(np.percentile(row.taken, 95)),
    }


def show(rows: Sequence[Row], turns: Sequence[LabelledTurn], costs: Costs) -> None:
    found = {row.name: figures(row, turns, costs) for row in rows}
    theirs = found[THEIRS]
    print(f"{'':26}{'accuracy':>9}{'missed':>8}{'needless':>9}{'cost':>7}{'ECE':>7}{'p50 ms':>8}{'p95 ms':>8}")
    for name, each in found.items():
        print(
            f"{name:26}{each['accuracy']:9.3f}{each['missed']:8.3f}{each['needless']:9.3f}{each['cost']:7.3f}"
            f"{each['ece']:7.3f}{each['p50']:8.2f}{each['p95']:8.2f}"
        )
    print(f"\n{'ratio to ' + THEIRS:26}{'errors':>9}{'cost':>8}{'p50':>8}{'p95':>8}")
    for name, each in found.items():
        errors = (1 - each["accuracy"]) / max(1 - theirs["accuracy"], 1e-9)
        parts = [each[key] / max(theirs[key], 1e-9) for key in ("cost", "p50", "p95")]
        print(f"{name:26}{errors:9.2f}" + "".join(f"{part:8.2f}" for part in parts))


async def main(test: Path, repeat: int) -> None:
    turns, training, embedder, costs = read(test), read_all(TRAINING), FastEmbedder(), Costs()
    known = {(each.turn.strip().casefold(), each.history) for each in training}
    turns = [each for each in turns if (each.turn.strip().casefold(), each.history) not in known]
    decide, chosen = await semantic_router(embedder, training)
    rows = [Row(THEIRS, decide)]
    rows += [
        Row("frozen vectors and cues", ours(Router(Linear(embedder, training), costs))),
        Row("shipped: fine-tuned", ours(Router(LearnedClassifier(embedder, TurnEncoder(), load(SHIPPED)), costs))),
    ]
    await measure(rows, turns, repeat)
    print(f"{len(turns):,} turns, {len(training):,} training turns; {THEIRS} with {chosen}\n")
    show(rows, turns, costs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", type=Path, default=TEST, help="labelled turns to measure on")
    parser.add_argument("--repeat", type=int, default=3, help="how often each decision is timed")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.test, arguments.repeat))
