"""What tells of a name in another's place: the words right beside it, and initials that are not its own."""

import pytest

from assistant.conversation.grounding_names import beside, misspelt
from assistant.conversation.grounding_signals import signals
from assistant.conversation.grounding_sources import Sources
from assistant.conversation.reading import read

COURTS = (
    "Small Claims court hears disputes about small amounts. An appeal goes to Superior judges in Elm Street. "
    "The clerk of Small Claims court answers letters."
)


def against(claim: str, *passages: str) -> float:
    return signals(claim, Sources(passages), range(len(passages))).values["beside_names"]


def test_a_word_that_stands_beside_another_name_alone_speaks_against_a_name() -> None:
    assert against("A dispute is heard by Superior court.", COURTS) > 0
    assert against("A dispute is heard by Small Claims court.", COURTS) == 0


def test_a_word_that_no_name_stands_beside_says_nothing() -> None:
    assert against("A dispute goes before Superior quickly.", COURTS) == 0
    assert against("Superior", COURTS) == 0


def test_a_word_that_stands_beside_the_name_too_says_nothing() -> None:
    assert against("Ask the Lisbon office.", "The Porto office is shut. Lisbon opens at nine.") > 0
    assert against("Ask the Lisbon office.", "The Porto office is shut. The Lisbon office opens at nine.") == 0
    assert against("Ask the Lisbon office.", "The Porto office is shut. Write to office Lisbon.") > 0, "the other side"


def test_the_next_sentence_is_not_beside() -> None:
    text = "The Porto office is shut. We are in Lisbon at nine."
    assert against("We meet in Lisbon office hours.", text) > 0
    assert against("We meet in Lisbon. Office hours are posted.", text) == 0


def test_a_name_that_stands_nowhere_has_no_neighbours() -> None:
    sources, claim = Sources([COURTS]), read("It is heard by Cedar court.")
    fact, at = claim.facts[0]
    assert beside(fact, at, claim, sources, [0], [], lambda one, other: False) == 0
    assert against("It is heard by Cedar court.", COURTS) == 0


def test_only_the_passages_that_are_asked_count() -> None:
    one, other = "Superior judges sit in Elm Street.", "The Small Claims court is open."
    assert against("Go to Superior court.", one, other) > 0
    claim = signals("Go to Superior court.", Sources([one, other]), [0])
    assert claim.values["beside_names"] == 0


SPELT = (
    "The California Air Resources Board (CARB) meets.",
    "It is listed at Philadelphia Stock Exchange (PHLX).",
    "The Philippine Amusement and Gaming Corporation (PAGCOR) pays.",
    "Every VPE (VPEs) counts.",
    "Ask (in writing) for it.",
)


@pytest.mark.parametrize("claim", SPELT)
def test_initials_of_the_words_before_them_are_right(claim: str) -> None:
    assert not misspelt(read(claim), [])


@pytest.mark.parametrize("claim", ["Work (CARB) meets.", "The Database Server (CIS) blocks traffic.", "(ABC) it is."])
def test_initials_of_other_words_are_seen(claim: str) -> None:
    assert misspelt(read(claim), [])
    assert signals(claim, Sources(["Nothing of it."]), [0]).values["initials_names"] == 1.0


def test_initials_that_the_passages_explain_no_better_are_left_alone() -> None:
    assert not misspelt(read("The helper (RX) is on duty."), [read("The helper (RX) starts at six.")])
    assert misspelt(read("The helper (RX) is on duty."), [read("The Radio Xylophone (RX) starts at six.")])
