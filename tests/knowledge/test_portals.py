"""Plain questions over small portals of our own: are those told apart that the pages answer?

``demo`` is held apart from all training and fitting; ``housing`` and ``restaurants`` were used to fit the evidence
model, not the one that reads.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.conversation.turn import Message
from assistant.knowledge import evaluate
from assistant.knowledge.answerability import Answerability
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.evidence import EvidenceModel
from assistant.knowledge.leaning import LEANING, mix
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store import Hit
from tests.conftest import ROOT

APART = ROOT / "tests" / "data" / "portals"
TRAINED = ROOT / "assistant" / "knowledge" / "models" / "training" / "portals"
ALL = sorted(path for folder in (APART, TRAINED) for path in folder.glob("*.turns.jsonl"))


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def passages_of(turns: Path) -> Path:
    return turns.with_name(turns.name.replace(".turns.", ".passages."))


async def test_what_the_demo_answers_is_told_from_what_it_does_not() -> None:
    """The figures of docs/figures.md, with room for another processor."""
    turns = APART / "demo.turns.jsonl"
    chunks = evaluate.read_passages(passages_of(turns))
    labelled = evaluate.read_turns(turns, {chunk.document for chunk in chunks})
    embedder, model = FastEmbedder(), EvidenceModel()
    scores: dict[bool, list[float]] = {True: [], False: []}
    async with evaluate.indexed(chunks, embedder, lambda _: None) as index:
        retriever = Retriever(index, embedder, reading=Answerability())
        for each in labelled:
            found = (await retriever.search(each.turn)).evidence
            scores[each.answerability == "answerable"].append(found.score)
    refused = {
        can: sum(model.state(each) == "not_in_documents" for each in scores[can]) / len(scores[can]) for can in scores
    }
    assert len(scores[True]) == 110 and len(scores[False]) == 80
    assert evaluate.auc(scores[True], scores[False]) > 0.72
    assert refused[True] < 0.22 and refused[False] > 0.5


async def test_another_subject_in_the_midst_of_a_conversation_finds_its_own_page() -> None:
    """Each question of the demo behind the one before it that is about something else; figures with room, see
    docs/figures.md."""
    turns = APART / "demo.turns.jsonl"
    chunks = {chunk.document: chunk for chunk in evaluate.read_passages(passages_of(turns))}
    asked = [each for each in evaluate.read_turns(turns, set(chunks)) if each.relevant and not each.turn.history]
    embedder = FastEmbedder()
    told, leaning = [], []
    async with evaluate.indexed(list(chunks.values()), embedder, lambda _: None) as index:
        retriever = Retriever(index, embedder)
        for place, each in enumerate(asked):
            before = next(other for n in range(1, 9) if not (other := asked[place - n]).relevant & each.relevant)
            answer = chunks[min(before.relevant)].text[:400]
            turn = replace(each.turn, history=(Message("user", before.turn.text), Message("assistant", answer)))
            terms = mix(turn.text, turn.history, 3, LEANING)
            vectors = await embedder.embed([text for text, _ in terms])
            told.append(first_right(await retriever.ranked(turn), each.relevant))
            leaning.append(first_right(await retriever.candidates(turn, terms, vectors), each.relevant))
    assert len(asked) == 77
    assert sum(told) / 77 > 0.6 and sum(told) > sum(leaning) + 77 * 0.1


def first_right(hits: Sequence[Hit], relevant: Collection[str]) -> float:
    """The reciprocal rank of the first relevant one."""
    return next((1 / n for n, hit in enumerate(hits, 1) if hit.chunk.document in relevant), 0.0)


@pytest.mark.parametrize("turns", ALL, ids=lambda path: path.name.partition(".")[0])
def test_a_portal_holds_what_its_questions_point_to(turns: Path) -> None:
    """What is answered names passages that hold the answer, and what is not names none."""
    known, asked = {str(row["id"]): row for row in rows(passages_of(turns))}, rows(turns)
    assert len({row["id"] for row in asked}) == len(asked) and len(asked) >= 190
    for row in asked:
        relevant = row["relevant"]
        assert isinstance(relevant, list) and set(relevant) <= set(known)
        assert bool(relevant) == (row["answerability"] == "answerable") == bool(row["quote"])


def test_no_page_that_is_held_apart_was_trained_on() -> None:
    """Questions may be the same: what matters is what the pages say to them."""
    trained = {row["text"] for path in TRAINED.glob("*.passages.jsonl") for row in rows(path)}
    assert trained and not any(row["text"] in trained for path in APART.glob("*.passages.jsonl") for row in rows(path))
