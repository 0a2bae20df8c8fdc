"""How good the answers of a span are, in figures: counted by the database, in SQL that SQLite and PostgreSQL share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select

from assistant.desk.answers import COST, CURRENCY, EVIDENCE, FIRST, NONE, SECONDS, claims, doubted
from assistant.desk.overview import bucket, width_of, within
from assistant.records.models import FeedbackRow, TurnRow
from assistant.records.repository import Repository

STATES = ("supported", "partly", "not_in_documents", NONE)


@dataclass(frozen=True, slots=True)
class Quality:
    """Answers of a span. ``checked`` are those with a claim that was held against sources; ``unsupported`` and
    ``partly`` count claims and ``doubted`` answers with such a claim. ``first`` and ``whole`` are the median and the
    95th percentile in seconds, to the first token and to the end; ``costs`` maps currencies to the sum and the number
    of answers that it is of."""

    answers: int = 0
    checked: int = 0
    unsupported: int = 0
    partly: int = 0
    doubted: int = 0
    first: tuple[float | None, float | None] = (None, None)
    whole: tuple[float | None, float | None] = (None, None)
    costs: Mapping[str, tuple[float, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OverTime:
    """Numbers in buckets of ``width`` seconds that begin at ``moments`` (UTC), by name."""

    moments: Sequence[datetime]
    series: Mapping[str, Sequence[float]]
    width: int


@dataclass(frozen=True, slots=True)
class Thumbs:
    """What people said of answers: ``comments`` are among the others."""

    up: int = 0
    down: int = 0
    comments: int = 0


async def quality(records: Repository, since: datetime | None) -> Quality:
    """The figures of a span. Raises RecordsError."""
    finished = TurnRow.status == "finished"
    marked = TurnRow.checked["marks"].as_string().not_in(["[]"])
    numbers: list[Any] = [func.count(), func.sum(case((marked, 1), else_=0))]
    told: list[Any] = [func.count(), func.sum(claims("unsupported")), func.sum(claims("partly"))]
    paid: Select[Any] = within(select(CURRENCY, func.sum(COST), func.count()).where(CURRENCY.is_not(None)), since)
    async with records.session() as session:
        answers, checked = (await session.execute(within(select(*numbers).where(finished), since))).one()
        doubts = (await session.execute(within(select(*told).where(finished, doubted()), since))).one()
        costs = (await session.execute(paid.group_by(CURRENCY))).all()
        first = (await session.execute(_percentiles(FIRST, finished, since))).one()
        whole = (await session.execute(_percentiles(SECONDS, finished, since))).one()
    return Quality(
        answers, int(checked or 0), int(doubts[1] or 0), int(doubts[2] or 0), doubts[0],
        first=(first[0], first[1]),
        whole=(whole[0], whole[1]),
        costs={currency: (float(total), number) for currency, total, number in costs},
    )  # fmt: skip


async def evidence(records: Repository, since: datetime | None, now: datetime | None = None) -> OverTime:
    """Answers that were looked up, by evidence state, over a span. Raises RecordsError."""
    at, end = await _begin(records, since), now or datetime.now(UTC)
    width = width_of(end - (at or end))
    moment = bucket(width)
    columns: list[Any] = [moment, EVIDENCE, func.count()]
    query = select(*columns).where(EVIDENCE.is_not(None))
    rows = await _rows(records, within(query.group_by(moment, EVIDENCE), since))
    return _over_time(rows, STATES, at, end, width)


async def doubts(records: Repository, since: datetime | None, now: datetime | None = None) -> OverTime:
    """Claims that no source states, or only partly, per answer whose claims were checked. Raises RecordsError."""
    at, end = await _begin(records, since), now or datetime.now(UTC)
    width = width_of(end - (at or end))
    moment, marked = bucket(width), TurnRow.checked["marks"].as_string().not_in(["[]"])
    columns: list[Any] = [moment, func.count(), *(func.sum(claims(state)) for state in ("unsupported", "partly"))]
    query = select(*columns).where(TurnRow.status == "finished", marked)
    rows = await _rows(records, within(query.group_by(moment), since))
    each = [
        (row[0], name, float(row[place] or 0) / row[1])
        for row in rows
        for place, name in ((2, "unsupported"), (3, "partly"))
    ]
    return _over_time(each, ("unsupported", "partly"), at, end, width)


async def thumbs(records: Repository, since: datetime | None) -> Thumbs:
    """What people said in a span. Raises RecordsError."""
    columns: list[Any] = [FeedbackRow.thumb, func.count(), func.sum(case((FeedbackRow.comment != "", 1), else_=0))]
    query = select(*columns).group_by(FeedbackRow.thumb)
    rows = await _rows(records, query if since is None else query.where(FeedbackRow.made_at >= since))
    of = {name: number for name, number, _ in rows}
    return Thumbs(of.get("up", 0), of.get("down", 0), sum(row[2] for row in rows))


def _percentiles(value: ColumnElement[float], finished: ColumnElement[bool], since: datetime | None) -> Select[Any]:
    """Median and 95th percentile: the least value with so many at or below it."""
    below = func.cume_dist().over(order_by=value)
    columns: list[Any] = [value.label("value"), below.label("below")]
    query = select(*columns).where(and_(finished, value.is_not(None)))
    ranked = within(query, since).subquery()
    return select(*(func.min(case((ranked.c.below >= point, ranked.c.value))) for point in (0.5, 0.95)))


async def _rows(records: Repository, query: Select[Any]) -> list[Any]:
    async with records.session() as session:
        return list((await session.execute(query)).all())


async def _begin(records: Repository, since: datetime | None) -> datetime | None:
    """When the span begins, for all time with the first turn; None where there is none."""
    async with records.session() as session:
        first = (await session.execute(select(func.min(TurnRow.created_at)))).scalar_one()
    if first is None:
        return None
    return since or (first if first.tzinfo else first.replace(tzinfo=UTC))


def _over_time(rows: Sequence[Any], names: Sequence[str], at: datetime | None, end: datetime, width: int) -> OverTime:
    if at is None:
        return OverTime((), {}, width)
    begin = int(at.timestamp()) - int(at.timestamp()) % width
    moments = range(begin, int(end.timestamp()) + 1, width)
    found = {(when, name): value for when, name, value in rows}
    series = {name: [found.get((when, name), 0) for when in moments] for name in names}
    shown = {name: values for name, values in series.items() if any(values)}
    return OverTime([datetime.fromtimestamp(when, UTC) for when in moments], shown, width)
