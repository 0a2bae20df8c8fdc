"""Each claim of an answer is held against its passages: figures, names and negation for the same thing, in words."""

import json
import random
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from assistant.conversation.events import Mark
from assistant.conversation.grounding import check, marks, prepare
from assistant.conversation.grounding_checker import FOREIGN
from assistant.conversation.grounding_eval import GroundingFileError, measure, read_rows
from assistant.conversation.grounding_swaps import SWAPS, swapped
from assistant.knowledge.documents import Chunk, Passage
from assistant.knowledge.embedder import FastEmbedder
from tests.conftest import ROOT

ROWS = ROOT / "tests" / "data" / "grounding.jsonl"
HOTELS = """The cap is per room, per night, with breakfast and taxes included.

| Where | Cap per night |
|---|---|
| London | £165 |
| Elsewhere in the United Kingdom | £120 |
| Rest of Europe | £150 |

If nothing suitable is available under the cap, the travel desk may go up to 15% over it."""
CLAIMS = """Send the claim within 30 days of the end of the trip. Your manager approves within 5 working days.
We do not pay for fines or minibars. Questions go to Ingrid Vale in Finance."""


def passage(number: int, text: str, title: str) -> Passage:
    chunk = Chunk("demo", f"{title}.md", title, (), text, 0, len(text), 0, 1, "hash", modified=date(2026, 3, 2))
    return Passage(number, chunk, 1.0, 0.9)


PASSAGES = (passage(1, HOTELS, "Hotels"), passage(2, CLAIMS, "Claims"))


def mark(answer: str, embedder: FastEmbedder | None = None) -> Mark:
    found = marks(answer, PASSAGES, embedder.embed_now if embedder else None)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    "answer, passages",
    [
        ("The cap in London is **£165** per night [1].", (1,)),
        ("Elsewhere in the United Kingdom the cap is 120 GBP per night.", (1,)),
        ("The travel desk may go up to fifteen percent over the cap [1].", (1,)),
        ("Claims must be sent within thirty days of the end of the trip [2].", (2,)),
        ("Fines and minibars are not paid [2].", (2,)),
        ("Send the claim within 30 days of the end of the trip.", (2,)),
    ],
)
def test_what_stands_there_is_supported(answer: str, passages: tuple[int, ...], embedder: FastEmbedder) -> None:
    found = mark(answer, embedder)
    assert (found.state, found.why) == ("supported", "") and found.passages[:1] == passages


@pytest.mark.parametrize(
    "answer, why",
    [
        ("The cap in London is £180 per night [1].", "£180 does not stand in [1]"),
        ("Claims must be sent within 45 days of the end of the trip [2].", "45 days does not stand in [2]"),
        ("Claims must be sent within 30 weeks of the end of the trip [2].", "30 weeks does not stand in [2]"),
        ("Questions go to Martha Kern in Finance [2].", "“Martha Kern” does not stand in [2]"),
        ("We do pay for fines or minibars [2].", "says the opposite of [2]: “We do not pay for fines or minibars.”"),
        ("Your manager does not approve within 5 working days [2].", "says the opposite of [2]"),
        ("Whales sing songs that change slowly from year to year.", "nothing like it in the sources"),
    ],
)
def test_what_does_not_is_unsupported_and_says_why(answer: str, why: str, embedder: FastEmbedder) -> None:
    found = mark(answer, embedder)
    assert found.state == "unsupported" and why in found.why


def test_a_figure_that_stands_there_for_something_else_is_no_support() -> None:
    found = mark("The cap in London is £120 per night [1].")
    assert found.state == "unsupported" and found.why == "£120 stands in [1] for something else; here it says £165"


def test_a_claim_that_another_passage_bears_out_says_which() -> None:
    found = mark("Send the claim within 30 days of the end of the trip [1].")
    assert (found.state, found.why, found.passages) == ("partly", "not in [1]; it stands in [2]", (2,))


def test_only_the_figures_of_another_language_are_compared() -> None:
    assert mark("Die Obergrenze für ein Zimmer in London ist 165 £ und gilt pro Nacht.").why == FOREIGN
    assert mark("Die Obergrenze für ein Zimmer in London ist 199 £ und gilt pro Nacht.").state == "unsupported"


def test_marks_have_the_places_of_claims_and_small_talk_has_none() -> None:
    answer = "Hello! The cap in London is £165 per night [1].\n\n- Fines are paid [2].\n\nAnything else?"
    prepare(PASSAGES)
    checked = check(answer, PASSAGES, "supported")
    assert [(answer[each.start : each.end], each.state) for each in checked.marks] == [
        ("The cap in London is £165 per night [1].", "supported"),
        ("Fines are paid [2].", "unsupported"),
    ]
    assert checked.cited == (1, 2) and checked.invented == ()


def test_the_title_and_the_date_of_a_passage_are_part_of_it() -> None:
    assert mark("The page on hotels is of 2 March 2026 and says that the cap is per room [1].").state != "unsupported"
    older = replace(PASSAGES[0], chunk=replace(PASSAGES[0].chunk, modified=date(2024, 1, 5)))
    assert marks("The page on hotels is of 2 March 2026 [1].", [older])[0].state == "unsupported"


def test_without_passages_nothing_is_marked_and_numbers_are_invented() -> None:
    checked = check("The cap is £165 [3].", (), None)
    assert checked.marks == () and checked.invented == (3,)


def test_the_hand_written_rows(embedder: FastEmbedder) -> None:
    """Sentences over the demo documents, English and German; the check learnt from them, so this guards what it can."""
    found = measure(read_rows(ROWS), embedder.embed_now)
    caught = found["caught"]
    assert min(caught["number"], caught["date"], caught["name"]) >= 0.9 and caught["negation"] >= 0.75
    assert found["flagged_true"] <= 0.1 and found["n"] == {"true": 73, "unsupported": 88}
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p95"]


def test_each_kind_of_fact_is_exchanged_for_another_one() -> None:
    text = "It closed on 4 May 2019, and Ingrid Vale sold 12 tents. Martha Kern bought 15."
    made = {kind: swapped(text.split(". ")[0] + ".", kind, text, ["Kelsby Hall"], random.Random(1)) for kind in SWAPS}
    assert made["negation"] is None
    assert all(made[kind] not in (None, text) for kind in ("number", "date", "name"))
    assert swapped("Fuel cannot be sent.", "negation", "", [], random.Random(1)) == "Fuel can be sent."


@pytest.mark.parametrize(
    "line, said",
    [
        ("{", "is wrong or missing"),
        (json.dumps({"id": "a", "passages": [], "sentences": [{"text": "x"}]}), "'supported' is wrong or missing"),
        (
            json.dumps({"passages": [], "sentences": [{"text": "x", "cites": ["b"], "supported": True}]}),
            "'b' is wrong or missing",
        ),
        ("", "holds no rows"),
    ],
)
def test_a_bad_file_is_named_with_its_line(line: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(GroundingFileError, match=said) as raised:
        read_rows(file)
    assert str(file) in str(raised.value)
