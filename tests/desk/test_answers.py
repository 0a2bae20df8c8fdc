"""What the desk finds of answers, on both databases: turns by every filter, one turn as it was, figures, exports."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from assistant.desk.answers import NONE, ORDERS, Answers, Wanted
from assistant.desk.answers_export import as_csv, as_json_lines, cell
from assistant.desk.answers_figures import doubts, evidence, quality, thumbs
from assistant.desk.answers_turn import opened
from assistant.records.models import now
from assistant.records.repository import Repository
from tests.desk.turns import ago, finished, said
from tests.records.conftest import database, postgres_socket, url

__all__ = ["database", "postgres_socket", "url"]

DOUBTED = ((0, 5, "supported", ""), (6, 9, "unsupported", 'says "state": "unsupported"'), (10, 12, "partly", ""))


async def some(records: Repository) -> dict[str, str]:
    """A handful of turns by name, the earliest first."""
    found = {}
    conversation, found["cap"] = await said(
        records, "What is the HOTEL cap?", "Ärger: 100 % of 120_000 EUR", marks=DOUBTED, at=ago(hours=5), thumb="up",
        ended=finished("x", cost=0.02, seconds=4.0),
    )  # fmt: skip
    _, found["paris"] = await said(
        records, "and in Paris?", "Not named.", conversation=conversation, evidence="not_in_documents", thumb="down",
        comment="no", at=ago(hours=4), ended=finished("x", cost=0.01, seconds=1.0),
    )  # fmt: skip
    _, found["poem"] = await said(
        records, "A poem", "Roses", route="voice", evidence=None, surface="shop", at=ago(hours=3), person="bob",
        ended=finished("x", backend="own", seconds=2.0),
    )  # fmt: skip
    failed = {"type": "failed", "code": "model_unavailable", "message": "none", "partial": ""}
    _, found["failed"] = await said(records, "=cmd()", "", status="failed", ended=failed, at=ago(hours=2))
    _, found["old"] = await said(records, "Old one", at=ago(days=40), marks=((0, 2, "supported", ""),))
    return found


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), "failed poem paris cap old"),
        (Wanted(since=ago(days=7)), "failed poem paris cap"),
        (Wanted(words="hotel ärger"), "cap"),
        (Wanted(words="100 %"), "cap"),
        (Wanted(words="120_000"), "cap"),
        (Wanted(words="120x000"), ""),
        (Wanted(words="hotel roses"), ""),
        (Wanted(words="poem\x00 \ud800"), "poem"),
        (Wanted(route="voice"), "poem"),
        (Wanted(evidence="not_in_documents"), "paris"),
        (Wanted(evidence=NONE), "poem"),
        (Wanted(thumb="up"), "cap"),
        (Wanted(thumb="comment"), "paris"),
        (Wanted(thumb=NONE), "failed poem old"),
        (Wanted(status="failed"), "failed"),
        (Wanted(model="own"), "poem"),
        (Wanted(surface="shop"), "poem"),
        (Wanted(unsupported=True), "cap"),
        (Wanted(cost_from=0.015), "cap"),
        (Wanted(cost_to=0.015), "paris"),
        (Wanted(seconds_from=1.5, seconds_to=2.0), "poem old"),
        (Wanted(order="oldest"), "old cap paris poem failed"),
        (Wanted(order="slowest", since=ago(days=7)), "cap poem paris failed"),
        (Wanted(order="costliest", since=ago(days=7)), "cap paris failed poem"),
        (Wanted(order="least supported"), "cap failed poem paris old"),
        (Wanted(corrected=True), ""),
    ],
)
async def test_turns_are_found(database: Repository, wanted: Wanted, names: str) -> None:
    ids = {turn: name for name, turn in (await some(database)).items()}
    found, total = await Answers(database).page(wanted)
    assert [ids[each.id] for each in found] == names.split() and total == len(found)


async def test_a_turn_in_the_list_says_what_it_was(database: Repository) -> None:
    await some(database)
    turn = (await Answers(database).page(Wanted(words="cap")))[0][0]
    assert (turn.unsupported, turn.partly, turn.evidence, turn.route) == (1, 1, "supported", "retrieve")
    assert (turn.cost, turn.currency, turn.seconds, turn.first, turn.tokens) == (0.02, "EUR", 4.0, 1.0, (1200, 90))
    assert (turn.thumb, turn.comment, turn.corrected, turn.model) == ("up", "", False, "main")
    assert turn.made_at.utcoffset() == timedelta(0)
    assert await Answers(database).models(None) == ["main", "own"]


async def test_pages_hold_every_turn_once(database: Repository) -> None:
    await some(database)
    for order in ORDERS:
        seen = [(await Answers(database).page(Wanted(order=order), number, 2))[0] for number in (1, 2, 3, 4)]
        assert [len(each) for each in seen] == [2, 2, 1, 0]
        assert len({turn.id for each in seen for turn in each}) == 5


def test_what_is_wanted_survives_an_address() -> None:
    wanted = Wanted(words="a b", unsupported=True, cost_from=0.5, since=now(), order="slowest", thumb="down")
    assert Wanted.read(wanted.asked()) == wanted
    assert Wanted().asked() == {"order": "newest"}
    assert Wanted.read({"cost_from": "much", "since": "then", "unsupported": "x", "other": "1"}) == Wanted()


async def test_a_turn_opens_with_its_own_branch(database: Repository) -> None:
    ids = await some(database)
    turn = await opened(database, ids["paris"])
    assert turn is not None and turn.surface == "portal" and turn.person == "guest-1"
    assert [each.content for each in turn.history] == ["What is the HOTEL cap?", "Ärger: 100 % of 120_000 EUR"]
    assert turn.feedback is not None and turn.feedback.comment == "no" and turn.correction is None
    assert turn.stored.retrieved is not None and turn.stored.retrieved["passages"]
    assert await opened(database, "nowhere") is None


async def test_the_figures_of_a_span(database: Repository) -> None:
    await some(database)
    found = await quality(database, ago(days=7))
    assert (found.answers, found.checked, found.unsupported, found.partly, found.doubted) == (3, 1, 1, 1, 1)
    assert found.whole == (2.0, 4.0) and found.first == (0.5, 1.0)
    assert found.costs == {"EUR": (pytest.approx(0.03), 2)}
    assert (await quality(database, None)).checked == 2
    said_of = await thumbs(database, None)
    assert (said_of.up, said_of.down, said_of.comments) == (1, 1, 1)


async def test_evidence_and_doubts_over_time(database: Repository) -> None:
    await some(database)
    over = await evidence(database, ago(days=7))
    assert {name: sum(values) for name, values in over.series.items()} == {"supported": 2, "not_in_documents": 1}
    assert all(len(values) == len(over.moments) for values in over.series.values())
    rate = await doubts(database, None)
    assert {name: max(values) for name, values in rate.series.items()} == {"unsupported": 1.0, "partly": 1.0}


async def test_an_empty_database_has_no_figures(database: Repository) -> None:
    assert (await quality(database, None)).answers == 0
    assert (await evidence(database, None)).moments == ()
    assert await Answers(database).page(Wanted(words="x")) == ([], 0)


async def whole(pieces: AsyncIterator[str]) -> str:
    return "".join([each async for each in pieces])


async def test_exports_hold_what_is_wanted(database: Repository) -> None:
    await some(database)
    wanted = Wanted(since=ago(days=7))
    rows = list(csv.DictReader(io.StringIO((await whole(as_csv(database, wanted))).removeprefix("\ufeff"))))
    assert [each["question"] for each in rows] == ["'=cmd()", "A poem", "and in Paris?", "What is the HOTEL cap?"]
    assert rows[3]["unsupported_claims"] == "1" and rows[3]["cost"] == "0.02" and rows[2]["comment"] == "no"
    lines = [json.loads(each) for each in (await whole(as_json_lines(database, wanted))).splitlines()]
    assert [each["question"] for each in lines] == ["=cmd()", "A poem", "and in Paris?", "What is the HOTEL cap?"]
    assert lines[3]["checked"]["marks"][1]["state"] == "unsupported" and lines[1]["feedback"] is None
    assert lines[2]["retrieved"]["query"] == "what was searched"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\n=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_other_cells_stay() -> None:
    assert [cell(each) for each in ("a=1", "", 3, None, 1.5, "'=")] == ["a=1", "", 3, None, 1.5, "'="]
