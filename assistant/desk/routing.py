"""What the records know of routes: how turns were sent, what people said of it, and which turns would teach most."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, case, cast, func, literal, select

from assistant.records.corrections import Correction, Corrections
from assistant.records.models import ConversationRow, CorrectionRow, TurnRow
from assistant.records.repository import Repository

LABEL = "label"
"""The verdict of a correction that somebody made at the desk, about a conversation that is not theirs."""
DAY, HOUR = 10, 13
"""Characters of a time that name its day and its hour."""
QUEUE = 100
"""Turns in the queue: more are fetched when these are done."""
NEAR = 0.5
"""Of the way that there is between a threshold and certainty: farther away no label is asked for."""
SPARE = 8
"""As many times more are read, because turns that are alike in words and scores are asked only once."""

ROUTED = TurnRow.routed
ROUTE = ROUTED["route"].as_string()
REQUESTED = ROUTED["requested"].as_boolean()
INFORMATION: ColumnElement[float] = ROUTED["scores"]["information"].as_float()
VOICE: ColumnElement[float] = ROUTED["scores"]["voice"].as_float()


@dataclass(frozen=True, slots=True)
class Sent:
    """Turns of a surface that went one way at a time (UTC: "2026-11-21", or "2026-11-21 09" by hours). ``chosen`` says
    that people chose the way; ``corrected`` counts the turns of which they said that another would have been right."""

    when: str
    surface: str
    route: str
    chosen: bool
    turns: int
    corrected: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where decisions tip: at ``information``, and at ``voice`` on ``surfaces``, which are those that answer in the
    voice on request."""

    information: float
    voice: float
    surfaces: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A turn to label. ``far`` is how far the nearest score is from its threshold, 0 to 1 of the way that is there, and
    ``about`` which score that is: information or voice."""

    turn: str
    far: float
    about: str


class RoutingRecords:
    """Reads the records, which must be open. All methods raise RecordsError."""

    def __init__(self, records: Repository) -> None:
        self._records = records
        self._corrections = Corrections(records)

    async def sent(self, since: datetime | None, *, by: int = DAY) -> list[Sent]:
        """How turns went, by time, surface and way, the earliest first; ``by`` is DAY or HOUR."""
        async with self._records.session() as session:
            when = _when(session.get_bind().dialect.name, by)
            said = select(CorrectionRow.turn).where(CorrectionRow.verdict != LABEL).distinct().subquery("said")
            query = (
                select(when, ConversationRow.surface, ROUTE, REQUESTED, func.count(), func.count(said.c.turn))
                .join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
                .outerjoin(said, said.c.turn == TurnRow.id)
                .where(ROUTE.is_not(None), *_since(since))
                .group_by(when, ConversationRow.surface, ROUTE, REQUESTED)
                .order_by(when, ConversationRow.surface, ROUTE)
            )
            found = (await session.execute(query)).all()
        return [
            Sent(at, surface, route, bool(chosen), turns, said) for at, surface, route, chosen, turns, said in found
        ]

    async def corrections(self, since: datetime | None) -> list[Correction]:
        """What people said, and what was labelled at the desk, the earliest first."""
        return [each for each in await self._corrections.listed() if since is None or each.made_at >= since]

    async def uncertain(
        self, at: Threshold, since: datetime | None = None, *, without: Collection[str] = (), limit: int = QUEUE
    ) -> list[Uncertain]:
        """The turns nearest to a threshold of which nobody has said anything, nearest first; ``without`` are ids to
        leave out. Of turns with the same words and scores there is one, since their labels would be one, too."""
        distance, about = _nearness(at)
        said = select(CorrectionRow.id).where(
            CorrectionRow.conversation_id == TurnRow.conversation_id, CorrectionRow.question == TurnRow.question
        )
        query = (
            select(TurnRow.id, TurnRow.text, INFORMATION, VOICE, distance, about)
            .join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
            .where(ROUTE.is_not(None), REQUESTED.is_(False), ~said.exists(), distance < NEAR, *_since(since))
            .order_by(distance, TurnRow.created_at.desc())
            .limit(limit * SPARE)
        )
        labelled = select(CorrectionRow.text, CorrectionRow.decision)
        async with self._records.session() as session:
            rows = (await session.execute(query)).all()
            known = {_alike(text, made["scores"]) for text, made in (await session.execute(labelled)).all()}
        found: list[Uncertain] = []
        for turn, text, information, voice, far, which in rows:
            mark = _alike(text, {"information": information, "voice": voice})
            if mark not in known and turn not in without and len(found) < limit:
                known.add(mark)
                found.append(Uncertain(turn, float(far), which))
        return found

    async def labelled(self, by: str) -> int:
        """How many labels somebody has made at the desk."""
        query = select(func.count()).where(CorrectionRow.verdict == LABEL, CorrectionRow.person == by)
        async with self._records.session() as session:
            return int((await session.execute(query.select_from(CorrectionRow))).scalar_one())

    async def texts(self, turns: Sequence[str]) -> dict[str, str]:
        """What was said in turns, by their ids, where they are still there."""
        if not turns:
            return {}
        async with self._records.session() as session:
            rows = await session.execute(select(TurnRow.id, TurnRow.text).where(TurnRow.id.in_(turns)))
            return {turn: text for turn, text in rows.all()}


def _when(dialect: str, by: int) -> ColumnElement[str]:
    """A time's first characters in UTC. SQLite keeps times as such text, PostgreSQL in the zone of the session."""
    made: Any = TurnRow.created_at
    return func.substr(cast(func.timezone("UTC", made) if dialect == "postgresql" else made, String), 1, by)


def _since(since: datetime | None) -> list[ColumnElement[bool]]:
    return [] if since is None else [TurnRow.created_at >= since]


def _nearness(at: Threshold) -> tuple[ColumnElement[float], ColumnElement[str]]:
    """How near a turn is to tipping, and by which score. The voice matters only to what is looked up."""
    information = _far(INFORMATION, at.information)
    if not at.surfaces or not 0 < at.voice < 1:
        return information, literal("information")
    asked = ConversationRow.surface.in_(list(at.surfaces)) & INFORMATION.__ge__(at.information)
    voice = case((asked, _far(VOICE, at.voice)), else_=1.0)
    nearer = voice < information
    return case((nearer, voice), else_=information), case((nearer, "voice"), else_="information")


def _far(score: ColumnElement[float], threshold: float) -> ColumnElement[float]:
    below, above = (threshold - score) / threshold, (score - threshold) / (1 - threshold)
    return case((score < threshold, below), else_=above)


def _alike(text: str, scores: Any) -> tuple[str, float, float]:
    return text.strip().casefold(), round(float(scores["information"]), 3), round(float(scores["voice"]), 3)
