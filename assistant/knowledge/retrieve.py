"""From a turn to numbered passages: one hybrid search over the collections that the turn may read.

A follow-up is searched together with what it follows: vectors of the last turn, the earlier user turns and the
previous answer are mixed, on the dense and on the BM25 side alike. No language model is asked, unless the settings
want a rewrite. What is found is folded, joined with its neighbours and put in order of date where passages disagree.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from assistant.conversation.refusing import refuses
from assistant.conversation.turn import Attached, Message, Turn
from assistant.knowledge import disagreement, freshness
from assistant.knowledge.documents import Passage
from assistant.knowledge.embedder import Embedder, EmbedderError, Vectors
from assistant.knowledge.evidence import NOTHING, Evidence, EvidenceModel, Signals, signals
from assistant.knowledge.leaning import ANSWER_CHARACTERS, LEANING, leaning, mix
from assistant.knowledge.overview import overview
from assistant.knowledge.passages import Joined, folded, joined, neighbours, varied
from assistant.knowledge.remembered import Remembered
from assistant.knowledge.store import Hit, HybridQuery, Index
from assistant.knowledge.store.bm25 import held
from assistant.routing.classifier import Embedded

log = logging.getLogger(__name__)
ALONE = 20
"""How many candidates of each side a turn is searched for without its conversation."""
OF_FILES = 2
"""One in so many passages, at least, is of an attached file that the turn is about."""
WHOLE = 0.9
"""The probability that a file answers what asks for nothing in particular in it: it is what was asked for."""
BM25_WEIGHT = 0.55
"""What BM25 adds to the cosine of the chunk with the best words, if it holds all words that are asked for; with fewer
of them words count for less, as where people ask in words of their own (docs/figures.md)."""


class Reranker(Protocol):
    """Orders texts by reading each of them together with the query."""

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text, higher is better; only their order counts."""


class Reading(Protocol):
    """Reads passages together with a turn."""

    async def warm_up(self) -> None:
        """Load what the first turn would. Raises EmbedderError."""

    async def logits(self, turn: str, history: Sequence[Message], hits: Sequence[Hit]) -> list[float]:
        """The log-odds that each of the best hits answers the turn, none where they cannot be told. Raises
        EmbedderError."""


class Rewriter(Protocol):
    """Makes a follow-up stand on its own."""

    async def rewrite(self, turn: Turn) -> str | None:
        """The turn as a question that needs no history, or None where that failed or is not needed."""


@dataclass(frozen=True, slots=True)
class Found:
    """Passages, best first, numbered from 1; ``query`` is what was searched, in words; ``evidence`` whether the
    passages can answer the turn; ``fresh`` whether newer documents were put first; ``standing`` whether the turn was
    found to stand on its own, beside its conversation."""

    query: str
    passages: tuple[Passage, ...] = ()
    evidence: Evidence = NOTHING
    fresh: bool = False
    standing: bool = False

    @property
    def similarity(self) -> float | None:
        """The closest passage's cosine to the query, None if nothing was found."""
        return max((passage.similarity for passage in self.passages), default=None)


@dataclass(frozen=True, slots=True)
class _Query:
    """What is searched: in words, as weighted texts, and their vectors, one a text; the closest cosine to the turn
    without its conversation, None where it has none, and whether it stands on its own."""

    said: str
    terms: Sequence[tuple[str, float]]
    vectors: Vectors
    alone: float | None = None
    standing: bool = False


class Searcher(Protocol):
    """Finds passages for turns, whatever stands behind it."""

    async def search(self, turn: Turn, embedded: Embedded | None = None) -> Found:
        """The passages for a turn. Raises StoreError and EmbedderError."""

    async def expect(self, answer: str) -> None:
        """Get ready for a turn that follows this answer. Raises StoreError and EmbedderError."""


class Retriever:
    """Searches an index. ``history_turns`` is how many earlier user turns colour the query."""

    def __init__(
        self,
        index: Index,
        embedder: Embedder,
        *,
        passages: int = 6,
        candidates: int = 40,
        history_turns: int = 3,
        reranker: Reranker | None = None,
        rewriter: Rewriter | None = None,
        reading: Reading | None = None,
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._remembered = Remembered()
        self._passages = passages
        self._candidates = candidates
        self._history_turns = history_turns
        self._reranker = reranker
        self._rewriter = rewriter
        self._reading = reading
        self._evidence = EvidenceModel()

    async def warm_up(self) -> None:
        """Load what the first turn in doubt would, if it can be loaded."""
        if self._reading is None:
            return
        try:
            await self._reading.warm_up()
        except EmbedderError as error:
            log.warning("nothing that is found will be read: %s", error)

    async def search(self, turn: Turn, embedded: Embedded | None = None) -> Found:
        """The passages for a turn. The router's vector of the turn is used where the same embedder made it."""
        if not turn.collections:
            return Found(turn.text)
        if turn.attached is not None and turn.attached.whole:
            return await self._overview(turn, turn.attached)
        if turn.attached is not None and turn.attached.asked not in ("", turn.text):
            turn, embedded = replace(turn, text=turn.attached.asked), None
        asked = await self._query(turn, embedded)
        hits = await self.candidates(turn, asked.terms, asked.vectors)
        fresh = freshness.asks_for_present(turn.text)
        said = signals(turn.text, turn.history, asked.terms, asked.vectors, hits, asked.alone)
        evidence = self._evidence(await self._read(turn, asked, said, hits) if self._evidence.doubts(said) else said)
        ordered = varied(freshness.newer_first(hits) if fresh else await self._reranked(asked.said, hits))
        if turn.attached is not None and turn.attached.meant:
            evidence, ordered = await self._with_files(turn.attached, evidence, ordered)
        chosen = folded(ordered, self._passages)
        near = [identity for hit, _ in chosen for identity in neighbours(hit.chunk)]
        around = {chunk.id: chunk for chunk in await self._index.chunks(near, turn.collections)}
        earlier = [message.content for message in turn.history if message.role == "user"]
        talk = " ".join([turn.text, *earlier[-self._history_turns :]] if self._history_turns else [turn.text])
        return Found(asked.said, _numbered(joined(chosen, around), talk), evidence, fresh, asked.standing)

    async def expect(self, answer: str) -> None:
        """Keep the vector of an answer that the next turn's query will be mixed with. Raises EmbedderError."""
        said = answer[:ANSWER_CHARACTERS]
        if said and self._history_turns and self._rewriter is None and not refuses(said):
            await self._remembered.embed([said], self._embedder)

    async def _overview(self, turn: Turn, files: Attached) -> Found:
        """What stands for the files that the turn is about, in the order of their text."""
        hits = await overview(self._index, files.collection, files.meant, self._passages)
        around = {chunk.id: chunk for _, near in hits for chunk in near}
        passages = _numbered(joined([(hit, ()) for hit, _ in hits], around), "")
        return Found(turn.text, passages, Evidence("supported", WHOLE) if passages else NOTHING)

    async def _with_files(self, files: Attached, evidence: Evidence, hits: Sequence[Hit]) -> tuple[Evidence, list[Hit]]:
        """The hits with their share of the files that the turn is about: the best of them, and where nothing answers
        the turn, what stands for the whole. Of a summary that is a part of the answer."""
        share = max(1, self._passages // OF_FILES)
        due = [hit for hit in hits if hit.chunk.collection == files.collection and hit.chunk.title in files.meant]
        if evidence.state == "not_in_documents":
            ranked = {hit.chunk.id: hit for hit in hits}
            stands = await overview(self._index, files.collection, files.meant, share)
            known = [ranked.get(hit.chunk.id, replace(hit, score=0.0, similarity=0.0)) for hit, _ in stands]
            due = list({hit.chunk.id: hit for hit in [*due[:1], *known]}.values())
            if files.summary:
                evidence = replace(evidence, state="partly", score=max(evidence.score, evidence.partly))
        return evidence, with_files(hits, due[:share], self._passages)

    async def ranked(self, turn: Turn) -> list[Hit]:
        """The chunks as they are ranked, before folding and joining: what `assistant eval retrieval` measures."""
        asked = await self._query(turn, None)
        return await self._reranked(asked.said, await self.candidates(turn, asked.terms, asked.vectors))

    async def signals(self, turn: Turn) -> Signals:
        """What the evidence model reads of a turn: `assistant.knowledge.evidence_fit` learns from it."""
        asked = await self._query(turn, None)
        hits = await self.candidates(turn, asked.terms, asked.vectors)
        said = signals(turn.text, turn.history, asked.terms, asked.vectors, hits, asked.alone)
        return await self._read(turn, asked, said, hits)

    async def _read(self, turn: Turn, asked: _Query, said: Signals, hits: Sequence[Hit]) -> Signals:
        """The signals with what reading the best hits says, if it can be done; it must not stop the search. A turn that
        stands on its own is read alone."""
        if self._reading is None or not hits:
            return said
        try:
            before = turn.history if self._history_turns and not asked.standing else ()
            logits = await self._reading.logits(turn.text, before, hits)
            return said.with_reading(logits) if logits else said
        except EmbedderError as error:
            log.warning("searched without reading what was found: %s", error)
            return said

    async def alone(self, turn: Turn, vector: Vectors) -> list[Hit]:
        """What the turn finds without its conversation, best first."""
        terms = [(turn.text, 1.0)]
        own = HybridQuery(vector.tolist(), terms, turn.collections, limit=2 * ALONE, prefetch=ALONE)
        return weighed(await self._index.search(own), terms)

    async def candidates(self, turn: Turn, terms: Sequence[tuple[str, float]], vectors: Vectors) -> list[Hit]:
        """The hybrid search alone, best first."""
        mixed = np.array([weight for _, weight in terms], dtype=np.float32) @ vectors
        mixed = mixed / max(float(np.linalg.norm(mixed)), 1e-12)
        query = HybridQuery(
            vector=mixed.tolist(),
            terms=terms,
            collections=turn.collections,
            limit=2 * self._candidates,
            prefetch=self._candidates,
        )
        if turn.attached is None or not turn.attached.meant:
            return weighed(await self._index.search(query), terms)[: self._candidates]
        own = replace(query, collections=frozenset({turn.attached.collection}))
        found, of_files = await asyncio.gather(self._index.search(query), self._index.search(own))
        hits = {hit.chunk.id: hit for hit in (*found, *of_files)}
        return weighed(list(hits.values()), terms)[: 2 * self._candidates]

    async def _query(self, turn: Turn, embedded: Embedded | None) -> _Query:
        rewritten = await self._rewriter.rewrite(turn) if self._rewriter is not None and turn.history else None
        if rewritten is not None:
            return _Query(rewritten, [(rewritten, 1.0)], await self._embedder.embed([rewritten]))
        terms = mix(turn.text, turn.history, self._history_turns)
        said = turn.text if len(terms) == 1 else f"{turn.text} ⟵ {terms[1][0][:80]}"
        own = embedded.vector if embedded is not None and embedded.embedder == self._embedder.name else None
        if own is not None:
            self._remembered.keep([turn.text], own[None, :])
        vectors = await self._remembered.embed([text for text, _ in terms], self._embedder)
        if len(terms) == 1:
            return _Query(said, terms, vectors)
        hits = await self.alone(turn, vectors[0])
        kept = leaning().kept(turn.text, vectors, hits)
        if kept != LEANING:
            terms = mix(turn.text, turn.history, self._history_turns, kept)
        return _Query(said, terms, vectors, max((hit.similarity for hit in hits), default=0.0), kept != LEANING)

    async def _reranked(self, query: str, hits: list[Hit]) -> list[Hit]:
        """The hits in the reranker's order, if there is one; one that cannot run must not stop the search."""
        if self._reranker is None:
            return hits
        try:
            scores = await self._reranker.scores(query, [hit.chunk.embedding_text() for hit in hits])
        except EmbedderError as error:
            log.warning("searched without the reranker: %s", error)
            return hits
        order = sorted(range(len(hits)), key=lambda place: -scores[place])
        return [hits[place] for place in order]


def with_files(hits: Sequence[Hit], due: Sequence[Hit], limit: int) -> list[Hit]:
    """The hits in their order, ``due`` among the first ``limit``."""
    ids, room = {hit.chunk.id for hit in due}, max(0, limit - len(due))
    others = [hit for hit in hits if hit.chunk.id not in ids]
    return sorted([*due, *others[:room]], key=lambda hit: -hit.score) + others[room:]


def weighed(hits: Sequence[Hit], terms: Sequence[tuple[str, float]]) -> list[Hit]:
    """The hits by cosine and BM25, the latter weighing as much as its best hit holds of the words."""
    best = max(hits, key=lambda hit: hit.bm25, default=None)
    if best is None or not best.bm25:
        return sorted((_scored(hit, hit.similarity) for hit in hits), key=lambda hit: -hit.score)
    weight = BM25_WEIGHT * held(terms, best.chunk.embedding_text()) / best.bm25
    scored = [_scored(hit, hit.similarity + weight * hit.bm25) for hit in hits]
    return sorted(scored, key=lambda hit: (-hit.score, -hit.similarity))


def _scored(hit: Hit, score: float) -> Hit:
    return Hit(hit.chunk, score, hit.similarity, hit.bm25)


def _numbered(made: Sequence[Joined], asked: str) -> tuple[Passage, ...]:
    """The passages in their final order and with their numbers, the newer of two that disagree first."""
    order, older = disagreement.newer_leads([m.chunk for m in made], asked, [m.hit.similarity for m in made])
    number = {place: n for n, place in enumerate(order, 1)}
    return tuple(
        Passage(
            number=number[place],
            chunk=made[place].chunk,
            score=made[place].hit.score,
            similarity=made[place].hit.similarity,
            found=_span(made[place]),
            newer=number[older[place]] if place in older else None,
            duplicates=tuple(dict.fromkeys(other.document for other in made[place].duplicates)),
        )
        for place in order
    )


def _span(each: Joined) -> tuple[int, int]:
    start = each.hit.chunk.start - each.chunk.start
    return start, start + len(each.hit.chunk.text)
