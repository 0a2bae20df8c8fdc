"""Facts compare across spellings and languages, and a restyled text is held to those of its draft."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.facts import Fact, compare, facts_in, same


def only(text: str) -> Fact:
    facts = facts_in(text)
    assert len(facts) == 1, facts
    return facts[0]


@pytest.mark.parametrize(
    "one, other",
    [
        ("£165", "165 GBP"),
        ("£165", "165 pounds"),
        ("1,200 days", "1.200 days"),
        ("12 %", "twelve per cent"),
        ("twelve", "12"),
        ("two weeks", "14 days"),
        ("vierzehn Tage", "two weeks"),
        ("1.500,50 €", "1,500.50 euros"),
        ("$1.65 billion", "1,650 million dollars"),
        ("2026-03-02", "2 March 2026"),
        ("2. März 2026", "March 2nd, 2026"),
        ("03/02/2026", "2 March 2026"),
        ("03/02/2026", "3 February 2026"),
        ("2 March", "2 March 2026"),
        ("3 p.m.", "15:00"),
        ("15 Uhr", "15:00"),
        ("montags", "Monday"),
        ("FH-123456", "FH 123456".replace(" ", "-")),
        ("48p", "£0.48"),
        ("https://www.fernhill.example/a/", "https://fernhill.example/a"),
    ],
)
def test_one_value_in_two_spellings(one: str, other: str) -> None:
    assert same(only(one), only(other))


@pytest.mark.parametrize(
    "one, other",
    [
        ("£165", "£185"),
        ("165 EUR", "165 GBP"),
        ("3 weeks", "3 days"),
        ("5 kg", "5 km"),
        ("2 March 2026", "2 March"),
        ("2 March 2026", "2 May 2026"),
        ("March 2026", "March 2025"),
        ("RL-207", "RL-310"),
        ("09:00", "21:00"),
        ("a@fernhill.example", "b@fernhill.example"),
        ("12 %", "12 days"),
    ],
)
def test_other_values_are_other_facts(one: str, other: str) -> None:
    assert not same(only(one), only(other))


def test_a_range_has_its_unit_at_both_ends() -> None:
    low, high = facts_in("It takes 5 to 10 working days.")
    assert low.readings == {("5", "day")} and high.readings == {("10", "day")}


def names(text: str, *, german: bool = False) -> list[str]:
    return [fact.text for fact in facts_in(text, german=german) if fact.kind == "name"]


def test_names_are_capitals_that_no_rule_of_spelling_asks_for() -> None:
    assert names("However, Ingrid Vale works in Port Linnet for IBM. She likes it.") == [
        "Ingrid Vale",
        "Port Linnet",
        "IBM",
    ]
    assert names("The cap applies. Trips are booked.") == []
    assert names("Der Antrag liegt im Büro von Frau Ingrid Vale.", german=True) == ["Frau Ingrid Vale"]


def test_may_is_a_month_only_where_it_must_be() -> None:
    assert [fact.kind for fact in facts_in("You may go in May 2026.")] == ["date"]


DRAFT = "The cap is £165 a night from 2 March 2026 in London [1]. Book through Satchel, travel@fernhill.example."


def test_a_faithful_restyling_changes_nothing() -> None:
    restyled = (
        "Good news: from 02.03.2026 a night in London may cost 165 GBP [1]! Use Satchel or travel@fernhill.example."
    )
    assert compare(DRAFT, restyled).none


def test_lost_and_invented_facts_are_named_as_written() -> None:
    changes = compare(
        DRAFT, "From 2 March 2026 a night in Paris may cost £180 [2]. Use Satchel, travel@fernhill.example."
    )
    assert changes.lost == ("£165", "London", "[1]")
    assert changes.invented == ("Paris", "£180", "[2]")


def test_a_code_and_an_address_must_survive() -> None:
    changes = compare("Send form FL-300 to https://fernhill.example/forms.", "Send the form to us.")
    assert changes.lost == ("FL-300", "https://fernhill.example/forms")


@given(st.text(max_size=80))
def test_any_text_says_what_it_says(text: str) -> None:
    assert compare(text, text).none
    for fact in facts_in(text):
        assert 0 <= fact.start < fact.end <= len(text) and same(fact, fact)
