"""Turns as whoever runs the assistant looks for them: found by the database, in SQL of SQLite and PostgreSQL alike."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, cast, exists, func, literal, or_, select

from assistant.desk.routing import LABEL
from assistant.records.models import ConversationRow, CorrectionRow, FeedbackRow, TurnRow
from assistant.records.repository import Repository
from assistant.records.stored import aware

ROUTE, EVIDENCE = TurnRow.routed["route"].as_string(), TurnRow.checked["evidence"].as_string()
MODEL = TurnRow.ended["backend"].as_string()
COST, CURRENCY = TurnRow.ended["cost"]["amount"].as_float(), TurnRow.ended["cost"]["currency"].as_string()
FIRST: ColumnElement[float] = TurnRow.ended["timings"]["first_token"].as_float()
SECONDS: ColumnElement[float] = TurnRow.ended["timings"]["finished"].as_float()
ORDERS = ("newest", "oldest", "slowest", "costliest", "least supported")
NONE = "none"
"""Asks for turns without evidence state, or without a thumb."""
SEARCHED = 200
"""Characters of what is searched for."""
PAGE = 20
BATCH = 200
"""Turns that an export reads at once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What turns are looked for; what is empty says nothing. ``words`` must all stand in question or answer, in
    whatever case. ``thumb`` is up, down, comment or none; ``unsupported`` asks for answers with a claim that the
    sources do not, or only partly, state; ``corrected`` for turns that people sent another way. Costs are in whatever
    currency, ``seconds`` are those of the whole answer."""

    words: str = ""
    route: str = ""
    evidence: str = ""
    thumb: str = ""
    status: str = ""
    model: str = ""
    surface: str = ""
    unsupported: bool = False
    corrected: bool = False
    cost_from: float | None = None
    cost_to: float | None = None
    seconds_from: float | None = None
    seconds_to: float | None = None
    since: datetime | None = None
    order: str = ORDERS[0]

    def asked(self) -> dict[str, str]:
        """As the parameters of an address, without what is empty."""
        given = {name: value for name, value in asdict(self).items() if value not in ("", None, False)}
        return {name: value.isoformat() if name == "since" else str(value) for name, value in given.items()}

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> Wanted:
        """What ``asked`` gave; what cannot be read says nothing."""
        given: dict[str, Any] = {}
        for each in fields(cls):
            with suppress(ValueError, KeyError):
                given[each.name] = _READ[str(each.type)](asked[each.name])
        return cls(**given)


_READ: Mapping[str, Any] = {
    "str": str,
    "bool": lambda text: text == "True",
    "float | None": float,
    "datetime | None": lambda text: aware(datetime.fromisoformat(text)),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A turn in the list. ``unsupported`` and ``partly`` count claims by what the sources say of them; ``first`` and
    ``seconds`` are to the first token and to the end."""

    id: str
    conversation: str
    made_at: datetime
    surface: str
    person: str
    text: str
    answer: str
    status: str
    route: str | None
    requested: bool
    evidence: str | None
    unsupported: int
    partly: int
    model: str | None
    first: float | None
    seconds: float | None
    tokens: tuple[int | None, int | None]
    cost: float | None
    currency: str | None
    thumb: str
    comment: str
    corrected: bool


def claims(state: str) -> ColumnElement[int]:
    """How many claims of an answer have a state; 0 where nothing was checked. The marks are text to a database: what
    stands in a reason has its quotes escaped and cannot be taken for one."""
    told = f'"state":"{state}"'
    marks = func.replace(TurnRow.checked["marks"].as_string(), '"state": "', '"state":"')
    lost = func.length(marks) - func.length(func.replace(marks, told, ""))
    return cast(func.coalesce(lost // literal(len(told)), 0), Integer)


class Answers:
    """Reads the records, which must be open. All methods raise RecordsError."""

    def __init__(self, records: Repository) -> None:
        self._records = records

    async def page(self, wanted: Wanted, number: int = 1, size: int = PAGE) -> tuple[list[Found], int]:
        """One page of the turns that are wanted, counted from 1, and how many there are in all."""
        ids = _ids(wanted).limit(size).offset((max(1, number) - 1) * size)
        async with self._records.session() as session:
            total = (await session.execute(_count(wanted))).scalar_one()
            found = (await session.execute(ids)).scalars().all()
        return await self._of(found), int(total)

    async def all(self, wanted: Wanted) -> AsyncIterator[list[Found]]:
        """All of them in batches, for an export; turns that are made meanwhile do not come."""
        async with self._records.session() as session:
            found = (await session.execute(_ids(wanted))).scalars().all()
        for place in range(0, len(found), BATCH):
            yield await self._of(found[place : place + BATCH])

    async def models(self, since: datetime | None) -> list[str]:
        """The models that answered, by their names in the settings."""
        query = select(MODEL).where(MODEL.is_not(None), *_since(since)).distinct()
        async with self._records.session() as session:
            return sorted(name for name in (await session.execute(query)).scalars() if name)

    async def _of(self, turns: Sequence[str]) -> list[Found]:
        if not turns:
            return []
        query = _listing().where(TurnRow.id.in_(turns))
        thumbs = select(FeedbackRow.turn, FeedbackRow.thumb, FeedbackRow.comment).where(FeedbackRow.turn.in_(turns))
        async with self._records.session() as session:
            rows = {row[0]: row for row in (await session.execute(query)).all()}
            said = {row[0]: row[1:] for row in (await session.execute(thumbs.order_by(FeedbackRow.made_at))).all()}
        return [_found(rows[turn], *said.get(turn, ("", ""))) for turn in turns if turn in rows]


def _ids(wanted: Wanted) -> Select[Any]:
    return _wanted(select(TurnRow.id), wanted).order_by(*_order(wanted.order), TurnRow.id)


def _count(wanted: Wanted) -> Select[Any]:
    return _wanted(select(func.count(TurnRow.id)), wanted)


def _listing() -> Select[Any]:
    usage = [TurnRow.ended["usage"][f"{name}_tokens"].as_integer() for name in ("input", "output")]
    return select(
        TurnRow.id, TurnRow.conversation_id, TurnRow.created_at, ConversationRow.surface, ConversationRow.person,
        TurnRow.text, TurnRow.answer, TurnRow.status, ROUTE, TurnRow.routed["requested"].as_boolean(), EVIDENCE,
        claims("unsupported"), claims("partly"), MODEL, FIRST, SECONDS, *usage, COST, CURRENCY, _corrected(),
    ).join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)  # fmt: skip


def _found(row: Any, thumb: str, comment: str) -> Found:
    *facts, read, written, cost, currency, corrected = row
    identity, conversation, made_at, surface, person, text, answer, status, route, requested, *rest = facts
    evidence, unsupported, partly, model, first, seconds = rest
    return Found(
        identity, conversation, aware(made_at), surface, person, text, answer, status, route, bool(requested), evidence,
        unsupported, partly, model, first, seconds, (read, written), cost, currency, thumb, comment, bool(corrected),
    )  # fmt: skip


def _wanted(query: Select[Any], wanted: Wanted) -> Select[Any]:
    """The query, for what is wanted. What is read of the turn's first columns comes first: a row is long."""
    rules: list[ColumnElement[bool]] = [*_since(wanted.since)]
    if wanted.status:
        rules.append(TurnRow.status == wanted.status)
    rules += [_holds(word) for word in _words(wanted.words)]
    if wanted.surface:
        query = query.join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
        rules.append(ConversationRow.surface == wanted.surface)
    if wanted.route:
        rules.append(wanted.route == ROUTE)
    if wanted.thumb:
        rules.append(_thumb(wanted.thumb))
    if wanted.corrected:
        rules.append(_corrected())
    if wanted.evidence:
        rules.append(EVIDENCE.is_(None) if wanted.evidence == NONE else wanted.evidence == EVIDENCE)
    if wanted.unsupported:
        rules.append(doubted())
    if wanted.model:
        rules.append(wanted.model == MODEL)
    rules += _between(COST, wanted.cost_from, wanted.cost_to)
    rules += _between(SECONDS, wanted.seconds_from, wanted.seconds_to)
    return query.where(*rules)


def _since(since: datetime | None) -> list[ColumnElement[bool]]:
    return [] if since is None else [TurnRow.created_at >= since]


def _between(value: ColumnElement[float], least: float | None, most: float | None) -> list[ColumnElement[bool]]:
    return [*([] if least is None else [value >= least]), *([] if most is None else [value <= most])]


def doubted() -> ColumnElement[bool]:
    """Whether an answer has a claim that the sources do not, or only partly, state: as ``claims`` counts, but faster.
    Only SQLite takes the space away."""
    marks = TurnRow.checked["marks"].as_string()
    return or_(
        *(marks.contains(f'"state":{space}"{state}"') for state in ("unsupported", "partly") for space in ("", " "))
    )


def _order(order: str) -> tuple[Any, ...]:
    newest = TurnRow.created_at.desc()
    if order == "oldest":
        return (TurnRow.created_at,)
    if order == "slowest":
        return SECONDS.desc().nulls_last(), newest
    if order == "costliest":
        return COST.desc().nulls_last(), newest
    if order == "least supported":
        return claims("unsupported").desc(), claims("partly").desc(), newest
    return (newest,)


def _words(text: str) -> list[str]:
    kept = (letter if unicodedata.category(letter) not in ("Cc", "Cs") else " " for letter in text[:SEARCHED])
    return "".join(kept).split()


def _holds(word: str) -> ColumnElement[bool]:
    """``lower`` on both sides, which on SQLite is ours and knows every alphabet, as PostgreSQL's does."""
    columns: tuple[Any, ...] = (TurnRow.text, TurnRow.answer)
    return or_(*(func.lower(column).contains(word.lower(), autoescape=True) for column in columns))


def _thumb(thumb: str) -> ColumnElement[bool]:
    said = exists().where(FeedbackRow.turn == TurnRow.id)
    if thumb == NONE:
        return ~said
    return said.where(FeedbackRow.comment != "" if thumb == "comment" else FeedbackRow.thumb == thumb)


def _corrected() -> ColumnElement[bool]:
    """By the person who asked: a label of the desk says nothing of how the answer was taken."""
    return exists().where(
        and_(
            CorrectionRow.conversation_id == TurnRow.conversation_id,
            CorrectionRow.turn == TurnRow.id,
            CorrectionRow.verdict != LABEL,
        )
    )
