"""Which passages state different values for the same thing, and which only look as if they did."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.knowledge.disagreement import newer_leads
from assistant.knowledge.documents import Chunk

LEAVE = "how many days of annual leave do employees get?"
HOTEL = "what is the cap for a hotel in London?"
CARRY = "how many days of leave can I carry over?"


def chunk(text: str, year: int | None = 2024, document: str = "", title: str = "Handbook", *section: str) -> Chunk:
    document = document or f"{year}.md"
    modified = date(year, 1, 1) if year else None
    return Chunk("c", document, title, section, text, 0, len(text), 0, 1, document, modified=modified)


def marked(old: str, new: str, asked: str) -> bool:
    order, older = newer_leads([chunk(old, 2023), chunk(new, 2025)], asked)
    assert order == ([1, 0] if older else [0, 1]) and older in ({}, {0: 1})
    return bool(older)


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        ("Employees get 25 days of annual leave.", "Employees get 28 days of annual leave.", LEAVE),
        ("Employees get 25 days of annual leave.", "Annual leave is 28 days a year.", LEAVE),
        ("Staff get 25 days of annual leave.", "Employees have thirty days of annual leave a year.", LEAVE),
        ("You may carry over five days of leave.", "From next year on you may carry over 8 days of leave.", CARRY),
        ("Staff can carry over 5 days of leave.", "Employees may carry over up to 8 days of leave.", CARRY),
        ("The cap for a hotel in London is £150.", "The cap for a hotel in London is £165.", HOTEL),
        ("The hotel cap is $150 per night.", "The hotel cap is 165 dollars per night.", "what is the hotel cap?"),
        ("Invoices are paid within 30 days.", "Invoices are paid within 45 days.", "when are invoices paid?"),
        ("Passwords expire after 90 days.", "Passwords expire after 180 days.", "how long until passwords expire"),
        ("The service desk closes at 5 p.m.", "The service desk closes at 18:30.", "when does the service desk close"),
        ("Open enrolment ends on 10 December.", "Open enrolment ends on December 15.", "when does open enrolment end"),
        ("Enrolment ends 12 May 2024.", "Enrolment ends 12 May 2025.", "when does enrolment end?"),
        ("We match 4% of your pension.", "We match 6 percent of your pension.", "how much pension do you match"),
        ("Receipts are due above $25.", "Receipts are due above $75.", "from what amount are receipts due?"),
        (
            "Requests for leave must be sent\nto your manager 5 days before.",
            "Requests for leave must be sent to\nyour manager 10 days before.",
            "when must I send a request for leave to my manager",
        ),
        ("You have 5 days for it. Leave is 25 days.", "Leave is 28 days. You have 5 days for it.", "how long is leave"),
        (
            "- The deposit is 200 euros.\n- Keys: ask Jo.",
            "* The deposit is €350.\n* Bring an ID.",
            "how much is the deposit?",
        ),
    ],
)
def test_different_values_for_the_same_thing(old: str, new: str, asked: str) -> None:
    assert marked(old, new, asked)


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        # the same value in another spelling
        ("You may carry over five days of leave.", "You may carry over 5 days of leave.", CARRY),
        ("The service desk closes at 5 p.m.", "The service desk closes at 17:00.", "when does the service desk close"),
        ("The desk opens at 12:00.", "The desk opens at noon.", "when does the desk open"),
        ("The yearly budget is $1,200.", "The yearly budget is 1200 dollars.", "what is the yearly budget"),
        ("The yearly budget is $1.2k.", "The yearly budget is USD 1,200.00.", "what is the yearly budget"),
        ("We match 4% of your pension.", "We match 4 per cent of your pension.", "how much pension do you match"),
        ("Enrolment ends on March 1.", "Enrolment ends on 2025-03-01.", "when does enrolment end?"),
        ("Replies take 5-10 days.", "Replies take five to ten days.", "how long do replies take"),
        ("Replies take 5-10 days.", "Replies take 10 days.", "how long do replies take"),
        # other things
        (
            "Full-time employees get 26 days of leave.",
            "Part-time employees get 13 days of leave.",
            "how many days of leave do employees get",
        ),
        (
            "Employees get 26 days of leave.",
            "Part-time employees get 13 days of leave.",
            "how many days of leave do employees get",
        ),
        ("Sick leave is 10 days a year.", "Annual leave is 26 days a year.", "how many days of leave do I get a year"),
        (
            "The hotel cap in Paris is £150 a night.",
            "The hotel cap in London is £165 a night.",
            "what is the hotel cap a night",
        ),
        ("The hotel cap in Paris is £150 a night.", "The hotel cap in London is £165 a night.", HOTEL),
        ("The cap for a hotel is £150.", "The cap for a meal is £40.", HOTEL),
        ("Leave for contractors is 5 days.", "Leave for employees is 26 days.", "how many days of leave are there"),
        ("Leave for nurses is 30 days.", "Leave for pilots is 26 days.", "how many days of leave are there"),
        (
            "Shipping within Europe takes 3 days.",
            "Shipping within Asia takes 9 days.",
            "how many days does shipping take",
        ),
        ("The minimum deposit is $50.", "The maximum deposit is $500.", "what is the deposit"),
        (
            "Earn 4 hours of sick leave every pay period.",
            "6 hours per pay period for 3 to 15 years of service.",
            "my contract ends in a year, how many hours of sick leave will I earn",
        ),
        ("Standard delivery takes 5 days.", "Express delivery takes 1 day.", "how long does delivery take"),
        (
            "Review by GSA takes 5 business days.",
            "Review by OMB takes 7 business days.",
            "how many business days does review take",
        ),
        ("Breakfast is served from 7 a.m.", "Dinner is served from 7 p.m.", "when is food served"),
        ("Submit the report within 5 days.", "Keep the receipt for 90 days.", "how many days for the report?"),
        ("The trial lasts 14 days.", "Refunds take 30 days.", "how many days does the trial last and what of refunds?"),
        # numbers that state nothing
        (
            "Install version 3.1 of the client.",
            "Install version 3.2 of the client.",
            "which version of the client should I install",
        ),
        ("Step 3: send the travel form.", "Step 4: send the travel form.", "when do I send the travel form"),
        ("3. Send the travel form.", "4. Send the travel form.", "when do I send the travel form"),
        ("Call the help desk: 202-555-0100.", "Call the help desk: 202-555-0199.", "how do I call the help desk"),
        (
            "In 2023 the office moved to the river.",
            "In 2024 the office moved to the river.",
            "where did the office move",
        ),
        ("See page 12 of the travel guide.", "See page 40 of the travel guide.", "where in the travel guide is it"),
        # an old and a new value in the newer one, or a list
        (
            "The hotel cap is £150.",
            "The hotel cap was £150 until May; now the hotel cap is £165.",
            "what is the hotel cap?",
        ),
        (
            "The hotel cap is £150.",
            "The hotel cap is £165. In old contracts the hotel cap is £150.",
            "what is the hotel cap?",
        ),
        ("The hotel cap is £150.", "The hotel cap is £100, £120, £140 or £190.", "what is the hotel cap?"),
        # of different units
        ("The trial lasts 14 days.", "The trial lasts two weeks.", "how long does the trial last"),
        # not what was asked
        ("Passwords expire after 90 days.", "Passwords expire after 180 days.", "where is the canteen?"),
        ("", "", "anything"),
    ],
)
def test_what_is_no_disagreement(old: str, new: str, asked: str) -> None:
    assert not marked(old, new, asked)


OLD, NEW = "Up to £150 a night.", "Up to £165 a night."


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (("Travel policy 2023", "Hotel caps"), ("Travel policy 2025", "Hotel caps"), True),
        (("Travel", "Hotel caps"), ("Travel", "Hotel caps"), True),
        (("Travel in Germany", "Hotel caps"), ("Travel in France", "Hotel caps"), False),
        (("Travel", "Hotel caps", "Domestic"), ("Travel", "Hotel caps", "Abroad"), False),
        (("Travel", "Hotel caps"), ("Travel", "Car caps"), False),
    ],
)
def test_headings_say_what_a_sentence_is_about(old: tuple[str, ...], new: tuple[str, ...], found: bool) -> None:
    chunks = [chunk(OLD, 2023, "old", *old), chunk(NEW, 2025, "new", *new)]
    assert bool(newer_leads(chunks, "what is the cap for a hotel?")[1]) == found


def test_headings_within_a_passage_count_for_what_follows_them() -> None:
    old = chunk(f"# Hotel caps\n\n{OLD}\n\n# Car caps\n\nUp to £60 a day.", 2023, "old")
    new = chunk(f"# Car caps\n\nUp to £60 a day.\n\n# Hotel caps\n\n{NEW}", 2025, "new")
    assert newer_leads([old, new], "what is the cap for a hotel?")[1] == {0: 1}
    assert newer_leads([old, new], "what is the cap for a car?")[1] == {}


def test_rows_of_a_table_are_compared_by_their_names() -> None:
    def table(london: int, paris: int) -> str:
        return f"| City | Cap |\n|---|---|\n| London | £{london} |\n| Paris | £{paris} |\n"

    old = chunk(table(150, 140), 2023, "old", "Travel", "Hotel caps")
    for new, asked, found in ((table(165, 140), HOTEL, True), (table(150, 165), HOTEL, False)):
        assert bool(newer_leads([old, chunk(new, 2025, "new", "Travel", "Hotel caps")], asked)[1]) == found


@pytest.mark.parametrize(("first", "second"), [(None, 2025), (2025, None), (None, None), (2025, 2025)])
def test_without_two_different_dates_nothing_is_older(first: int | None, second: int | None) -> None:
    chunks = [chunk("The hotel cap is £150.", first, "a"), chunk("The hotel cap is £165.", second, "b")]
    assert newer_leads(chunks, "what is the hotel cap?") == ([0, 1], {})


def test_a_document_does_not_disagree_with_itself() -> None:
    old = chunk("The hotel cap is £150.", 2023, "a")
    new = replace(old, text="The hotel cap is £165.", modified=date(2025, 1, 1), position=1)
    assert newer_leads([old, new], "what is the hotel cap?")[1] == {}
    assert newer_leads([old, replace(new, source="other")], "what is the hotel cap?")[1] == {0: 1}


def test_of_three_the_newest_leads_and_each_older_one_names_it() -> None:
    texts = {2023: "The hotel cap is £150.", 2025: "The hotel cap is £175.", 2024: "The hotel cap is £165."}
    chunks = [chunk(text, year) for year, text in texts.items()]
    order, older = newer_leads(chunks, "what is the hotel cap?")
    assert order[0] == 1 and sorted(order) == [0, 1, 2] and older == {0: 1, 2: 1}


def test_what_disagrees_with_nothing_keeps_its_place() -> None:
    other = chunk("The pool opens in May.", 2022, "pool")
    old, new = chunk("The hotel cap is £150.", 2023), chunk("The hotel cap is £165.", 2025)
    asked = "what is the hotel cap?"
    assert newer_leads([other, old, new], asked) == ([0, 2, 1], {1: 2})
    assert newer_leads([old, other, new], asked) == ([2, 0, 1], {0: 2})
    assert newer_leads([new, other, old], asked) == ([0, 1, 2], {2: 0})


@given(
    st.lists(
        st.builds(
            chunk,
            st.sampled_from([f"The hotel cap is £{n}." for n in (150, 165, 180)] + ["The pool opens at 9 a.m.", ""]),
            st.sampled_from([None, 2022, 2023, 2024, 2025]),
            st.sampled_from("abcdef"),
        ),
        max_size=7,
    )
)
def test_the_order_holds_every_passage_once_and_the_newer_before_the_older(chunks: list[Chunk]) -> None:
    order, older = newer_leads(chunks, "what is the hotel cap?")
    assert sorted(order) == list(range(len(chunks)))
    for old, new in older.items():
        before, after = chunks[old].modified, chunks[new].modified
        assert before is not None and after is not None and before < after
        assert order.index(new) < order.index(old)


def test_the_length_of_a_passage_costs_no_more_than_its_square() -> None:
    long = "\n\n".join(f"Rule {n}: the hotel cap number {'x' * (n % 7 + 3)} is £{n + 100}." for n in range(60))
    order, _ = newer_leads([chunk(long, 2023), chunk(long.replace("£1", "£9"), 2025)], "what is the hotel cap?")
    assert sorted(order) == [0, 1]


@pytest.mark.parametrize(
    ("older", "newer", "asked", "differ"),
    [
        ("| London | £135 |\n| Paris | £120 |", "| London | £165 |\n| Paris | £120 |", "hotel cap in London?", True),
        ("| London | £135 |\n| Paris | £120 |", "| London | £165 |\n| Paris | £120 |", "hotel cap in Paris?", False),
        ("| London | £135 |", "| London | £165 |", "what may lunch cost in London?", False),
        ("| London | £165 |", "| London | £165 |", "hotel cap in London?", False),
    ],
)
def test_rows_of_two_tables_under_what_is_asked_disagree(older: str, newer: str, asked: str, differ: bool) -> None:
    head = "| Where | Price |\n| --- | --- |\n"

    def table(name: str, rows: str, day: date) -> Chunk:
        text = head + rows
        return Chunk("a", name, name, ("Hotels",), text, 0, len(text), 0, 1, "h", modified=day)

    chunks = [table("Allowances 2024", older, date(2024, 1, 8)), table("Travel", newer, date(2026, 3, 2))]
    order, marked = newer_leads(chunks, asked)
    assert (order, marked) == (([1, 0], {0: 1}) if differ else ([0, 1], {}))


OLD_RATES = "| Vehicle | Pence |\n|---|---|\n| Car or van, up to 8,000 miles | 42 |"
NEW_RATES = "| Vehicle | Rate |\n|---|---|\n| Car, first 8,000 miles in the tax year | 48p |"


@pytest.mark.parametrize(
    ("old", "new", "near", "first"),
    [
        (("Mileage for private vehicles",), ("What we pay", "Mileage"), (0.59, 0.55), 1),
        (("Mileage for private vehicles",), ("What we pay", "Mileage"), (0.80, 0.55), 0),
        (("Mileage for private vehicles",), ("What we pay", "Trains"), (0.59, 0.55), 0),
        (("Vehicles",), ("Vehicles",), (0.59, 0.55), 0),
        ((), ("Mileage",), (0.59, 0.55), 0),
    ],
)
def test_of_two_sections_under_what_is_asked_the_newer_goes_first_and_nothing_is_said_of_the_older(
    old: tuple[str, ...], new: tuple[str, ...], near: tuple[float, float], first: int
) -> None:
    chunks = [chunk(OLD_RATES, 2024, "2024", "Allowances", *old), chunk(NEW_RATES, 2026, "now", "Travel", *new)]
    order, older = newer_leads(chunks, "mileage for my car", near)
    assert (order[0], older) == (first, {})
    assert newer_leads(chunks, "mileage for my car") == ([0, 1], {})


def test_a_section_that_is_hardly_newer_or_gives_no_figures_stays_where_it_is() -> None:
    old = chunk(OLD_RATES, 2024, "2024", "Allowances", "Mileage")
    new = chunk(NEW_RATES, 2026, "now", "Travel", "Mileage")
    assert newer_leads([old, new], "mileage?", (0.5, 0.5))[0] == [1, 0]
    assert newer_leads([old, replace(new, modified=date(2024, 3, 1))], "mileage?", (0.5, 0.5))[0] == [0, 1]
    assert newer_leads([old, replace(new, text="Ask the travel desk.")], "mileage?", (0.5, 0.5))[0] == [0, 1]
