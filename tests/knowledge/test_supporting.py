"""What of a passage is marked for the sentences that rest on it: what supports them, and no more."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from assistant.knowledge.supporting import Highlight, resting, support, supporting
from tests.conftest import ROOT

HOTELS = """## Hotels

The cap is per room, per night, with breakfast and taxes included. Ask Ingrid Vale about exceptions.

| Where | Cap per night |
|---|---|
| London | £165 |
| Rest of Europe | £150 |

- Managers approve claims within 5 working days.
- Parking is paid at actual cost."""


def strong(text: str, found: tuple[Highlight, ...]) -> list[str]:
    return [text[each.start : each.end] for each in found if each.strong]


def around(text: str, found: tuple[Highlight, ...]) -> str:
    return "".join(text[each.start : each.end] for each in found)


@pytest.mark.parametrize(
    ("said", "words", "within"),
    [
        ("In London the cap is £165 a night.", ["London", "£165"], "| £165"),
        (
            "Your manager's approval takes five working days.",
            ["Managers", "approve", "5 working days"],
            "claims within",
        ),
        ("Breakfasts are included; so are taxes.", ["breakfast", "taxes", "included"], "The cap is per room"),
        ("INGRID VALE decides about an exception.", ["Ingrid Vale", "exceptions"], "Ask"),
        ("Das Limit für London beträgt 165 GBP.", ["London", "£165"], ""),
    ],
)
def test_the_sentence_is_shown_and_the_shared_words_stand_out(said: str, words: list[str], within: str) -> None:
    found = support(HOTELS, [said])
    for word in words:
        assert any(word in each for each in strong(HOTELS, found)), (word, strong(HOTELS, found))
    assert within in around(HOTELS, found)
    assert "Parking" not in around(HOTELS, found)


def test_what_has_nothing_to_do_with_the_passage_marks_nothing() -> None:
    assert support(HOTELS, ["Cats sleep for most of the afternoon."]) == ()
    assert support("", ["Anything at all is said here."]) == ()
    assert support(HOTELS, [""]) == ()


def test_a_heading_and_the_marks_of_a_list_or_table_are_not_marked() -> None:
    found = support(HOTELS, ["Hotels: parking is paid at actual cost."])
    assert "Hotels" not in around(HOTELS, found)
    assert around(HOTELS, found) == "Parking is paid at actual cost."


@pytest.mark.parametrize("said", ["You have twenty-five days.", "It is 25 days.", "The leave: 25.0 days a year."])
def test_numbers_are_found_in_other_forms(said: str) -> None:
    text = "Every employee has 25 days of leave. Nobody has to ask. Public holidays come on top."
    found = support(text, [said])
    assert any("25 days" in each for each in strong(text, found)) and "Nobody" not in around(text, found)
    text = text.replace("25", "twenty-five")
    assert any("twenty-five days" in each for each in strong(text, support(text, [said])))


def turn(answer: str, text: str, marks: list[dict[str, Any]] | None = None, query: str = "the cap") -> dict[str, Any]:
    found = {"number": 1, "text": text}
    checked = {"marks": marks or []}
    return {"id": "t", "answer": answer, "retrieved": {"query": query, "passages": [found]}, "checked": checked}


def mark(answer: str, claim: str, state: str, *numbers: int) -> dict[str, Any]:
    start = answer.index(claim)
    return {"start": start, "end": start + len(claim), "state": state, "why": "", "passages": list(numbers)}


def test_the_sentences_that_rest_on_a_passage_know_their_links() -> None:
    answer = "London has a cap of £165 [1]. Parking is paid [2]. Use `a[1]` here. Breakfast is included [1][2]."
    found = resting(turn(answer, HOTELS), 1)
    assert [(each.text, each.nth) for each in found] == [
        ("London has a cap of £165.", 0),
        ("Breakfast is included.", 1),
    ]
    assert [answer[each.start : each.end] for each in found] == [
        "London has a cap of £165 [1].",
        "Breakfast is included [1][2].",
    ]


def test_a_sentence_without_a_citation_rests_on_what_the_check_found() -> None:
    answer = "London has a cap of £165. Parking is free."
    marks = [
        mark(answer, "London has a cap of £165.", "supported", 1),
        mark(answer, "Parking is free.", "unsupported", 1),
    ]
    found = resting(turn(answer, HOTELS, marks), 1)
    assert [(each.state, each.nth) for each in found] == [("supported", None), ("unsupported", None)]
    shown = supporting(turn(answer, HOTELS, marks), 1)
    assert "£165" in strong(HOTELS, shown) and "Parking" not in "".join(strong(HOTELS, shown))
    assert "Parking is paid at actual cost." in around(HOTELS, shown)


def test_of_a_passage_that_nothing_rests_on_the_words_of_the_question_are_marked() -> None:
    shown = supporting(turn("I cannot say.", HOTELS, query="What does parking cost?"), 1)
    assert strong(HOTELS, shown) == ["Parking", "cost"]


def test_a_turn_without_a_check_or_an_answer_is_read_too() -> None:
    bare = {**turn("", HOTELS), "checked": None}
    assert resting(bare, 1) == ()
    assert strong(HOTELS, supporting(bare, 1))


@given(
    text=some.text(alphabet="aß İ1.5\n|*-#£🙂א,", max_size=200),
    said=some.lists(some.text(alphabet="aß İ1.5£🙂א ,", max_size=60), max_size=3),
)
def test_ranges_are_disjoint_in_order_and_within_the_text(text: str, said: list[str]) -> None:
    at = 0
    for each in support(text, [*said, text], said):
        assert at <= each.start < each.end <= len(text)
        at = each.end


def rows() -> list[tuple[str, list[str]]]:
    lines = (ROOT / "tests" / "data" / "grounding.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [
        (each["text"], [passage["text"] for passage in row["passages"]])
        for row in found
        for each in row["sentences"]
        if each["supported"]
    ]


def test_true_sentences_have_their_support_shown_and_little_else() -> None:
    """On sentences written for the check of answers: most are supported by a small part of their best passage."""
    shown, parts = 0, []
    for said, passages in rows():
        text, found = max(
            ((text, support(text, [said])) for text in passages),
            key=lambda pair: sum(each.end - each.start for each in pair[1] if each.strong),
        )
        shown += bool(found)
        parts.append(sum(each.end - each.start for each in found) / len(text))
    assert shown / len(parts) > 0.95
    assert sum(parts) / len(parts) < 0.3


def test_no_length_of_text_takes_long() -> None:
    """Only a growth in the square of the length could break this."""
    text = "The cap of room 25 is £165 a night in London. " * 400
    began = time.perf_counter()
    assert support(text, [text[:2000], "The cap is £165."])
    assert time.perf_counter() - began < 20
