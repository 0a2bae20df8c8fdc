"""Figures of whole answers, from the search to the citation, with the builtin model and a scripted one."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.answers_eval import AnsweredTurn, answers, read_answered, rouge_l
from assistant.conversation.refusing import refuses
from assistant.knowledge import evaluate
from assistant.knowledge.documents import Chunk
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.evaluate import EvaluationError
from assistant.knowledge.retrieve import Retriever
from connectors import ChatModel
from connectors.builtin import BuiltinModel
from connectors.scripted import ScriptedModel, Step

PASSAGES = [
    {"id": "leave", "text": "New employees get 26 days of leave a year. Leave is booked in the calendar."},
    {"id": "travel", "text": "The cap for a hotel in London is £165 a night. The desk books trains."},
    {"id": "repairs", "text": "Tents are repaired free of charge for two years. Zips take a week."},
]
TURNS = [
    {
        "turn": "How many days of leave do I get?",
        "relevant": ["leave"],
        "reference": "You get 26 days of leave a year.",
    },
    {"turn": "What is the cap for a hotel in London?", "relevant": ["travel"], "reference": "It is £165 a night."},
    {"turn": "Who sang at the wedding of the queen?", "relevant": [], "reference": "I do not know."},
]


def written(folder: Path, rows: list[dict[str, Any]], name: str) -> Path:
    file = folder / name
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


def labelled(folder: Path) -> tuple[list[Chunk], list[AnsweredTurn]]:
    chunks = evaluate.read_passages(written(folder, PASSAGES, "passages.jsonl"))
    return chunks, read_answered(written(folder, TURNS, "turns.jsonl"), [chunk.document for chunk in chunks])


async def measured(folder: Path, model: ChatModel, embedder: FastEmbedder) -> dict[str, Any]:
    chunks, turns = labelled(folder)
    async with evaluate.indexed(chunks, embedder, lambda _: None) as index:
        return await answers(turns, Retriever(index, embedder), lambda _: model, lambda _: None)


@pytest.fixture(scope="module")
def embedder() -> FastEmbedder:
    return FastEmbedder()


async def test_the_builtin_model_quotes_what_is_relevant(tmp_path: Path, embedder: FastEmbedder) -> None:
    found = (await measured(tmp_path, BuiltinModel("builtin", embedder.embed_now), embedder))["retrieve"]
    assert found["n"] == {"all": 3, "answerable": 2, "unanswerable": 1} and found["failed"] == 0
    assert found["citations"]["recall"] == 1 and found["citations"]["precision"] > 0.3
    assert found["rouge_l"] > 0.3 and found["rouge_l_of_first_sentences"] > 0.2
    assert found["evidence"]["unanswerable_refused"] == 1


async def test_figures_are_those_of_the_answers(tmp_path: Path, embedder: FastEmbedder) -> None:
    said = ["You get 26 days of leave a year [1].", "The documents do not say. [1][2]", "I sang [9]."]
    found = (await measured(tmp_path, ScriptedModel([Step([each]) for each in said]), embedder))["retrieve"]
    assert found["citations"] == {"precision": 0.6667, "recall": 1.0}
    assert found["evidence"] == {"answerable_answered": 0.5, "unanswerable_refused": 0.0, "accuracy": 0.25}
    assert found["rouge_l"] == 0.5


def test_a_wrong_route_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, [{"turn": "hi", "route": "voice", "relevant": []}], "turns.jsonl")
    with pytest.raises(EvaluationError, match=r"turn 1: .*retrieve or both"):
        read_answered(file, [])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The documents do not hold the answer to this. What comes nearest:\n\nLeave is 26 days. [1]", True),
        ("Die Dokumente enthalten keine Antwort darauf.", True),
        ("I'm sorry, I could not find any information on that.", True),
        ("I do not know.", True),
        ("You get 26 days [1].", False),
        ("Not before June [1]. You need no doctor's note [2]. The documents do not say why.", False),
    ],
)
def test_what_counts_as_a_refusal(answer: str, expected: bool) -> None:
    assert refuses(answer) is expected


def test_rouge_l_of_the_paper_s_example() -> None:
    assert rouge_l("police kill the gunman", "police killed the gunman") == 0.75
    assert rouge_l("the gunman kill police", "police killed the gunman") == 0.5
    assert rouge_l("", "police") == 0.0


@given(st.text(), st.text())
def test_rouge_l_is_a_share_and_does_not_mind_the_order(one: str, other: str) -> None:
    assert 0 <= rouge_l(one, other) <= 1 and rouge_l(one, other) == rouge_l(other, one)
