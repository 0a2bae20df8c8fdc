"""The conversations of a person: listed, searched, renamed, pinned, exported, deleted."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, delete, exists, false, func, or_, select, tuple_, update
from sqlalchemy.orm import aliased

from assistant.conversation.export import Format, Whole, export
from assistant.records.corrections import Corrections
from assistant.records.feedback import Feedbacks
from assistant.records.models import ConversationRow, TurnRow
from assistant.records.repository import Repository
from assistant.records.stored import aware

TITLE_CHARACTERS = 200
MOST = 200
"""Conversations of one page of a list."""
SEARCH_CHARACTERS = 200
OnDelete = Callable[[str], Awaitable[None]]
"""Called with the id of a conversation before it is deleted."""


class Unusable(ValueError):
    """A title or a place in a list that cannot be used; the message is for people."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One in the list; ``turns`` is the length of the branch that is shown."""

    id: str
    surface: str
    title: str
    pinned: bool
    created_at: datetime
    updated_at: datetime
    turns: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; ``next`` is the ``before`` of the part after it, None at the end."""

    conversations: tuple[Conversation, ...]
    next: str | None


class Conversations:
    """Reads and changes them in the records database, which must be open, each only for the person whose it is; to
    anybody else it does not exist. All methods raise RecordsError."""

    def __init__(self, repository: Repository, on_delete: OnDelete | None = None) -> None:
        self._records = repository
        self._on_delete = on_delete

    async def listed(
        self,
        person: str,
        surface: str | None = None,
        search: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Page:
        """Those in which anything was said, pinned ones first, then the newest; ``search`` is looked for in titles and
        in all that was said, in whatever case. Raises Unusable."""
        size = max(1, min(limit, MOST))
        query = _listing().where(ConversationRow.person == person)
        if surface is not None:
            query = query.where(ConversationRow.surface == surface)
        if search and search.strip():
            query = query.where(_holds(search.strip()))
        if before is not None:
            query = query.where(tuple_(*_place(before)) > _ORDER)
        query = query.order_by(*(column.desc() for column in _COLUMNS)).limit(size + 1)
        found = [_conversation(row) for row in await self._records.read(lambda session: session.execute(query).all())]
        return Page(tuple(found[:size]), _cursor(found[size - 1]) if len(found) > size else None)

    async def one(self, conversation: str, person: str) -> Conversation | None:
        """One of them, None where there is no such conversation of theirs; also one in which nothing was said yet."""
        query = _listing(empty=True).where(ConversationRow.id == conversation, ConversationRow.person == person)
        row = await self._records.read(lambda session: session.execute(query).first())
        return _conversation(row) if row else None

    async def rename(self, conversation: str, title: str, person: str) -> bool:
        """Give it another title; whether there is such a conversation of theirs. Raises Unusable."""
        title = " ".join("".join(_printable(letter) for letter in title).split())
        if not title:
            raise Unusable("The title is empty.")
        if len(title) > TITLE_CHARACTERS:
            raise Unusable(f"A title has at most {TITLE_CHARACTERS} characters.")
        return await self._change(conversation, person, title=title)

    async def pin(self, conversation: str, pinned: bool, person: str) -> bool:
        """Keep it above the others, or no longer; whether there is such a conversation of theirs."""
        return await self._change(conversation, person, pinned=pinned)

    async def delete(self, conversation: str, person: str) -> bool:
        """Forget it with its turns, corrections and feedback, and whatever ``on_delete`` forgets; whether there was
        such a conversation of theirs. A turn that is running in it runs on and is not recorded any more."""
        if await self._records.surface_of(conversation, person) is None:
            return False
        if self._on_delete is not None:
            await self._on_delete(conversation)
        query = delete(ConversationRow).where(ConversationRow.id == conversation, ConversationRow.person == person)
        async with self._records.session() as session:
            return (await session.execute(query.returning(ConversationRow.id))).first() is not None

    async def export(self, conversation: str, person: str, form: Format) -> str | None:
        """The branch that is shown, as Markdown, or everything, as JSON; None where there is no such conversation of
        theirs."""
        found = await self.one(conversation, person)
        if found is None:
            return None
        shown = await self._records.turns(conversation)
        whole = Whole(
            title=found.title,
            about={"id": found.id, "surface": found.surface, "title": found.title, "pinned": found.pinned},
            created_at=found.created_at,
            updated_at=found.updated_at,
            shown=shown,
            turns=await self._records.tree(conversation) if form == "json" else shown,
            feedback=await Feedbacks(self._records).of(conversation, person),
            corrections=[
                each for each in await Corrections(self._records).listed(conversation) if each.person == person
            ],
        )
        return export(whole, form)

    async def _change(self, conversation: str, person: str, **values: Any) -> bool:
        query = update(ConversationRow).where(ConversationRow.id == conversation, ConversationRow.person == person)
        async with self._records.session() as session:
            changed = await session.execute(query.values(**values).returning(ConversationRow.id))
            return changed.first() is not None


_COLUMNS: tuple[Any, ...] = (ConversationRow.pinned, ConversationRow.updated_at, ConversationRow.id)
_ORDER = tuple_(*_COLUMNS)


def _listing(empty: bool = False) -> Select[Any]:
    """Conversations with the position of their leaf; without a leaf there is no turn."""
    row = ConversationRow
    columns = (row.id, row.surface, row.title, row.pinned, row.created_at, row.updated_at, TurnRow.position)
    query = select(*columns).join(TurnRow, TurnRow.id == row.leaf, isouter=empty)
    return cast(Select[Any], query)


def _holds(search: str) -> ColumnElement[bool]:
    wanted = "".join(_printable(letter) for letter in search[:SEARCH_CHARACTERS])
    if not wanted:
        return false()
    turn = aliased(TurnRow)
    said = or_(*(_like(column, wanted) for column in (turn.text, turn.answer)))
    found = exists().where(turn.conversation_id == ConversationRow.id, said)
    return or_(_like(ConversationRow.title, wanted), found)


def _like(column: Any, wanted: str) -> ColumnElement[bool]:
    """``lower`` on both sides, which on SQLite is ours and knows every alphabet, as PostgreSQL's does."""
    found: ColumnElement[bool] = func.lower(column).contains(wanted.lower(), autoescape=True)
    return found


def _printable(letter: str) -> str:
    category = unicodedata.category(letter)
    return letter if category[0] != "C" or category == "Cf" else " " if category == "Cc" and letter != "\x00" else ""


def _cursor(last: Conversation) -> str:
    place = json.dumps([last.pinned, last.updated_at.isoformat(), last.id])
    return base64.urlsafe_b64encode(place.encode()).decode()


def _place(cursor: str) -> tuple[bool, datetime, str]:
    try:
        pinned, moment, identity = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return bool(pinned), aware(datetime.fromisoformat(moment)), str(identity).replace("\x00", "")
    except (ValueError, TypeError) as error:
        raise Unusable("There is no such place in the list. Start from its beginning.") from error


def _conversation(row: Any) -> Conversation:
    identity, surface, title, pinned, created, updated, last = row
    turns = 0 if last is None else last + 1
    return Conversation(identity, surface, title, pinned, aware(created), aware(updated), turns)
