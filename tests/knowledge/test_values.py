"""What counts as a value of a sentence, in every spelling, and what is only a number."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.knowledge.values import agree, values_in


@pytest.mark.parametrize(
    ("sentence", "values"),
    [
        ("You have 5 days.", {"day": "5"}),
        ("You have five days.", {"day": "5"}),
        ("within 30 working days", {"day": "30"}),
        ("a 14-day trial", {"day": "14"}),
        ("ten to fifteen days", {"day": "10 15"}),
        ("5–10 working days", {"day": "5 10"}),
        ("between 5 and 10 days", {"day": "5 10"}),
        ("5 days and 10 hours", {"day": "5", "hour": "10"}),
        ("12 sick days a year", {"day": "12"}),
        ("4 hours per pay period", {"hour": "4"}),
        ("3 vaccines", {"vaccine": "3"}),
        ("2,080 hours", {"hour": "2080"}),
        ("1.5 days", {"day": "1.5"}),
        ("twenty people", {"people": "20"}),
        ("90% of it, or 90 percent", {"%": "90"}),
        ("7.5 per cent", {"%": "7.5"}),
        ("$1,200", {"usd": "1200"}),
        ("1200 dollars", {"usd": "1200"}),
        ("USD 1,200.00", {"usd": "1200"}),
        ("$1.2k and $1.2 million", {"usd": "1200 1200000"}),
        ("165 €", {"eur": "165"}),
        ("1.200 € or 1.200,50 €", {"eur": "1200 1200.5"}),
        ("€1,200.50", {"eur": "1200.5"}),
        ("12,50 EUR", {"eur": "12.5"}),
        ("£165 a night", {"gbp": "165"}),
        ("by 5 p.m.", {"time": "17:00"}),
        ("at 17:00", {"time": "17:00"}),
        ("5 pm, 5PM", {"time": "17:00"}),
        ("12 a.m. to 12 p.m.", {"time": "0:00 12:00"}),
        ("at noon", {"time": "12:00"}),
        ("9:30", {"time": "9:30 21:30"}),
        ("09:30", {"time": "9:30"}),
        ("on 1 March", {"date": "3-1"}),
        ("on March 1st, 2025", {"date": "3-1-2025"}),
        ("on the 1st of March 2025", {"date": "3-1-2025"}),
        ("2025-03-01", {"date": "3-1-2025"}),
        ("am 01.03.2025", {"date": "3-1-2025"}),
        ("30 Sept. 2025", {"date": "9-30-2025"}),
    ],
)
def test_values_are_read_in_every_spelling(sentence: str, values: Mapping[str, str]) -> None:
    assert values_in(sentence)[0] == {kind: frozenset(given.split()) for kind, given in values.items()}


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "Use version 3.11 of it.",
        "Use Python 3.11 and TLS 1.2.",
        "v2.4.1 is out",
        "Step 3 explains it; see section 4 and page 12.",
        "3. Send the form",
        "3) Send the form",
        "GS-14 employees",
        "Call 202-555-0100 today, or 202 555 0100 Monday.",
        "+44 20 7946 0958",
        "In 2024 employees moved.",
        "the 2nd floor",
        "form SF-86 and room 402 upstairs",
        "ticket #4411 closed",
        "a ratio of 16:90",
        "the ISO 27001 certificate",
        "10.0.0.1 answers",
        "FY 26 budget",
        "You may 5",
    ],
)
def test_other_numbers_state_nothing(sentence: str) -> None:
    found, _ = values_in(sentence)
    assert found == {} or set(found) <= {"certificate"}, found


@given(st.text(alphabet="0123456789 .,:-–/$€£%apm.\nadys JanMarch", max_size=60))
def test_no_text_stops_the_reader_of_values(text: str) -> None:
    found, rest = values_in(text)
    assert all(values for values in found.values()) and isinstance(rest, str)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("3-1", "3-1-2025", True), ("3-1-2024", "3-1-2025", False), ("3-1", "3-10-2025", False), ("3-1", "3-1", True)],
)
def test_a_date_without_a_year_is_that_day_of_any_year(one: str, other: str, same: bool) -> None:
    assert agree("date", frozenset({one}), frozenset({other})) == same
    assert agree("date", frozenset({other}), frozenset({one})) == same
