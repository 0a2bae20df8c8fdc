"""Where turns go in the tree of their conversation, within the transaction of a session."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, insert, select, update
from sqlalchemy.orm import Session

from assistant.records.models import ConversationRow, TurnRow, now
from assistant.records.stored import Node, Tree, aware

_CONVERSATIONS, _TURNS = cast(Table, ConversationRow.__table__), cast(Table, TurnRow.__table__)
"""As objects of the ORM they take twice as long, before the first token of every conversation."""
TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Held:
    """A conversation that nobody else, in any process, can change until the session ends."""

    id: str
    leaf: str | None
    title: str


def begin(session: Session, person: str, surface: str, text: str, collection: str | None) -> tuple[str, str]:
    """A new conversation with its first turn; the ids of both."""
    conversation, turn = str(uuid.uuid4()), str(uuid.uuid4())
    session.execute(
        insert(_CONVERSATIONS),
        {"id": conversation, "person": person, "surface": surface, "title": title_of(text), "leaf": turn},
    )
    session.execute(
        insert(_TURNS),
        {
            "id": turn,
            "conversation_id": conversation,
            "question": turn,
            "position": 0,
            "text": text,
            "collection": collection,
        },
    )
    return conversation, turn


def touch(session: Session, conversation: str) -> Held | None:
    """Hold a conversation in which something is said now; None where it does not exist (any more)."""
    query = update(_CONVERSATIONS).where(_CONVERSATIONS.c.id == conversation).values(updated_at=now())
    found = session.execute(query.returning(_CONVERSATIONS.c.leaf, _CONVERSATIONS.c.title)).first()
    return None if found is None else Held(conversation, found[0], found[1])


def after(session: Session, parent: str | None) -> int:
    """The position of what follows a turn. Not asked together with ``touch``: what PostgreSQL reads beside the row that
    it waited for is from before the wait."""
    if parent is None:
        return 0
    position = select(_TURNS.c.position).where(_TURNS.c.id == parent)
    return 1 + int(session.execute(position).scalar_one())


def add(session: Session, held: Held, parent: str | None, position: int, text: str, collection: str | None) -> str:
    """Record a turn after ``parent``, at ``position``, which ends the shown branch from now on; its id."""
    turn = str(uuid.uuid4())
    there = select(_TURNS.c.version, _TURNS.c.parent, _TURNS.c.question, _TURNS.c.text == text).where(
        _TURNS.c.conversation_id == held.id, _TURNS.c.position == position
    )
    version, question = 0, turn
    for each, beside, asked, same in session.execute(there.order_by(_TURNS.c.version.desc())).all():
        version = max(version, each + 1)
        question = asked if same and beside == parent and asked else question
    values = {"parent": parent, "question": question, "position": position, "version": version}
    session.execute(
        insert(_TURNS), {"id": turn, "conversation_id": held.id, "text": text, "collection": collection, **values}
    )
    titled = {} if held.title or held.leaf else {"title": title_of(text)}
    session.execute(update(_CONVERSATIONS).where(_CONVERSATIONS.c.id == held.id).values(leaf=turn, **titled))
    return turn


def tree(session: Session, conversation: str) -> Tree:
    """The tree of a conversation; an empty one where there is none."""
    columns = (_TURNS.c.id, _TURNS.c.parent, _TURNS.c.created_at, _TURNS.c.position, _TURNS.c.version)
    query = (
        select(_CONVERSATIONS.c.leaf, *columns)
        .join(_TURNS, _TURNS.c.conversation_id == _CONVERSATIONS.c.id)
        .where(_CONVERSATIONS.c.id == conversation)
        .order_by(_TURNS.c.position, _TURNS.c.version)
    )
    rows = session.execute(query).all()
    nodes = {row[1]: Node(row[1], row[2], (aware(row[3]), row[4], row[5])) for row in rows}
    return Tree(nodes, rows[0][0] if rows else None)


def show(session: Session, conversation: str, leaf: str) -> None:
    """Let the shown branch end with a turn."""
    session.execute(update(_CONVERSATIONS).where(_CONVERSATIONS.c.id == conversation).values(leaf=leaf))


def title_of(first: str) -> str:
    """A title made of what was said first."""
    title = " ".join(first.split())
    return title if len(title) <= TITLE_CHARACTERS else title[: TITLE_CHARACTERS - 1].rstrip() + "…"
