"""How a turn is searched together with what was said before it.

A follow-up ("and elsewhere in Europe?") says little alone; a question that stands on its own is drawn to what was
spoken of last by all that is mixed with it, most of all by the previous answer, which is the text of a passage. So the
turn is searched alone first, and a logistic regression reads from its words, its nearness to what was said before and
what it finds alone whether it leans on its conversation. ``python -m assistant.knowledge.leaning_fit`` fitted it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self, TypeAlias

from assistant.conversation.refusing import refuses
from assistant.conversation.turn import Message
from assistant.knowledge.embedder import Vectors
from assistant.knowledge.store import Hit
from assistant.knowledge.store.bm25 import held, query_vector

WEIGHTS = Path(__file__).parent / "weights" / "leaning.json"
Terms = list[tuple[str, float]]
"""Texts and weights that make a query."""

USER_WEIGHT = 0.27
ANSWER_WEIGHT = 0.2
"""Weights of the latest earlier user turn and of the previous answer, beside 1 for the turn itself."""
Kept: TypeAlias = tuple[float, float]
"""What is left of these weights, of the user's turns and of the answer."""
LEANING: Kept = (1.0, 1.0)
STANDING: Kept = (0.75, 0.25)
"""Where a turn stands on its own."""
APART: Kept = (0.4, 0.1)
"""Where there is hardly a doubt that it does."""
DEPENDENT_WORDS = 16
"""A turn of so many words or fewer may lean on its conversation; a longer one does less and less."""
ANSWER_CHARACTERS = 600
MOST_WORDS = 8
SIGNALS = ("points", "more", "opens", "words", "near_turn", "near_answer", "closest", "above_5th", "held")

_POINTS = re.compile(
    r"\b(?:its?|they|them|theirs?|he|she|him|his|hers?|this|that|these|those|dies\w*|das|sie|er|ihn|ihm|davon|dazu|"
    r"daf[uü]r|damit|elle|ils|cela|[cç]a|ce(?:lui|lle|tte|ci)|ella|ellos?|eso|est[ae]|quest[oai]|quello)\b",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"\b(?:there|ones?|same|else|others?|another|instead|too|either|such|former|latter|again|more|as well|auch|noch|"
    r"andere\w*|sonst|stattdessen|aussi|autres?|tambi[eé]n|otr[oa]s?|anche|altr[oai])\b",
    re.IGNORECASE,
)
_OPENS = re.compile(
    r"^\W*(?:and|what about|how about|what if|but|or|also|so|then|ok|okay|yes|no|sure|ah|oh|hm+|right|wait|even|und|"
    r"oder|aber|et|mais|ou|y|pero|o|e|ma)\b",
    re.IGNORECASE,
)


def mix(text: str, history: Sequence[Message], history_turns: int, kept: Kept = LEANING) -> Terms:
    """Texts and weights that make the query: the turn at 1, earlier user turns fading, the previous answer; both by
    what is ``kept`` of them. An answer that says that there is none leads nowhere, and is left out."""
    user, answered = kept
    terms = [(text, 1.0)]
    earlier = [message.content for message in reversed(history) if message.role == "user"][:history_turns]
    leans = min(1.0, DEPENDENT_WORDS / max(len(text.split()), 1)) ** 2
    terms += [(said, leans * user * USER_WEIGHT / (age + 1)) for age, said in enumerate(earlier)]
    said_last = next((message.content for message in reversed(history) if message.role == "assistant"), "")
    answer = said_last[:ANSWER_CHARACTERS]
    if answer and history_turns and not refuses(answer):
        terms.append((answer, leans * answered * ANSWER_WEIGHT))
    return terms


def signals(text: str, vectors: Vectors, alone: Sequence[Hit]) -> dict[str, float]:
    """What tells whether a turn leans on its conversation. ``vectors`` are those of its mix, the turn's first, the
    latest user turn's next, the last said one's last; ``alone`` what the turn finds alone, best first, not empty."""
    scores = [hit.score for hit in alone]
    return {
        "points": float(_POINTS.search(text) is not None),
        "more": float(_MORE.search(text) is not None),
        "opens": float(_OPENS.search(text) is not None),
        "words": float(min(len(query_vector([(text, 1.0)])[0]), MOST_WORDS)),
        "near_turn": float(vectors[0] @ vectors[1]),
        "near_answer": float(vectors[0] @ vectors[-1]),
        "closest": max(hit.similarity for hit in alone),
        "above_5th": scores[0] - scores[min(4, len(scores) - 1)],
        "held": held([(text, 1.0)], alone[0].chunk.embedding_text()),
    }


@dataclass(frozen=True, slots=True)
class Leaning:
    """The regression: weights and a bias in the signals' own units. Below ``threshold`` a turn stands on its own, below
    ``apart`` without a doubt."""

    weights: Mapping[str, float]
    bias: float
    threshold: float
    apart: float

    @classmethod
    def read(cls, file: Path = WEIGHTS) -> Self:
        """The shipped one, or that of a file."""
        found = json.loads(file.read_text(encoding="utf-8"))
        return cls(found["weights"], found["bias"], found["threshold"], found["apart"])

    def score(self, values: Mapping[str, float]) -> float:
        """The probability that a turn leans on its conversation, as far as that can be told."""
        return 1 / (1 + math.exp(-self.bias - sum(self.weights[name] * value for name, value in values.items())))

    def kept(self, text: str, vectors: Vectors, alone: Sequence[Hit]) -> Kept:
        """How much of its conversation a turn is mixed with; what finds nothing alone leans."""
        return self.way(self.score(signals(text, vectors, alone))) if alone else LEANING

    def way(self, score: float) -> Kept:
        """The same for the probability that it leans."""
        if score < self.apart:
            return APART
        return STANDING if score < self.threshold else LEANING


@cache
def leaning() -> Leaning:
    """The shipped one, read once."""
    return Leaning.read()
