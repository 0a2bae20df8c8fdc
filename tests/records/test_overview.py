"""What the desk counts, on both databases, against a count by hand."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from assistant.desk import overview
from assistant.records.models import ConversationRow, FeedbackRow, TurnRow
from assistant.records.repository import Repository

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


def ended(backend: str, first: float | None, *, amount: float | None = None, faults: tuple[str, ...] = ()) -> Any:
    return {
        "type": "finished", "backend": backend, "usage": {"input_tokens": 10, "output_tokens": 2},
        "timings": {"first_token": first} if first is not None else {},
        "cost": {"amount": amount, "currency": "EUR"} if amount is not None else None,
        "faults": [{"model": "gpt", "code": code, "message": "'[]'"} for code in faults],
    }  # fmt: skip


def turn(place: int, days: float, route: str | None, evidence: str | None, end: Any, person: str = "a") -> list[Any]:
    status = "finished" if end and end["type"] == "finished" else "failed" if end else "running"
    made = NOW - timedelta(days=days)
    return [
        ConversationRow(id=f"c{place}", person=person, surface="portal", title="t", created_at=made, updated_at=made),
        TurnRow(
            id=f"t{place}", conversation_id=f"c{place}", position=0, version=0, text="q", status=status,
            routed={"route": route} if route else None, checked={"evidence": evidence} if evidence else None,
            ended=end, created_at=made,
        ),
    ]  # fmt: skip


@pytest.fixture
async def filled(database: Repository) -> Repository:
    rows = [
        *turn(1, 0.01, "retrieve", "supported", ended("llama", 0.2, amount=0.5, faults=("model_timeout",))),
        *turn(2, 0.02, "both", "not_in_documents", ended("llama", 0.4, amount=0.25), "b"),
        *turn(3, 2, "voice", None, ended("gpt", 1.0)),
        *turn(4, 20, "retrieve", "not_in_documents", {"type": "failed", "code": "model_timeout"}, "c"),
        *turn(5, 0.03, None, None, None),
        *turn(6, 40, "voice", None, ended("llama", None)),
    ]
    async with database.session() as session:
        session.add_all([row for row in rows if isinstance(row, ConversationRow)])
        await session.flush()
        session.add_all([row for row in rows if isinstance(row, TurnRow)])
        session.add(FeedbackRow(conversation_id="c1", turn="t1", person="a", thumb="down", made_at=NOW))
        session.add(FeedbackRow(conversation_id="c2", turn="t2", person="b", thumb="up", made_at=NOW))
    return database


async def test_the_figures_of_a_span(filled: Repository) -> None:
    everything = await overview.figures(filled, None)
    assert (everything.turns, everything.people, everything.looked_up, everything.voiced) == (6, 3, 3, 3)
    assert (everything.unanswered, everything.failed, everything.costs) == (2, 1, {"EUR": 0.75})
    day = await overview.figures(filled, NOW - timedelta(days=1))
    assert (day.turns, day.people, day.looked_up, day.unanswered) == (3, 2, 2, 1)
    assert await overview.thumbs_down(filled, None) == 1
    assert await overview.thumbs_down(filled, NOW + timedelta(days=1)) == 0


@pytest.mark.parametrize(
    "days, width", [(1, overview.HOUR), (7, overview.DAY), (30, overview.DAY), (None, overview.DAY)]
)
async def test_the_mix_puts_every_turn_into_one_bar(filled: Repository, days: int | None, width: int) -> None:
    since = NOW - timedelta(days=days) if days else None
    mix = await overview.mix(filled, since, NOW)
    figures = await overview.figures(filled, since)
    assert mix.width == width and all(len(each) == len(mix.moments) for each in mix.routes.values())
    assert sum(map(sum, mix.routes.values())) == figures.turns - 1, "all but the one that has no route yet"
    assert all(after - before == timedelta(seconds=width) for before, after in pairwise(mix.moments))
    assert mix.moments[-1] <= NOW < mix.moments[-1] + timedelta(seconds=width)


async def test_what_each_model_did(filled: Repository) -> None:
    llama, gpt = await overview.answered(filled, None)
    assert (llama.model, llama.turns, llama.input_tokens, llama.output_tokens) == ("llama", 3, 30, 6)
    assert (llama.first, llama.slow, llama.costs, llama.faults) == (0.2, 0.4, {"EUR": 0.75}, {})
    assert (gpt.model, gpt.turns, gpt.first, gpt.costs, gpt.faults) == ("gpt", 1, 1.0, {}, {"model_timeout": 1})
    assert await overview.failures(filled, None) == {"model_timeout": 1}
    recent = await overview.answered(filled, NOW - timedelta(days=1))
    assert [(each.model, each.turns) for each in recent] == [("llama", 2), ("gpt", 0)]


async def test_without_turns_there_is_nothing(database: Repository) -> None:
    assert await overview.figures(database, None) == overview.Figures()
    assert (await overview.mix(database, None, NOW)).moments == ()
    assert await overview.answered(database, None) == [] and await overview.failures(database, None) == {}
