"""What the records say of a span, at a glance: counted by the database, in SQL that SQLite and PostgreSQL share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Select, case, cast, distinct, extract, func, select
from sqlalchemy.sql.elements import ColumnElement

from assistant.records.models import ConversationRow, FeedbackRow, TurnRow
from assistant.records.repository import Repository

HOUR, DAY, WEEK = 3600, 86400, 7 * 86400
LOOKED_UP, VOICED = ("retrieve", "both"), ("voice", "both")
USUAL = ("voice", "retrieve", "both")
BUCKETS = 60


@dataclass(frozen=True, slots=True)
class Figures:
    """Turns of a span. ``costs`` is by currency; ``unanswered`` are turns whose documents did not hold it."""

    turns: int = 0
    people: int = 0
    looked_up: int = 0
    voiced: int = 0
    unanswered: int = 0
    failed: int = 0
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mix:
    """Turns of each route, of the usual ones also where there are none, in buckets of ``width`` seconds that begin at
    ``moments`` (UTC)."""

    moments: Sequence[datetime]
    routes: Mapping[str, Sequence[int]]
    width: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What one model of the settings did. ``first`` and ``slow`` are the median and the 95th percentile of the time
    to the first token in seconds; ``costs`` is by currency; ``faults`` counts codes of the times that it failed and
    another was asked."""

    model: str
    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    costs: Mapping[str, float] = field(default_factory=dict)
    first: float | None = None
    slow: float | None = None
    faults: Mapping[str, int] = field(default_factory=dict)


def within(query: Select[Any], since: datetime | None) -> Select[Any]:
    """The query, for turns since then."""
    return query if since is None else query.where(TurnRow.created_at >= since)


async def figures(records: Repository, since: datetime | None) -> Figures:
    """The numbers of a span. Raises RecordsError."""
    route, evidence = TurnRow.routed["route"].as_string(), TurnRow.checked["evidence"].as_string()
    currency, amount = TurnRow.ended["cost"]["currency"].as_string(), TurnRow.ended["cost"]["amount"].as_float()
    grouped = select(route, evidence, TurnRow.status, currency, func.count(), func.sum(amount))
    people = select(func.count(distinct(ConversationRow.person))).where(
        ConversationRow.id.in_(within(select(TurnRow.conversation_id), since))
    )
    async with records.session() as session:
        rows = (await session.execute(within(grouped, since).group_by(route, evidence, TurnRow.status, currency))).all()
        seen = (await session.execute(people)).scalar_one()
    costs: dict[str, float] = {}
    for *_, name, _, total in rows:
        if name is not None:
            costs[name] = costs.get(name, 0.0) + float(total)
    return Figures(
        turns=sum(row[4] for row in rows),
        people=seen,
        looked_up=sum(row[4] for row in rows if row[0] in LOOKED_UP),
        voiced=sum(row[4] for row in rows if row[0] in VOICED),
        unanswered=sum(row[4] for row in rows if row[1] == "not_in_documents"),
        failed=sum(row[4] for row in rows if row[2] == "failed"),
        costs=costs,
    )


async def mix(records: Repository, since: datetime | None, now: datetime | None = None) -> Mix:
    """How the routes share the turns over a span. Raises RecordsError."""
    now = now or datetime.now(UTC)
    async with records.session() as session:
        first = (await session.execute(select(func.min(TurnRow.created_at)))).scalar_one()
        if first is None:
            return Mix((), {}, HOUR)
        begin = since or (first if first.tzinfo else first.replace(tzinfo=UTC))
        width = width_of(now - begin)
        moment, route = bucket(width), TurnRow.routed["route"].as_string()
        rows = (await session.execute(within(select(moment, route, func.count()), since).group_by(moment, route))).all()
    moments = range(_floor(begin, width), int(now.timestamp()) + 1, width)
    counts = {(at, name): number for at, name, number in rows if name is not None}
    names = [*USUAL, *sorted({name for _, name in counts} - set(USUAL))]
    return Mix(
        [datetime.fromtimestamp(at, UTC) for at in moments],
        {name: [counts.get((at, name), 0) for at in moments] for name in names},
        width,
    )


def width_of(length: timedelta) -> int:
    """Seconds that a bar stands for, so that a span has no more than ``BUCKETS`` or so."""
    seconds = length.total_seconds()
    for width in (HOUR, DAY, WEEK):
        if seconds <= BUCKETS * width:
            return width
    return 4 * WEEK


def bucket(width: int) -> ColumnElement[int]:
    """The beginning of the bucket of a turn, in seconds since 1970 (UTC)."""
    at = cast(func.floor(extract("epoch", TurnRow.created_at)), BigInteger)
    return at - at % width


def _floor(moment: datetime, width: int) -> int:
    at = int(moment.timestamp())
    return at - at % width


async def answered(records: Repository, since: datetime | None) -> list[Answered]:
    """What every model did in a span, the busiest first; those that only failed come last. Raises RecordsError."""
    name = TurnRow.ended["backend"].as_string()
    currency, amount = TurnRow.ended["cost"]["currency"].as_string(), TurnRow.ended["cost"]["amount"].as_float()
    tokens = [func.sum(TurnRow.ended["usage"][f"{each}_tokens"].as_integer()) for each in ("input", "output")]
    finished = TurnRow.status == "finished"
    sums = within(select(name, currency, func.count(), *tokens, func.sum(amount)).where(finished), since)
    async with records.session() as session:
        rows = (await session.execute(sums.group_by(name, currency))).all()
        times = {row[0]: row[1:] for row in (await session.execute(_percentiles(name, finished, since))).all()}
        faults = await _faults(session, since)
    found: dict[str, Answered] = {}
    for model in {*(row[0] for row in rows if row[0]), *faults}:
        mine = [row for row in rows if row[0] == model]
        found[model] = Answered(
            model,
            turns=sum(row[2] for row in mine),
            input_tokens=sum(row[3] or 0 for row in mine),
            output_tokens=sum(row[4] or 0 for row in mine),
            costs={row[1]: float(row[5]) for row in mine if row[1] is not None},
            first=times.get(model, (None, None))[0],
            slow=times.get(model, (None, None))[1],
            faults=faults.get(model, {}),
        )
    return sorted(found.values(), key=lambda each: (-each.turns, each.model))


def _percentiles(name: ColumnElement[str], finished: ColumnElement[bool], since: datetime | None) -> Select[Any]:
    """Median and 95th percentile of the first token by model: the least value with so many at or below it."""
    first = TurnRow.ended["timings"]["first_token"].as_float()
    below = func.cume_dist().over(partition_by=name, order_by=first)
    ranked = within(
        select(name.label("model"), first.label("first"), below.label("below")).where(finished, first.is_not(None)),
        since,
    ).subquery()
    points = [func.min(case((ranked.c.below >= point, ranked.c.first))) for point in (0.5, 0.95)]
    return select(ranked.c.model, *points).group_by(ranked.c.model)


async def _faults(session: Any, since: datetime | None) -> dict[str, Counter[str]]:
    faults = TurnRow.ended["faults"]
    some = within(select(faults).where(TurnRow.status == "finished", faults.as_string() != "[]"), since)
    found: dict[str, Counter[str]] = {}
    for each in (await session.execute(some)).scalars():
        for fault in each or ():
            found.setdefault(fault["model"], Counter())[fault["code"]] += 1
    return found


async def failures(records: Repository, since: datetime | None) -> dict[str, int]:
    """Turns that nobody answered, by code, the most frequent first. Raises RecordsError."""
    code = TurnRow.ended["code"].as_string()
    query = within(select(code, func.count()).where(TurnRow.status == "failed"), since).group_by(code)
    async with records.session() as session:
        rows = (await session.execute(query)).all()
    return {code or "unknown": number for code, number in sorted(rows, key=lambda row: -row[1])}


async def thumbs_down(records: Repository, since: datetime | None) -> int:
    """Answers that people were not happy with. Raises RecordsError."""
    query = select(func.count()).where(FeedbackRow.thumb == "down")
    async with records.session() as session:
        return (
            await session.execute(query if since is None else query.where(FeedbackRow.made_at >= since))
        ).scalar_one()
