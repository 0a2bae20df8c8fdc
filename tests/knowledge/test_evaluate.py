"""The figures of `assistant eval`: right by hand, the same through the command, and clear about a bad file."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.turn import Message, Turn
from assistant.knowledge import evaluate
from assistant.knowledge.documents import Chunk
from assistant.knowledge.evaluate import (
    EvaluationError,
    LabelledTurn,
    auc,
    evidence,
    indexed,
    ndcg,
    read_passages,
    read_turns,
    retrieval,
)
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store import Hit
from tests.knowledge.searching import WordEmbedder
from tests.serving import run

PASSAGES = [
    {"id": "leave", "title": "Leave", "text": "Employees get 26 days of annual leave a year."},
    {"id": "hotel", "title": "Travel", "text": "The cap for a hotel in London is 165 pounds a night."},
    {"id": "coffee", "text": "The coffee machine on the second floor takes beans only."},
    {"id": "badge", "title": None, "text": "A lost badge is reported to security at once.\u2028It is then blocked."},
]
TURNS = [
    {"turn": "how many days of annual leave do employees get", "relevant": ["leave"], "answerability": "answerable"},
    {"turn": "and in London?", "history": [{"role": "user", "content": "what is the cap for a hotel"},
     {"role": "assistant", "content": "It depends."}], "relevant": ["hotel"], "answerability": "partial"},
    {"turn": "coffee beans and a lost badge", "relevant": ["coffee", "badge"]},
    {"turn": "boiling point of tungsten", "relevant": [], "answerability": "unanswerable"},
    {"turn": "zebra crossing", "history": None},
    {"turn": "what about it?", "answerability": "underspecified", "relevant": []},
]  # fmt: skip


def written(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n", encoding="utf-8")
    return path


@pytest.fixture
def passages(tmp_path: Path) -> Path:
    return written(tmp_path / "passages.jsonl", PASSAGES)


@pytest.fixture
def turns(tmp_path: Path) -> Path:
    return written(tmp_path / "turns.jsonl", TURNS)


@pytest.mark.parametrize(
    ("rank", "relevant", "value"),
    [
        ("abcde", "a", 1.0),
        ("bacde", "a", 1 / math.log2(3)),
        ("bcdea", "a", 1 / math.log2(6)),
        ("bcdefa", "a", 0.0),
        ("abcde", "ac", (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))),
        ("abcde", "abcdefg", 1.0),
        ("abxyz", "abcdefg", (1 + 1 / math.log2(3)) / sum(1 / math.log2(n) for n in range(2, 7))),
        ("", "a", 0.0),
    ],
)
def test_ndcg_by_hand(rank: str, relevant: str, value: float) -> None:
    assert ndcg(list(rank), set(relevant), 5) == pytest.approx(value)


@pytest.mark.parametrize(
    ("positive", "negative", "value"),
    [([2, 3], [0, 1], 1.0), ([0, 1], [2, 3], 0.0), ([1], [1], 0.5), ([3, 1], [2, 0], 0.75), ([1, 1, 2], [1], 4 / 6)],
)
def test_auc_by_hand(positive: list[float], negative: list[float], value: float) -> None:
    assert auc(positive, negative) == pytest.approx(value)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_auc_is_the_same_from_the_other_side(one: list[float], other: list[float]) -> None:
    assert auc(one, other) + auc(other, one) == pytest.approx(1)


class Ranked(Retriever):
    """Gives set rankings: `retrieval` is measured here, not the search."""

    def __init__(self, ranks: dict[str, str]) -> None:
        self.ranks = ranks
        self.asked: list[str] = []

    async def ranked(self, turn: Turn) -> list[Hit]:
        self.asked.append(turn.text)
        return [Hit(Chunk("c", each, "", (), "", 0, 0, 0, 1, each), 0, 0) for each in self.ranks[turn.text]]


def labelled(text: str, relevant: str, answerability: Any = "answerable") -> LabelledTurn:
    return LabelledTurn(Turn(text), frozenset(relevant), answerability)


async def test_the_figures_of_retrieval_by_hand() -> None:
    retriever = Ranked({"one": "abcdefghijkl", "two": "bcdefga", "three": "xyz", "no": "a", "what": "a"})
    asked = [
        labelled("one", "a"),
        labelled("two", "ab", "partial"),
        labelled("three", "a"),
        labelled("no", "", "unanswerable"),
        labelled("what", "a", "underspecified"),
    ]
    done: list[int] = []
    found = await retrieval(retriever, asked, done.append)
    took = found.pop("latency_ms")
    assert found == {
        "ndcg@5": round((1 + 1 / (1 + 1 / math.log2(3)) + 0) / 3, 4),
        "recall@5": round((1 + 0.5 + 0) / 3, 4),
        "recall@10": round((1 + 1 + 0) / 3, 4),
        "mrr": round((1 + 1 + 0) / 3, 4),
        "hit@1": round((1 + 1 + 0) / 3, 4),
        "n": 3,
    }
    assert set(took) == {"p50", "p95"} and 0 <= took["p50"] <= took["p95"]
    assert done == [1, 2, 3] and set(retriever.asked) == {"one", "two", "three"}


async def test_mrr_is_one_by_the_place_of_the_first_relevant_passage() -> None:
    found = await retrieval(
        Ranked({"one": "bcda", "two": ""}), [labelled("one", "ad"), labelled("two", "a")], lambda _: None
    )
    assert (found["mrr"], found["hit@1"], found["recall@5"]) == (round((1 / 3) / 2, 4), 0.0, 0.5)


async def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="no turn names a relevant passage"):
        await retrieval(Ranked({}), [labelled("no", "", "unanswerable")], lambda _: None)


async def test_evidence_needs_both_kinds_of_turns(passages: Path, turns: Path) -> None:
    chunks = read_passages(passages)
    every = read_turns(turns, {chunk.document for chunk in chunks})
    async with indexed(chunks, WordEmbedder(), lambda _: None) as index:
        retriever = Retriever(index, WordEmbedder())
        found = await evidence(retriever, every, lambda _: None)
        assert set(found) == {"auc", "n"} and found["n"] == 5 and 0 <= found["auc"] <= 1
        for some in (every[:3], every[3:5]):
            with pytest.raises(EvaluationError, match="turns that can be answered and turns that cannot"):
                await evidence(retriever, some, lambda _: None)


async def test_labels_change_what_is_counted_and_never_what_is_found(passages: Path, turns: Path) -> None:
    chunks = read_passages(passages)
    every = read_turns(turns, {chunk.document for chunk in chunks})
    turned = [LabelledTurn(each.turn, frozenset({"leave"}), "answerable") for each in every]
    async with indexed(chunks, WordEmbedder(), lambda _: None) as index:
        retriever = Retriever(index, WordEmbedder())
        right = await retrieval(retriever, every, lambda _: None)
        wrong = await retrieval(retriever, turned, lambda _: None)
    assert right["hit@1"] == 1.0 and right["n"] == 3 and wrong["n"] == 6 and wrong["hit@1"] < 0.5


def test_passages_and_turns_are_read_as_they_stand(passages: Path, turns: Path) -> None:
    chunks = read_passages(passages)
    assert [(chunk.document, chunk.title, chunk.text) for chunk in chunks] == [
        (row["id"], row.get("title") or "", row["text"]) for row in PASSAGES
    ]
    assert len({chunk.id for chunk in chunks}) == 4
    every = read_turns(turns, {chunk.document for chunk in chunks})
    assert [each.answerability for each in every] == [
        "answerable", "partial", "answerable", "unanswerable", "unanswerable", "underspecified",
    ]  # fmt: skip
    assert every[1].turn.history == (
        Message("user", "what is the cap for a hotel"),
        Message("assistant", "It depends."),
    )
    assert every[2].relevant == {"coffee", "badge"} and every[0].turn.collections == {evaluate.COLLECTION}


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"id": "a", "text": "one"}\r\n\r\n{"id": "b", "text": "two"}\r\n')
    assert [chunk.text for chunk in read_passages(path)] == ["one", "two"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "holds no passages"),
        ("{", "p.jsonl:1: this line is not JSON"),
        ('{"id": "a", "text": "x"}\n\n[1]', "p.jsonl:3: this line is not a JSON object"),
        ('{"id": "a"}', "p.jsonl:1: a passage has an id and a text"),
        ('{"id": 1, "text": "x"}', "p.jsonl:1: a passage has an id and a text"),
        ('{"id": "a", "text": " "}', "p.jsonl:1: a passage has an id and a text"),
        ('{"id": "a", "text": "x", "title": 3}', "p.jsonl:1: a passage has"),
        ('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}', "p.jsonl:2: there is a second passage of the id 'a'"),
    ],
)
def test_a_bad_file_of_passages_is_named_with_its_line(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(lines)
    with pytest.raises(EvaluationError, match=message):
        read_passages(path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "holds no turns"),
        ("nonsense", "t.jsonl:1: this line is not JSON"),
        ("{}", "t.jsonl:1: a turn has turn, history .*'turn' is wrong or missing"),
        ('{"turn": 3}', "t.jsonl:1: a turn has .* all of them strings"),
        ('{"turn": "x", "history": [{"role": "user"}]}', "t.jsonl:1: .*'content' is wrong or missing"),
        ('{"turn": "x", "history": ["hello"]}', "t.jsonl:1: a turn has"),
        ('{"turn": "x", "history": 3}', "t.jsonl:1: a turn has"),
        ('{"turn": "x", "history": [{"role": "system", "content": "y"}]}', "a role being user or assistant"),
        ('{"turn": "x", "history": [{"role": "user", "content": null}]}', "all of them strings"),
        ('{"turn": "x", "relevant": "abc"}', "t.jsonl:1: a turn has"),
        ('{"turn": "x", "relevant": 7}', "t.jsonl:1: a turn has"),
        ('{"turn": "x", "relevant": ["b"]}', "t.jsonl:1: no passage has the id 'b'"),
        ('{"turn": "x", "answerability": "maybe"}', "t.jsonl:1: 'maybe' is no answerability"),
        ('{"turn": "x", "answerability": ["maybe"]}', "is no answerability"),
    ],
)
def test_a_bad_file_of_turns_is_named_with_its_line(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(lines)
    with pytest.raises(EvaluationError, match=message):
        read_turns(path, {"a"})


def test_what_is_no_file_of_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "bytes"):
        with pytest.raises(EvaluationError, match="cannot be read"):
            read_passages(path)


def test_the_commands_print_the_figures(tmp_path: Path, passages: Path, turns: Path) -> None:
    files = ("--passages", str(passages), "--turns", str(turns))
    done = run(tmp_path, "eval", "retrieval", *files, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["ndcg@5", "recall@5", "recall@10", "mrr", "hit@1", "n", "latency_ms"]
    assert set(found["latency_ms"]) == {"p50", "p95"} and found["n"] == 3 and found["hit@1"] == 1.0
    done = run(tmp_path, "eval", "evidence", *files, "--json")
    assert done.returncode == 0 and set(json.loads(done.stdout)) == {"auc", "n"}, done.stderr
    shown = run(tmp_path, "eval", "retrieval", *files).stdout
    assert all(name in shown for name in ("ndcg@5", "recall@10", "latency_ms p95"))


def test_a_bad_file_ends_the_command_with_2(tmp_path: Path, passages: Path) -> None:
    done = run(tmp_path, "eval", "evidence", "--passages", str(passages), "--turns", str(tmp_path / "none.jsonl"))
    assert done.returncode == 2 and "none.jsonl cannot be read" in done.stderr and "Traceback" not in done.stderr
