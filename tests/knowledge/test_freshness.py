"""Which turns ask for the present state, and how that puts newer documents first."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.knowledge.documents import Chunk
from assistant.knowledge.freshness import BOOST, HALF_LIFE_DAYS, asks_for_present, newer_first
from assistant.knowledge.store import Hit

YES = """
what is the latest travel policy?
What's the newest version of the client?
which is the most recent release
what is the current hotel cap?
who is the current director of the Berlin office?
who currently leads the design team?
Are the rules of 2019 up to date?
how many people work here as of today
what can I expense right now?
what do you pay nowadays
is there a hiring freeze at the moment?
what's on today's menu
which holidays do we have this year?
how many days do I get this year
this week's opening hours please
is the 2021 guidance still valid?
does the old cap still apply?
is a badge still required
any news on the office move?
any updates?
what's new in the handbook
has the leave policy changed recently?
what changed since last autumn — anything changed lately?
what are the new rules for travel
how much is the hotel cap now?
what is the exchange rate today?
do I currently need a visa?
I moved to Berlin. What is the current tax rate?
I want the latest prices.
Was ist die aktuelle Reisekostenregelung?
wie hoch ist der Satz derzeit?
Welche Feiertage gibt es dieses Jahr?
Ist die Richtlinie von 2020 noch gültig?
Wo finde ich die neueste Fassung?
gilt die alte Grenze noch?
quel est le plafond actuel ?
la dernière version du règlement
quelles règles sont en vigueur ?
combien de jours cette année ?
¿cuál es la política actual?
¿cuál es la versión más reciente?
¿qué norma está vigente?
cuántos días tengo este año
""".strip().splitlines()

NO = """
how many days of leave do I get?
what is the hotel cap?
I am a current employee, how do I apply for another job?
who tells my current manager that I am leaving?
do current and former employees have access?
how do I open a current account
do I keep my current grade?
today I fell ill, what do I do?
I fell ill today. Whom do I tell?
what do I do now?
I currently work in Berlin and want to move to Paris. How?
I recently moved, where do I change my address?
we have recently hired a designer, which laptop does she get?
I'm stuck at the airport right now, whom do I call?
I already clicked one this year, do I get punished?
I clicked it today, second time this year. Is there more training?
my guy sits in Tokyo this year. which time slot have others used
what's the latest time I can hand in my trip?
send it by Friday at the latest
how do I keep my profile up to date?
what was the actual cost?
what actually counts as travel
what's new hire orientation
is it safe to touch the alternating current line
she is still waiting for her badge
what happened in a recent audit?
tell me about the history of the company
undercurrent
how do I become a new employee
who presented at the event
an update of my address
latestfoo and currentbar
wie viele Urlaubstage habe ich?
ich möchte meinen aktuellen Vorgesetzten nicht fragen, wie wechsle ich?
heute bin ich krank, was tun?
combien de jours de congé ai-je ?
comment quitter mon poste actuel
la dernière fois que je suis tombé malade
cuántos días de vacaciones tengo
cómo dejo mi puesto actual
hoy estoy enfermo
hello

""".strip("\n").split("\n")


@pytest.mark.parametrize("text", YES)
def test_a_turn_that_asks_for_the_present_state(text: str) -> None:
    assert asks_for_present(text) and asks_for_present(text.upper()) and asks_for_present(text.replace("'", "’"))


@pytest.mark.parametrize("text", NO)
def test_a_turn_that_does_not(text: str) -> None:
    assert not asks_for_present(text)


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert asks_for_present(text) in (True, False)


def hit(name: str, score: float, modified: date | None) -> Hit:
    return Hit(Chunk("c", name, "T", (), "x", 0, 1, 0, 1, name, modified=modified), score, score)


NEW = date(2026, 3, 1)


def names(hits: list[Hit]) -> str:
    return "".join(each.chunk.document for each in hits)


def test_the_newer_leads_a_little_closer_one_and_not_one_about_something_else() -> None:
    old, near, far = hit("o", 0.70, NEW - timedelta(1000)), hit("n", 0.65, NEW), hit("f", 0.4, NEW)
    assert names(newer_first([old, near, far])) == "nof"


def test_recency_halves_with_each_year_and_the_cosine_stays() -> None:
    year = timedelta(HALF_LIFE_DAYS)
    found = newer_first(
        [hit("a", 0.5, NEW), hit("b", 0.5, NEW - year), hit("c", 0.5, NEW - 2 * year), hit("d", 0.5, None)]
    )
    assert names(found) == "abcd"
    gains = [each.score - 0.5 for each in found]
    assert gains == pytest.approx([BOOST, BOOST / 2, BOOST / 4, 0.0])
    assert {each.similarity for each in found} == {0.5}


def test_without_dates_nothing_changes() -> None:
    hits = [hit("a", 0.2, None), hit("b", 0.5, None)]
    assert newer_first(hits) == hits and newer_first([]) == []


@given(
    st.lists(
        st.tuples(st.floats(-1, 2), st.none() | st.dates(date(1990, 1, 1), date(2040, 1, 1))),
        max_size=12,
    )
)
def test_nothing_is_lost_and_the_order_is_that_of_the_scores(rows: list[tuple[float, date | None]]) -> None:
    hits = [hit(str(n), score, modified) for n, (score, modified) in enumerate(rows)]
    found = newer_first(hits)
    assert sorted(each.chunk.document for each in found) == sorted(each.chunk.document for each in hits)
    if any(modified for _, modified in rows):
        assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    before = {each.chunk.document: each.score for each in hits}
    assert all(0 <= each.score - before[each.chunk.document] <= BOOST + 1e-9 for each in found)
