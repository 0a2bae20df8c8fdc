"""Reading and writing the records: conversations and their turns."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from assistant.records import placing
from assistant.records.database import Database
from assistant.records.database import RecordsError as RecordsError
from assistant.records.ended import Ended
from assistant.records.models import ConversationRow, TurnRow, now
from assistant.records.placing import title_of
from assistant.records.stored import Said, Thread, Tree, stored
from assistant.records.stored import StoredTurn as StoredTurn

_TURNS = cast(Table, TurnRow.__table__)
_SAID = (TurnRow.id, TurnRow.parent, TurnRow.text, TurnRow.answer)


class Gone(RecordsError):
    """The conversation was deleted meanwhile."""

    def __init__(self) -> None:
        super().__init__("this conversation was deleted meanwhile")


@dataclass(frozen=True, slots=True)
class Partial:
    """What has been written of a running turn; ``events`` holds what is new among routed, retrieved and checked."""

    turn: str
    answer: str
    events: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Branch:
    """The last turns of the branch that is shown, oldest first, and whether there are earlier ones."""

    turns: list[StoredTurn]
    earlier: bool


class Repository(Database):
    """Conversations and turns in the records database."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._ended = Ended()

    async def start_conversation(self, person: str, surface: str, first: str = "") -> str:
        """A new conversation without a turn, titled by ``first``, or else by its first turn; returns its id."""
        row = ConversationRow(id=str(uuid.uuid4()), person=person, surface=surface, title=title_of(first))
        async with self.session() as session:
            session.add(row)
        return row.id

    async def begin(self, person: str, surface: str, text: str, collection: str | None = None) -> tuple[str, str]:
        """A new conversation with its first turn, in one transaction; returns the ids of both."""
        return await self.write(lambda session: placing.begin(session, person, surface, text, collection))

    async def surface_of(self, conversation: str, person: str) -> str | None:
        """The surface of a conversation, None unless it exists and is this person's."""
        query = select(ConversationRow.surface).where(
            ConversationRow.id == conversation, ConversationRow.person == person
        )
        return await self.read(lambda session: session.execute(query).scalar_one_or_none())

    async def thread(self, conversation: str, person: str) -> Thread | None:
        """What was said in a conversation, None unless it exists and is this person's."""
        query = (
            select(ConversationRow.surface, ConversationRow.leaf, *_SAID)
            .outerjoin(TurnRow, TurnRow.conversation_id == ConversationRow.id)
            .where(ConversationRow.id == conversation, ConversationRow.person == person)
        )
        rows = await self.read(lambda session: session.execute(query).all())
        said = {row[2]: Said(*row[2:]) for row in rows if row[2] is not None}
        return Thread(rows[0][0], rows[0][1], said) if rows else None

    async def turns(self, conversation: str) -> list[StoredTurn]:
        """The shown branch of a conversation, oldest first."""

        def found(session: Session) -> list[StoredTurn]:
            tree = placing.tree(session, conversation)
            shown = tree.shown()
            query = select(TurnRow).where(TurnRow.conversation_id == conversation)
            if len(shown) < len(tree.nodes):
                query = query.where(TurnRow.id.in_(shown))
            return _in_tree(session, query, tree)

        return await self.read(found)

    async def branch(self, conversation: str, person: str, last: int | None = None) -> Branch | None:
        """The last turns of the shown branch of a conversation, all where ``last`` is None; None unless it exists and
        is this person's."""
        own = select(ConversationRow.id).where(ConversationRow.id == conversation, ConversationRow.person == person)

        def found(session: Session) -> Branch | None:
            if session.execute(own).first() is None:
                return None
            tree = placing.tree(session, conversation)
            shown = tree.shown()
            kept = shown if last is None else shown[-last:]
            known = self._ended.of(kept)
            query = select(TurnRow).where(TurnRow.conversation_id == conversation)
            if len(kept) < len(tree.nodes) or known:
                query = query.where(TurnRow.id.in_([each for each in kept if each not in known]))
            new = {turn.id: turn for turn in _in_tree(session, query, tree)} if len(known) < len(kept) else {}
            self._ended.keep(new.values())
            families, read = tree.families(), known | new
            # One that was deleted since the tree was read is not there.
            turns = [replace(read[each], siblings=families[read[each].parent]) for each in kept if each in read]
            return Branch(turns, len(kept) < len(shown))

        return await self.read(found)

    async def tree(self, conversation: str) -> list[StoredTurn]:
        """The turns of all branches of a conversation, by position and version."""
        query = select(TurnRow).where(TurnRow.conversation_id == conversation)
        return await self.read(lambda session: _in_tree(session, query, placing.tree(session, conversation)))

    async def turn(self, turn: str, person: str) -> StoredTurn | None:
        """One turn, None unless it exists in a conversation of this person."""
        query = select(TurnRow).join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
        query = query.where(TurnRow.id == turn, ConversationRow.person == person)

        def found(session: Session) -> StoredTurn | None:
            row = session.execute(query).scalar()
            if row is None:
                return None
            beside = select(TurnRow.id).where(
                TurnRow.conversation_id == row.conversation_id,
                TurnRow.position == row.position,
                TurnRow.parent.is_not_distinct_from(row.parent),
            )
            return stored(row, session.execute(beside.order_by(TurnRow.version)).scalars())

        return await self.read(found)

    async def start_turn(
        self, conversation: str, text: str, collection: str | None = None, after: str | None = None
    ) -> str:
        """Record what was said before anything answers it, at the end of the shown branch; returns the turn's id.
        ``after`` is the last turn that its history holds: where another branch is shown meanwhile, it goes there.
        Raises Gone."""

        def placed(session: Session) -> str:
            held = placing.touch(session, conversation)
            if held is None:
                raise Gone
            parent = held.leaf
            if after is not None and after != parent:
                parent = parent if after in placing.tree(session, conversation).shown() else after
            return placing.add(session, held, parent, placing.after(session, parent), text, collection)

        return await self.write(placed)

    async def start_sibling(self, turn: StoredTurn, text: str, collection: str | None) -> str:
        """Record that something is said in the place of a turn: its words again, or others. The shown branch ends
        with it; returns the new turn's id. Raises Gone."""

        def placed(session: Session) -> str:
            held = placing.touch(session, turn.conversation)
            if held is None:
                raise Gone
            return placing.add(session, held, turn.parent, turn.position, text, collection)

        return await self.write(placed)

    async def show(self, turn: StoredTurn) -> None:
        """Show a branch that goes through a turn: the one with the newest end, or the one that is shown where that
        goes through it already. Raises Gone."""

        def shown(session: Session) -> None:
            if session.execute(_held(turn.conversation)).first() is None:
                raise Gone
            tree = placing.tree(session, turn.conversation)
            if turn.id not in tree.shown():
                placing.show(session, turn.conversation, tree.newest_below(turn.id))

        await self.write(shown)

    async def keep(self, partials: Sequence[Partial]) -> None:
        """Record how far running turns have come; what has ended meanwhile stays as it is."""
        rows = [{"turn_id": each.turn, "answer": each.answer, "written_at": now()} for each in partials]
        running = update(_TURNS).where(_TURNS.c.id == bindparam("turn_id"), _TURNS.c.status == "running")
        words = running.values(answer=bindparam("answer"), written_at=bindparam("written_at"))

        def kept(session: Session) -> None:
            session.execute(words, rows)
            for each in partials:
                if each.events:
                    session.execute(running.values(**each.events), {"turn_id": each.turn})

        await self.write(kept)

    async def end_turn(self, turn: str, *, answer: str, status: str, events: Mapping[str, Any]) -> None:
        """Record how a turn ended; ``events`` maps routed, retrieved, checked and ended to encoded events."""
        ended = update(TurnRow).where(TurnRow.id == turn).values(answer=answer, status=status, **events)
        await self.write(lambda session: session.execute(ended))


def _in_tree(session: Session, query: Select[Any], tree: Tree) -> list[StoredTurn]:
    families = tree.families()
    rows = session.execute(query.order_by(TurnRow.position, TurnRow.version)).scalars()
    return [stored(row, families[row.parent]) for row in rows if row.id in tree.nodes]


async def hold(session: AsyncSession, conversation: str) -> bool:
    """Have whoever else holds this conversation, in any process, wait until the session ends; whether it exists."""
    return (await session.execute(_held(conversation))).first() is not None


def _held(conversation: str) -> Any:
    query = update(ConversationRow).where(ConversationRow.id == conversation)
    return query.values(updated_at=ConversationRow.updated_at).returning(ConversationRow.id)
