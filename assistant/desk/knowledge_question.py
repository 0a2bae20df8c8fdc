"""What a question would find, and why: the search of the chat itself, with each of its sides laid open.

The retriever is the one that turns use; it is handed an index that remembers what was asked of it, and the same query
is then asked once for each side alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from assistant.app import Assistant
from assistant.conversation.turn import Message, Turn
from assistant.knowledge.documents import Passage
from assistant.knowledge.evidence import Evidence
from assistant.knowledge.happenings import Mistake
from assistant.knowledge.retrieve import Found, weighed
from assistant.knowledge.store import Hit, HybridQuery, Index

SHOWN = 10
"""Hits of each list that are shown."""
MEANINGS: Mapping[str, str] = {
    "closest": "cosine of the closest passage",
    "alone": "the same, without the conversation",
    "above_5th": "score of the best above the fifth",
    "above_10th": "score of the best above the tenth",
    "closest_above_10th": "cosine of the closest above the tenth",
    "words_held": "share of the question's words in the best three, the rare ones counted more",
    "best_held": "the same in the best of them",
    "turns": "how far the conversation has come, 1 from four turns on",
    "follows": "how close the question is to the one before",
    "words": "words that say something",
    "new_words": "those that the conversation has not said",
    "answers": "how surely one of the best two passages answers, read together with the question (log-odds)",
    "answers_next": "the same of the other",
}
"""The signals of the evidence, in words; a test says which is missing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is tried. ``groups`` None is whoever runs this, who searches everything; otherwise somebody of
    these groups on the surface. ``collection`` None is all that may be read."""

    question: str
    earlier: str = ""
    answer: str = ""
    collection: str | None = None
    groups: tuple[str, ...] | None = None
    surface: str = "portal"


@dataclass(frozen=True, slots=True)
class Tried:
    """What was found: the chunks by cosine alone, by BM25 alone and fused, best first, the passages that a turn would
    get of them, and the evidence with its signals. ``searched`` are the collections; empty where none may be read."""

    query: str
    terms: tuple[tuple[str, float], ...]
    searched: frozenset[str]
    dense: tuple[Hit, ...]
    bm25: tuple[Hit, ...]
    fused: tuple[Hit, ...]
    passages: tuple[Passage, ...]
    evidence: Evidence
    signals: Mapping[str, float]
    fresh: bool


class _Heard:
    """An index that remembers the hybrid searches that it is asked for."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.queries: list[HybridQuery] = []

    async def search(self, query: HybridQuery) -> list[Hit]:
        if all(query.weights):
            self.queries.append(query)
        return await self._index.search(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)


async def try_question(assistant: Assistant, asked: Asked) -> Tried:
    """Search as a turn would. Raises Mistake without a question, StoreError and EmbedderError."""
    if not asked.question.strip():
        raise Mistake("write a question first")
    await assistant.follow()
    searched = await _searched(assistant, asked)
    before = Message("user", asked.earlier.strip()), Message("assistant", asked.answer.strip())
    history = tuple(message for message in before if message.content)
    turn = Turn(asked.question.strip(), history, asked.surface, searched)
    live = assistant.base.live
    heard = _Heard(live.index)
    retriever = assistant.base.make_retriever(cast(Index, heard), live.build.embedder)
    found, read = await asyncio.gather(retriever.search(turn), retriever.signals(turn))
    if not heard.queries:
        return _nothing(found, searched)
    query = max(heard.queries, key=lambda each: len(each.terms))  # not that of the turn without its conversation
    dense, bm25, both = await asyncio.gather(
        live.index.search(replace(query, weights=(1.0, 0.0), limit=SHOWN)),
        live.index.search(replace(query, weights=(0.0, 1.0), limit=SHOWN)),
        live.index.search(query),
    )
    return Tried(
        found.query,
        tuple(query.terms),
        searched,
        tuple(sorted(dense, key=lambda hit: -hit.similarity)),
        tuple(sorted((hit for hit in bm25 if hit.bm25), key=lambda hit: -hit.bm25)),
        tuple(weighed(both, query.terms)[:SHOWN]),
        found.passages,
        found.evidence,
        dict(read.values),
        found.fresh,
    )


def _nothing(found: Found, searched: frozenset[str]) -> Tried:
    return Tried(found.query, (), searched, (), (), (), found.passages, found.evidence, {}, found.fresh)


async def _searched(assistant: Assistant, asked: Asked) -> frozenset[str]:
    if asked.groups is None:
        rows: Sequence[dict[str, Any]] = (await assistant.list_collections())["collections"]
        may = frozenset(row["name"] for row in rows)
    else:
        may = await readable(assistant, asked.surface, asked.groups)
    return may if asked.collection is None else may & {asked.collection}


async def readable(assistant: Assistant, surface: str, groups: Sequence[str]) -> frozenset[str]:
    """What somebody of these groups may search there, as turns ask it. Raises Mistake for a surface there is not."""
    if surface not in assistant.settings.surfaces:
        raise Mistake(f"there is no surface '{surface}'")
    return await assistant.readable(surface, groups)
