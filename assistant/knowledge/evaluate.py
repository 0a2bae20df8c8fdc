"""Figures of retrieval and evidence over a file of passages and a file of labelled turns.

Each passage is one chunk of an index of its own, in the engine and through the retriever that chat uses. Labels are
read only to count; nothing that is measured sees them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast, get_args

from assistant.conversation.turn import Message, Turn
from assistant.knowledge.documents import Chunk
from assistant.knowledge.embedder import Embedder
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store import Index, Point
from assistant.knowledge.store.factory import build_store

Answerability = Literal["answerable", "partial", "unanswerable", "underspecified"]
LABELS: tuple[str, ...] = get_args(Answerability)
ROLES = ("user", "assistant")
TURN_FORM = "a turn has turn, history [{role, content}], relevant [ids] and answerability"
COLLECTION = "evaluation"
AT_ONCE = 64
DEPTH = 40
"""How deep a ranking is looked into for the first relevant passage (MRR)."""


class EvaluationError(Exception):
    """A file cannot be used; the message names it, the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class LabelledTurn:
    """A turn with the ids of the passages that answer it."""

    turn: Turn
    relevant: frozenset[str]
    answerability: Answerability


def read_passages(path: Path) -> list[Chunk]:
    """Passages of a JSONL file: ``id``, ``text`` and, if there is one, ``title``. Raises EvaluationError."""
    chunks: dict[str, Chunk] = {}
    for number, row in _rows(path):
        identity, text, title = row.get("id"), row.get("text"), row.get("title") or ""
        if not isinstance(identity, str) or not isinstance(text, str) or not isinstance(title, str) or not text.strip():
            raise EvaluationError(f"{path}:{number}: a passage has an id and a text, both strings")
        if identity in chunks:
            raise EvaluationError(f"{path}:{number}: there is a second passage of the id {identity!r}")
        chunks[identity] = Chunk(COLLECTION, identity, title, (), text, 0, len(text), 0, 1, content_hash=identity)
    if not chunks:
        raise EvaluationError(f"{path} holds no passages")
    return list(chunks.values())


def read_turns(path: Path, known: Collection[str]) -> list[LabelledTurn]:
    """Turns of a JSONL file: ``turn``, ``history``, ``relevant`` and ``answerability``, which without a word is
    answerable where a passage is relevant. Raises EvaluationError, also for relevant passages that are not known."""
    turns = []
    for number, row in _rows(path):
        try:
            said, relevant = row["turn"], row.get("relevant") or []
            history = tuple(Message(each["role"], each["content"]) for each in row.get("history") or [])
        except (KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(f"{path}:{number}: {TURN_FORM}; {error} is wrong or missing") from error
        texts = [said, relevant, *(message.content for message in history)]
        kinds = [str, list, *(str for _ in history)]
        if not all(map(isinstance, texts, kinds)) or any(message.role not in ROLES for message in history):
            raise EvaluationError(f"{path}:{number}: {TURN_FORM}, all of them strings, a role being user or assistant")
        relevant = frozenset(map(str, relevant))
        label = row.get("answerability") or ("answerable" if relevant else "unanswerable")
        turn = Turn(said, history, collections=frozenset({COLLECTION}))
        if unknown := sorted(relevant - set(known)):
            raise EvaluationError(f"{path}:{number}: no passage has the id {unknown[0]!r}")
        if label not in LABELS:
            raise EvaluationError(f"{path}:{number}: {label!r} is no answerability; there is {', '.join(LABELS)}")
        turns.append(LabelledTurn(turn, relevant, cast(Answerability, label)))
    if not turns:
        raise EvaluationError(f"{path} holds no turns")
    return turns


def _rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise EvaluationError(f"{path}:{number}: this line is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise EvaluationError(f"{path}:{number}: this line is not a JSON object")
        rows.append((number, row))
    return rows


@asynccontextmanager
async def indexed(
    chunks: Sequence[Chunk], embedder: Embedder, on_progress: Callable[[int], None]
) -> AsyncIterator[Index]:
    """An index of the passages in a folder that goes afterwards; ``on_progress`` gets the number written."""
    with TemporaryDirectory(prefix="switchyard-eval-") as folder:
        store = build_store(engine="embedded", path=Path(folder), url=None, api_key=None, timeout=30)
        await store.open()
        try:
            index = await store.create("evaluation", embedder.dimension)
            for start in range(0, len(chunks), AT_ONCE):
                some = chunks[start : start + AT_ONCE]
                vectors = await embedder.embed([chunk.embedding_text() for chunk in some])
                await index.upsert([Point(c, v.tolist()) for c, v in zip(some, vectors, strict=True)])
                on_progress(start + len(some))
            await index.optimize()
            yield index
        finally:
            await store.close()


async def retrieval(
    retriever: Retriever, turns: Sequence[LabelledTurn], on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """nDCG@5, recall@5 and @10, MRR, hit@1 over the answerable and partial turns, with the latency of a whole search,
    embedding included, in milliseconds."""
    asked = [each for each in turns if each.relevant and each.answerability in ("answerable", "partial")]
    if not asked:
        raise EvaluationError("no turn names a relevant passage, so there is nothing to measure")
    await retriever.ranked(asked[0].turn)
    ranks: list[list[str]] = []
    took: list[float] = []
    for number, each in enumerate(asked, 1):
        start = time.perf_counter()
        hits = await retriever.ranked(each.turn)
        took.append(1000 * (time.perf_counter() - start))
        ranks.append([hit.chunk.document for hit in hits][:DEPTH])
        on_progress(number)

    def mean(measure: Callable[[Sequence[str], frozenset[str]], float]) -> float:
        return round(sum(measure(rank, each.relevant) for rank, each in zip(ranks, asked, strict=True)) / len(asked), 4)

    return {
        "ndcg@5": mean(lambda rank, relevant: ndcg(rank, relevant, 5)),
        "recall@5": mean(lambda rank, relevant: len(relevant.intersection(rank[:5])) / len(relevant)),
        "recall@10": mean(lambda rank, relevant: len(relevant.intersection(rank[:10])) / len(relevant)),
        "mrr": mean(lambda rank, relevant: next((1 / n for n, each in enumerate(rank, 1) if each in relevant), 0.0)),
        "hit@1": mean(lambda rank, relevant: float(rank[:1] != [] and rank[0] in relevant)),
        "n": len(asked),
        "latency_ms": {"p50": round(_quantile(took, 0.5), 2), "p95": round(_quantile(took, 0.95), 2)},
    }


async def evidence(
    retriever: Retriever, turns: Sequence[LabelledTurn], on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """AUC of the evidence score: answerable and partial turns against unanswerable ones. Underspecified turns are left
    out: they lack no document."""
    kept = [each for each in turns if each.answerability != "underspecified"]
    scores = []
    for number, each in enumerate(kept, 1):
        scores.append((await retriever.search(each.turn)).evidence.score)
        on_progress(number)
    can = [score for score, each in zip(scores, kept, strict=True) if each.answerability != "unanswerable"]
    cannot = [score for score, each in zip(scores, kept, strict=True) if each.answerability == "unanswerable"]
    if not can or not cannot:
        raise EvaluationError("evidence needs turns that can be answered and turns that cannot")
    return {"auc": round(auc(can, cannot), 4), "n": len(kept)}


def ndcg(rank: Sequence[str], relevant: Collection[str], depth: int) -> float:
    """Normalised discounted cumulative gain with binary gains (Järvelin and Kekäläinen, 2002), 0 to 1."""
    gained = sum(1 / math.log2(place + 1) for place, each in enumerate(rank[:depth], 1) if each in relevant)
    return gained / sum(1 / math.log2(place + 1) for place in range(1, min(depth, len(relevant)) + 1))


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that a positive scores above a negative one, ties counting half (Mann-Whitney)."""
    won = sum((one > other) + 0.5 * (one == other) for one in positive for other in negative)
    return won / (len(positive) * len(negative))


def _quantile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))]
