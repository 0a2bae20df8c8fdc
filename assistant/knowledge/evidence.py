"""Whether the passages can answer a turn, before any model runs: a calibrated probability from a few signals.

The signals say how close the best chunk is, how far it stands out among the candidates (after the query performance
predictors of Shtok et al., "Predicting query performance by query-drift estimation", 2012), how many of the turn's own
words the best chunks hold, and how much of the turn is new beside its conversation. A logistic regression weighs them.
Where it is in doubt, a small model reads the best chunks together with the turn (``answerability.py``), and a second
regression weighs that as well. ``python -m assistant.knowledge.evidence_fit`` fitted both (weights and card in
``weights/evidence.json``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from assistant.conversation.turn import Message
from assistant.knowledge.embedder import Vectors
from assistant.knowledge.store import Hit

EvidenceState = Literal["supported", "partly", "not_in_documents"]
WEIGHTS = Path(__file__).parent / "weights" / "evidence.json"
COMMISSION = 0.15
"""Added to the probability for a commission ("write to Maya that …"): it says much that no document says."""
STANDS_OUT = 0.12
"""By how much the best score is above the tenth where one passage stands out."""
FOREIGN_WORDS, FOREIGN_CLOSEST, FOREIGN = 3, 0.4, 0.1
"""A turn with so many new words, none of which the best passages hold, and nothing so close, has at most this
probability: a conversation about something else must not make up for that. Of 570 turns that were looked at, three
answerable ones are such."""
LONG = 4
"""Earlier user turns from which a conversation is taken to be long."""
STEM = 6
"""Letters by which words are told apart: "approve", "approval"."""
READ, TOP = 20, 3
"""Candidates whose words tell how rare a word is among them, and those of them that must hold it."""

READING = ("answers", "answers_next")
"""The log-odds that the chunk most likely to do so answers the turn, and that of the next one."""

_WORD = re.compile(r"\w+")
_COMMON = frozenset(
    "the and for are was were with that this from have has had not you your our can will what when where which who how "
    "does did into about any all get may must should would could there their they them its been being out than then "
    "also just like need want know tell please find someone something anything still yet here much many long is it of "
    "to in on an or do be as at by if me my we us so no but hi hello thanks ok write draft reply answer email letter "
    "message post text der die das und ist wie was wer ein eine ich für mit auf den dem".split()
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """``score`` is the probability that the passages can answer the turn; ``why`` says in words what speaks against
    it, in an order of weight, and is empty where nothing does."""

    state: EvidenceState
    score: float
    why: tuple[str, ...] = ()
    partly: float = 1.0
    """The score from which the state is ``partly``."""


NOTHING = Evidence("not_in_documents", 0.0, ("there is nothing to search",))


@dataclass(frozen=True, slots=True)
class Signals:
    """``values`` go into the regression by name; ``missing`` are words of the turn that the best chunks lack."""

    values: Mapping[str, float]
    missing: tuple[str, ...] = ()

    def with_reading(self, logits: Sequence[float]) -> Signals:
        """These and what reading the best chunks has said, one log-odds a chunk."""
        best, *others = sorted(logits, reverse=True)
        read = (best, others[0] if others else best)
        return replace(self, values={**self.values, **dict(zip(READING, read, strict=True))})


def signals(
    turn: str,
    history: Sequence[Message],
    terms: Sequence[tuple[str, float]],
    vectors: Vectors,
    hits: Sequence[Hit],
    alone: float | None,
) -> Signals:
    """What the search says of itself. ``vectors`` are those of ``terms``, the turn's own first; ``hits`` are the
    candidates in their order; ``alone`` is the closest cosine to the turn without its conversation, which must not
    make up for what the turn lacks, or None where it has none. Without hits there are no values."""
    if not hits:
        return Signals({})
    scores = sorted((hit.score for hit in hits), reverse=True)
    close = sorted((hit.similarity for hit in hits), reverse=True)
    said = {_stem(word) for message in history for word in _WORD.findall(message.content.casefold())}
    wanted = [word for word in dict.fromkeys(_WORD.findall(turn.casefold())) if len(word) > 1 and word not in _COMMON]
    fresh = [word for word in wanted if _stem(word) not in said]
    known = _finder(wanted)
    held = [{_stem(word) for word in known(hit.chunk.embedding_text().casefold())} for hit in hits[:READ]]
    rarity = {word: math.log1p(len(held) / (0.5 + sum(_stem(word) in each for each in held))) for word in wanted}
    cover = [_covered(wanted, each, rarity) for each in held[:TOP]]
    earlier = [vector for (text, _), vector in zip(terms[1:], vectors[1:], strict=True) if text]
    values = {
        "closest": close[0],
        "alone": close[0] if alone is None else alone,
        "above_5th": scores[0] - scores[min(4, len(scores) - 1)],
        "above_10th": scores[0] - scores[min(9, len(scores) - 1)],
        "closest_above_10th": close[0] - close[min(9, len(close) - 1)],
        "words_held": sum(cover) / len(cover),
        "best_held": max(cover),
        "turns": min(sum(message.role == "user" for message in history), LONG) / LONG,
        "follows": float(vectors[0] @ earlier[0]) if earlier else 1.0,
        "words": float(min(len(wanted), 12)),
        "new_words": float(min(len(fresh), 10)),
    }
    nowhere = tuple(word for word in wanted if not any(_stem(word) in each for each in held[:TOP]))
    return Signals(values, nowhere)


def _covered(wanted: Sequence[str], held: set[str], rarity: Mapping[str, float]) -> float:
    """The share of the wanted words that are held, each counted by how rare it is among the candidates."""
    total = sum(rarity[word] for word in wanted)
    return sum(rarity[word] for word in wanted if _stem(word) in held) / total if total else 0.6


def _finder(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Finds the words of a text that have a stem in common with one of these."""
    stems = {_stem(word) for word in words}
    if not stems:
        return lambda text: []
    beginnings = [re.escape(stem) + (r"\w*" if len(stem) == STEM else r"\b") for stem in stems]
    return re.compile(rf"\b(?:{'|'.join(beginnings)})").findall


def _stem(word: str) -> str:
    return word[:STEM]


def commissioned(found: Evidence) -> Evidence:
    """The evidence of a turn that orders a text: ``partly`` where a question would be beyond the documents, but near
    them."""
    if found.state == "not_in_documents" and found.score + COMMISSION >= found.partly:
        return replace(found, state="partly")
    return found


def _foreign(values: Mapping[str, float]) -> bool:
    near = min(values["closest"], values["alone"])
    return values["new_words"] >= FOREIGN_WORDS and not values["best_held"] and near < FOREIGN_CLOSEST


@dataclass(frozen=True, slots=True)
class _Weights:
    """Where they are ``crossed`` with the conversation, the signals follow once more, times ``turns``."""

    names: tuple[str, ...]
    crossed: bool
    mean: Vectors
    scale: Vectors
    weights: Vectors
    bias: float

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Self:
        mean, scale, weights = (np.array(card[name], dtype=np.float32) for name in ("mean", "scale", "weights"))
        return cls(tuple(card["signals"]), card["crossed"], mean, scale, weights, card["bias"])

    def score(self, given: Mapping[str, float]) -> float:
        raw = np.array([given[name] for name in self.names])
        raw = np.concatenate([raw, raw * given["turns"]]) if self.crossed else raw
        values = (raw - self.mean) / self.scale
        return float(1 / (1 + np.exp(-(values @ self.weights + self.bias))))


@dataclass(frozen=True, slots=True)
class _Card:
    alone: _Weights
    read: _Weights
    doubt: tuple[float, float]
    supported: float
    partly: float


@cache
def _read(file: Path) -> _Card:
    card = json.loads(file.read_text(encoding="utf-8"))
    least, most = card["doubt"]
    alone, read = _Weights.of(card["alone"]), _Weights.of(card["read"])
    return _Card(alone, read, (least, most), card["supported"], card["partly"])


class EvidenceModel:
    """The shipped weights, or those of a file, read when first used."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._file = weights

    def __call__(self, found: Signals) -> Evidence:
        """The evidence before a route is known."""
        if not found.values:
            return NOTHING
        score = self.score(found)
        return Evidence(self.state(score), round(score, 4), self._why(found, score), _read(self._file).partly)

    def doubts(self, found: Signals) -> bool:
        """Whether the chunks should be read before anything is said of them: not where nothing is asked for."""
        if not found.values or not found.values["words"] or _foreign(found.values):
            return False
        least, most = _read(self._file).doubt
        return least <= self.score(found) <= most

    def score(self, found: Signals) -> float:
        """P(the passages can answer the turn), 0 to 1."""
        card = _read(self._file)
        score = (card.read if READING[0] in found.values else card.alone).score(found.values)
        return min(score, FOREIGN) if _foreign(found.values) else score

    def state(self, score: float) -> EvidenceState:
        """The state that a score stands for."""
        read = _read(self._file)
        if score >= read.supported:
            return "supported"
        return "partly" if score >= read.partly else "not_in_documents"

    def _why(self, found: Signals, score: float) -> tuple[str, ...]:
        if self.state(score) == "supported":
            return ()
        why = [f"the closest passage is only {max(0.0, found.values['closest']):.0%} alike"]
        if found.values.get(READING[0], 0.0) < 0:
            why.insert(0, "none of the best passages seems to say what is asked")
        if found.values["above_10th"] < STANDS_OUT:
            why.append("no passage stands out from the others")
        if found.missing:
            listed = ", ".join(f"“{word}”" for word in found.missing[:4])
            why.append(f"the best passages do not mention {listed}")
        return tuple(why)
