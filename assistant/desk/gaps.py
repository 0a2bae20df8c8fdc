"""Questions that the documents did not answer, put together by meaning, for whoever writes the documents."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.orm import aliased

from assistant.desk.answers import EVIDENCE
from assistant.desk.gaps_clusters import central, clusters
from assistant.knowledge.embedder import Embedder, Vectors
from assistant.records.gaps import GapsDone
from assistant.records.models import ConversationRow, FeedbackRow, TurnRow
from assistant.records.repository import Repository
from assistant.records.stored import aware
from assistant.routing.features import CUES

MOST = 5000
"""Turns that are put together, the newest: n² similarities are held."""
READ = 400
"""Characters of a question that are compared."""
SHORT = 4
"""A question of so many words or fewer says nothing without the one before it."""
LEANS = ("follow_up", "refers", "yes")
"""Cues of the router that a question leans on the one before it."""
EMBEDDED_AT_ONCE = 64
NEAREST = 3
MISSING = re.compile(
    r"\b(?:miss(?:es|ing)|incomplete|lacks?|not (?:there|in (?:it|there)|mentioned|covered|found|answered)|"
    r"no (?:answer|information|details?|mention)|(?:does|did)(?: not|n.?t) (?:say|answer|mention|cover|know)|"
    r"fehl\w*|unvollständig|nicht (?:erwähnt|beantwortet|enthalten|drin)|keine (?:antwort|angaben?|information\w*))\b",
    re.IGNORECASE,
)
"""Comments by which an answer is poor because of a fact that is not there."""
_KNOWN: WeakKeyDictionary[Embedder, OrderedDict[str, Vectors]] = WeakKeyDictionary()
"""Vectors of questions by their words: the page and the exports share them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question without a full answer. ``before`` is the question before it on its branch; ``why`` is
    not_in_documents, partly (and a thumb down) or missing (a comment says so); ``nearest`` are the documents that
    came closest, with their cosine, the closest first; ``done`` says that somebody has seen to it."""

    turn: str
    person: str
    text: str
    before: str
    made_at: datetime
    why: str
    comment: str
    nearest: tuple[tuple[str, float], ...]
    done: bool = False

    @property
    def compared(self) -> str:
        """What of it is compared: with the question before it, where it leans on that."""
        text = self.text[:READ].strip()
        leans = len(text.split()) <= SHORT or any(CUES[cue].search(text) for cue in LEANS)
        return f"{self.before[:READ].strip()} {text}" if self.before and leans else text


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions about the same, the newest first; ``name`` is the most central one, ``key`` the id of its turn."""

    key: str
    name: Asked
    asked: tuple[Asked, ...]

    @property
    def open(self) -> bool:
        """Whether anybody asked since somebody saw to it."""
        return any(not each.done for each in self.asked)

    @property
    def people(self) -> int:
        """How many asked."""
        return len({each.person for each in self.asked})

    @property
    def nearest(self) -> list[tuple[str, float]]:
        """The documents that came closest, the most often found first, with their best cosine."""
        found: dict[str, list[float]] = {}
        for each in self.asked:
            for title, similarity in each.nearest:
                found.setdefault(title, []).append(similarity)
        order = sorted(found, key=lambda title: (-len(found[title]), -max(found[title])))
        return [(title, max(found[title])) for title in order[:NEAREST]]

    def trend(self, begin: datetime, end: datetime, parts: int = 8) -> list[int]:
        """How many asked in each part of a span."""
        length = max((end - begin).total_seconds(), 1.0) / parts
        counts = [0] * parts
        for each in self.asked:
            counts[max(0, min(parts - 1, int((each.made_at - begin).total_seconds() / length)))] += 1
        return counts


class Gaps:
    """Finds them. Vectors are kept, so that only what is new is embedded. All methods raise RecordsError and
    EmbedderError."""

    def __init__(self, records: Repository, embedder: Embedder) -> None:
        self._records = records
        self._embedder = embedder
        self._done = GapsDone(records)
        self._vectors = _KNOWN.setdefault(embedder, OrderedDict())
        self._last: tuple[tuple[str, ...], list[list[int]], list[int]] = ((), [], [])
        self._working = asyncio.Lock()

    async def found(self, since: datetime | None) -> list[Gap]:
        """The gaps of a span, done ones too, the most asked first."""
        asked = await self.asked(since)
        async with self._working:
            groups, centres = await self._grouped(asked)
        gaps = [
            Gap(asked[centre].turn, asked[centre], tuple(asked[place] for place in sorted(group)))
            for group, centre in zip(groups, centres, strict=True)
        ]
        return sorted(gaps, key=lambda gap: (-len(gap.asked), -gap.people, -gap.asked[0].made_at.timestamp()))

    async def asked(self, since: datetime | None) -> list[Asked]:
        """The questions without a full answer, the newest first, at most ``MOST``."""
        done = await self._done.turns()
        async with self._records.session() as session:
            rows = (await session.execute(_unanswered(since))).all()
        return [each for each in (_asked(row, done) for row in rows) if each is not None]

    async def done(self, gap: Gap) -> None:
        """Hide it until somebody asks again."""
        await self._done.note([each.turn for each in gap.asked])

    async def open(self, gap: Gap) -> None:
        """Show it again."""
        await self._done.take_back([each.turn for each in gap.asked])

    async def _grouped(self, asked: Sequence[Asked]) -> tuple[list[list[int]], list[int]]:
        """Places of questions in groups, and of the most central one of each."""
        texts = tuple(each.compared for each in asked)
        if texts != self._last[0]:
            vectors = await self._embedded(texts)
            self._last = (texts, *await asyncio.to_thread(_put_together, texts, vectors))
        return self._last[1], self._last[2]

    async def _embedded(self, texts: Sequence[str]) -> dict[str, Vectors]:
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        for place in range(0, len(new), EMBEDDED_AT_ONCE):  # in pieces, so that turns find their turn between them
            some = new[place : place + EMBEDDED_AT_ONCE]
            self._vectors.update(zip(some, await self._embedder.embed(some), strict=True))
        found = {text: self._vectors[text] for text in texts}
        while len(self._vectors) > max(2 * MOST, len(found)):
            self._vectors.popitem(last=False)
        return found


def _put_together(texts: Sequence[str], vectors: dict[str, Vectors]) -> tuple[list[list[int]], list[int]]:
    """Questions in the same words are one that weighs more."""
    same: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        same.setdefault(text, []).append(place)
    each = list(same)
    if not each:
        return [], []
    matrix = np.stack([vectors[text] for text in each])
    weights = [float(len(same[text])) for text in each]
    groups, centres = [], []
    for group in clusters(matrix, weights):
        middle = group[central(matrix[group], [weights[one] for one in group])]
        groups.append([place for one in group for place in same[each[one]]])
        centres.append(same[each[middle]][0])
    return groups, centres


def _unanswered(since: datetime | None) -> Select[Any]:
    """One turn a question, its last version, unless another version found an answer."""
    before, other, found = aliased(TurnRow), aliased(TurnRow), TurnRow.retrieved
    same = and_(
        other.conversation_id == TurnRow.conversation_id,
        other.position == TurnRow.position,
        other.question == TurnRow.question,
        TurnRow.question != "",
    )
    better = exists().where(same, other.checked["evidence"].as_string() == "supported", other.id != TurnRow.id)
    newer = exists().where(same, other.version > TurnRow.version, other.checked["evidence"].as_string().is_not(None))
    nearest: list[Any] = []
    for place in range(NEAREST):
        nearest += [
            found[("passages", place, "title")].as_string(), found[("passages", place, "document")].as_string(),
            found[("passages", place, "similarity")].as_float(),
        ]  # fmt: skip
    columns: list[Any] = [
        TurnRow.id, ConversationRow.person, TurnRow.text, before.text, TurnRow.created_at, EVIDENCE, FeedbackRow.thumb,
        FeedbackRow.comment, *nearest,
    ]  # fmt: skip
    query: Select[Any] = (
        select(*columns)
        .join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
        .outerjoin(before, before.id == TurnRow.parent)
        .outerjoin(FeedbackRow, and_(FeedbackRow.turn == TurnRow.id, FeedbackRow.person == ConversationRow.person))
        .where(_poor(), ~newer, or_(FeedbackRow.thumb == "down", ~better))
        .order_by(TurnRow.created_at.desc(), TurnRow.id)
        .limit(MOST)
    )
    return query if since is None else query.where(TurnRow.created_at >= since)


def _poor() -> ColumnElement[bool]:
    down = and_(FeedbackRow.thumb == "down", EVIDENCE.is_not(None))
    return or_(EVIDENCE == "not_in_documents", and_(down, or_(EVIDENCE == "partly", FeedbackRow.comment != "")))


def _asked(row: Any, done: frozenset[str]) -> Asked | None:
    turn, person, text, before, made_at, evidence, thumb, comment, *nearest = row
    comment = comment or "" if thumb == "down" else ""
    why = evidence if evidence == "not_in_documents" or (evidence == "partly" and thumb == "down") else "missing"
    if why == "missing" and not MISSING.search(comment):
        return None
    return Asked(turn, person, text, before or "", aware(made_at), why, comment, _nearest(nearest), turn in done)


def _nearest(found: Sequence[Any]) -> tuple[tuple[str, float], ...]:
    best: dict[str, float] = {}
    for title, document, similarity in zip(found[::3], found[1::3], found[2::3], strict=True):
        if title or document:
            name = title or document
            best[name] = max(best.get(name, -1.0), float(similarity or 0.0))
    return tuple(sorted(best.items(), key=lambda each: -each[1]))


def begin_of(gaps: Sequence[Gap], since: datetime | None) -> datetime:
    """When a span begins, for all time with the first question."""
    first = min((each.made_at for gap in gaps for each in gap.asked), default=datetime.now(UTC))
    return since or first
