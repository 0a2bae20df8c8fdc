"""What the documents say about an answer: before it, whether the passages can hold it; after it, what it cites."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from assistant.conversation.citations import cited
from assistant.conversation.events import Checked, EvidenceState
from assistant.knowledge.documents import Passage

SUPPORTED, PARTLY = 0.5, 0.37
"""Thresholds of ``support``, set on development questions (docs/figures.md)."""
COVERAGE_WEIGHT = 0.25
COMMISSION_MARGIN = 0.1

EVIDENCE: Mapping[EvidenceState, str] = {
    "supported": "",
    "partly": "The documents may answer this only in part.",
    "not_in_documents": "The documents do not seem to answer this. What comes nearest:",
}
"""What a reader is told before the answer."""

_WORD = re.compile(r"\w{3,}")
_COMMON = frozenset(
    "the and for are was were with that this from have has had not you your our can will what when where which who "
    "how does did into about any all get may must should would could there their they them its been being out than "
    "write draft reply answer email letter message post text customer "
    "then also just like need want know tell please find someone something anything still yet here much many long "
    "der die das und ist wie was wer ein eine ich für mit auf den dem".split()
)


def support(text: str, passages: Sequence[Passage]) -> float:
    """How well the passages can answer ``text``: the best cosine, moved by the share of its content words that the
    three best passages hold; 0 without passages."""
    if not passages:
        return 0.0
    wanted = {_stem(word) for word in _WORD.findall(text.casefold()) if word not in _COMMON}
    held = {
        _stem(word) for passage in passages[:3] for word in _WORD.findall(passage.chunk.embedding_text().casefold())
    }
    coverage = len(wanted & held) / len(wanted) if wanted else 0.5
    return max(passage.similarity for passage in passages) + COVERAGE_WEIGHT * (coverage - 0.5)


def evidence(text: str, passages: Sequence[Passage], *, commission: bool = False) -> EvidenceState:
    """The evidence state before any model runs. A ``commission`` ("write to Maya that …") says much that no document
    says, so less support is asked of it."""
    found = support(text, passages) + (COMMISSION_MARGIN if commission else 0.0)
    if found >= SUPPORTED:
        return "supported"
    return "partly" if found >= PARTLY else "not_in_documents"


def check(answer: str, passages: Sequence[Passage], state: EvidenceState | None) -> Checked:
    """Which passages the prose of the answer cites, and which numbers in it belong to none."""
    numbers = cited(answer)
    known = {passage.number for passage in passages}
    return Checked(
        evidence=state,
        cited=tuple(number for number in numbers if number in known),
        invented=tuple(number for number in numbers if number not in known),
    )


def _stem(word: str) -> str:
    return word[:6]
