"""What the documents lack: which questions count, how they are put together, ticked off, and handed on."""

import csv
import io
import itertools
import random

import numpy as np
import pytest
from sqlalchemy import delete, func, select, update

from assistant.desk.gaps import Asked, Gap, Gaps
from assistant.desk.gaps_clusters import central, clusters
from assistant.desk.gaps_export import exported, masked
from assistant.knowledge.embedder import FastEmbedder, Vectors
from assistant.records.gaps import GapDoneRow
from assistant.records.models import ConversationRow, TurnRow
from assistant.records.repository import Repository
from tests.desk.turns import ago, passage, said
from tests.records.conftest import database, postgres_socket, url
from tests.records.test_tree import again

__all__ = ["database", "postgres_socket", "url"]

PARKING = (
    "How do I get a parking space?",
    "How can I get a parking space for my car?",
    "Where do I get a parking space?",
)


def directions(number: int, seed: int = 0, size: int = 8) -> Vectors:
    random_ = np.random.default_rng(seed)
    centres = random_.normal(size=(max(1, number // 5), size))
    vectors = centres[random_.integers(0, len(centres), number)] + 0.5 * random_.normal(size=(number, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def plainly(vectors: Vectors, weights: list[float], alike: float) -> set[frozenset[int]]:
    """The nearest pair is joined, again and again."""
    groups = [[place] for place in range(len(vectors))]
    near = vectors @ vectors.T

    def between(one: list[int], other: list[int]) -> float:
        pairs = [(weights[a] * weights[b], near[a, b]) for a in one for b in other]
        return float(sum(weight * value for weight, value in pairs) / sum(weight for weight, _ in pairs))

    while len(groups) > 1:
        pair = max(itertools.combinations(range(len(groups)), 2), key=lambda p: between(groups[p[0]], groups[p[1]]))
        if between(groups[pair[0]], groups[pair[1]]) < alike:
            break
        groups[pair[0]] += groups.pop(pair[1])
    return {frozenset(group) for group in groups}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("alike", [0.2, 0.5, 0.8])
def test_clusters_are_those_of_joining_the_nearest_pair(seed: int, alike: float) -> None:
    vectors, weights = directions(24, seed), [float(random.Random(seed).choice((1, 1, 3))) for _ in range(24)]
    assert {frozenset(each) for each in clusters(vectors, weights, alike)} == plainly(vectors, weights, alike)


def test_every_place_is_in_one_cluster_also_of_none_and_of_one() -> None:
    assert clusters(directions(1)[:0], []) == []
    assert clusters(directions(1), [1.0]) == [[0]]
    same = np.repeat(directions(1), 5, axis=0)
    assert sorted(clusters(same, [1.0] * 5)[0]) == [0, 1, 2, 3, 4]
    assert central(np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32), [1, 1, 1]) == 1


async def test_only_questions_without_a_full_answer_count(database: Repository, embedder: FastEmbedder) -> None:
    await said(database, "answered")
    await said(database, "chat", route="voice", evidence=None, thumb="down", comment="missing")
    await said(database, "partly", evidence="partly")
    await said(database, "liked", evidence="partly", thumb="up", comment="nothing is missing")
    await said(database, "wrong tone", thumb="down", comment="too long")
    await said(database, "nowhere", evidence="not_in_documents", at=ago(minutes=4))
    await said(database, "disliked", evidence="partly", thumb="down", at=ago(minutes=3))
    await said(database, "poor", thumb="down", comment="The date is missing", at=ago(minutes=2))
    await said(database, "arm", thumb="down", comment="Da fehlt das Datum", at=ago(minutes=1))
    await said(database, "long ago", evidence="not_in_documents", at=ago(days=40))
    found = await Gaps(database, embedder).asked(ago(days=7))
    assert [(each.text, each.why) for each in found] == [
        ("arm", "missing"), ("poor", "missing"), ("disliked", "partly"), ("nowhere", "not_in_documents")
    ]  # fmt: skip


async def test_of_versions_of_a_question_the_last_counts_unless_one_found_it(
    database: Repository, embedder: FastEmbedder
) -> None:
    gaps = Gaps(database, embedder)
    _, first = await said(database, "twice", evidence="not_in_documents", person="ada")
    second = await again(database, first)
    unanswered = {"evidence": "not_in_documents", "marks": []}
    await database.end_turn(second, answer="no", status="finished", events={"checked": unanswered})
    assert [each.turn for each in await gaps.asked(None)] == [second]
    await database.end_turn(second, answer="yes", status="finished", events={"checked": {"evidence": "supported"}})
    assert await gaps.asked(None) == []


async def test_questions_about_the_same_are_one_gap(database: Repository, embedder: FastEmbedder) -> None:
    near = (passage(1, "Commuting", 0.4), passage(2, "Offices", 0.3), passage(3, "Commuting", 0.2))
    for number, text in enumerate((*PARKING, "Which vaccinations are paid for?")):
        await said(database, text, evidence="not_in_documents", person=f"p{number % 2}", at=ago(hours=number),
                   passages=near)  # fmt: skip
    gaps = await Gaps(database, embedder).found(None)
    assert [len(each.asked) for each in gaps] == [3, 1]
    parking = gaps[0]
    assert parking.people == 2 and parking.name.text in PARKING and parking.key == parking.name.turn
    assert [each.text for each in parking.asked] == list(PARKING)
    assert parking.nearest == [("Commuting", 0.4), ("Offices", 0.3)]
    assert sum(parking.trend(ago(days=7), ago())) == 3 and parking.trend(ago(days=7), ago())[-1] == 3


async def test_a_follow_up_means_what_it_follows(database: Repository, embedder: FastEmbedder) -> None:
    for before in ("How many weeks of parental leave do I get?", "Who may use the company car park?"):
        conversation, _ = await said(database, before)
        await said(database, "and for contractors?", evidence="not_in_documents", conversation=conversation)
    conversation, _ = await said(database, "Who may use the company car park?", person="bob")
    await said(database, "How many weeks of parental leave does a contractor get?", evidence="not_in_documents",
               conversation=conversation)  # fmt: skip
    gaps = await Gaps(database, embedder).found(None)
    assert [sorted(each.before[:13] for each in gap.asked) for gap in gaps] == [
        ["How many week", "Who may use t"], ["Who may use t"]
    ]  # fmt: skip
    assert gaps[0].asked[0].text.startswith("How many") or gaps[0].asked[1].text.startswith("How many")


async def test_done_hides_a_gap_until_it_is_asked_again(database: Repository, embedder: FastEmbedder) -> None:
    gaps = Gaps(database, embedder)
    for text in PARKING[:2]:
        await said(database, text, evidence="not_in_documents")
    (gap,) = await gaps.found(None)
    await gaps.done(gap)
    await gaps.done(gap)
    (gap,) = await Gaps(database, embedder).found(None)
    assert not gap.open
    await said(database, PARKING[2], evidence="not_in_documents")
    (gap,) = await gaps.found(None)
    assert gap.open and [each.done for each in gap.asked].count(False) == 1
    await gaps.done(gap)
    await gaps.open((await gaps.found(None))[0])
    assert (await gaps.found(None))[0].open


async def test_what_is_done_goes_with_its_conversation(database: Repository, embedder: FastEmbedder) -> None:
    gaps = Gaps(database, embedder)
    await said(database, PARKING[0], evidence="not_in_documents")
    found = await gaps.found(None)
    await gaps.done(found[0])
    async with database.session() as session:
        await session.execute(delete(ConversationRow))
    await gaps.done(found[0])
    async with database.session() as session:
        assert (await session.execute(select(func.count()).select_from(GapDoneRow))).scalar_one() == 0


async def test_old_turns_without_titles_or_questions_do_not_break_it(
    database: Repository, embedder: FastEmbedder
) -> None:
    _, turn = await said(database, "?", evidence="not_in_documents")
    async with database.session() as session:
        await session.execute(update(TurnRow).where(TurnRow.id == turn).values(retrieved=None, question=""))
    (gap,) = await Gaps(database, embedder).found(None)
    assert gap.nearest == []


def asked(text: str, before: str = "", comment: str = "", hours: float = 0) -> Asked:
    return Asked(text, "p", text, before, ago(hours=hours), "not_in_documents", comment, (("Car * park", 0.41),))


GAP = Gap("k", asked("=Who is bob@example.org?"), (asked("and his number +49 89 1234567?", "Who is *bob*?", "missing"),
                                                  asked("=Who is bob@example.org?", hours=1)))  # fmt: skip


def test_gaps_as_markdown() -> None:
    text = exported([GAP], "markdown")
    assert "## =Who is \\[e\\-mail\\]?" in text and "bob@" not in text
    assert "and his number \\[phone\\]? (after: Who is \\*bob\\*?) – missing" in text
    assert "Car \\* park (0.41)" in text and "Asked 2 times by 1 person" in text
    assert "bob@example\\.org" in exported([GAP], "markdown", mask=False)


def test_gaps_as_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(exported([GAP], "csv").removeprefix("\ufeff"))))
    assert [each["question"] for each in rows] == ["and his number [phone]?", "'=Who is [e-mail]?"]
    assert rows[0]["gap_asked"] == "2" and rows[0]["nearest_documents"] == "Car * park (0.41)"
    assert "+49 89 1234567" in exported([GAP], "csv", mask=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mail a.b+c@d-e.example.com now", "mail [e-mail] now"),
        ("call +49 89 1234567 or 089/123456-78", "call [phone] or [phone]"),
        ("(555) 123-4567", "[phone]"),
        ("on 2026-11-21 at 10:30, 21.11.2026", "on 2026-11-21 at 10:30, 21.11.2026"),
        ("invoice 4711 of 2025-2026 costs 1,234,567.89 EUR", "invoice 4711 of 2025-2026 costs 1,234,567.89 EUR"),
    ],
)
def test_people_are_masked_and_dates_are_not(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_masking_is_linear() -> None:
    for text in ("1 " * 50_000, "a." * 50_000, "a@" * 50_000, "(" * 50_000, "0" * 100_000):
        assert len(masked(text)) <= len(text)
