"""Turns as people send them: checked, put into their conversation, run and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace

from assistant.access.identity import Identity
from assistant.access.limits import Limiter, Refused
from assistant.access.limits_ledger import Grant
from assistant.config_limits import Amounts
from assistant.conversation.accepting import (
    TurnRejected,
    an_id,
    comment_text,
    no_conversation,
    no_turn,
    over_limit,
    route_named,
    turn_text,
)
from assistant.conversation.ahead import taken_in
from assistant.conversation.correct import VERDICTS, Meant
from assistant.conversation.engine import Engine
from assistant.conversation.events import Event
from assistant.conversation.front import API_PERSON, COMMAND_PERSON, DEFAULT_SURFACE, Front, Limits, asker, new_person
from assistant.conversation.given import Given
from assistant.conversation.judging import judged
from assistant.conversation.running import Runs
from assistant.conversation.turn import Turn, as_history
from assistant.records.conversations import Conversations, OnDelete
from assistant.records.corrections import Correction, Corrections
from assistant.records.feedback import THUMBS, Feedback, Feedbacks
from assistant.records.models import now
from assistant.records.repository import Gone, Repository
from assistant.records.stored import StoredTurn, Thread
from assistant.telemetry import Metrics

__all__ = [
    "API_PERSON", "COMMAND_PERSON", "DEFAULT_SURFACE", "ChatService", "Front", "Limits", "TurnRejected", "as_history",
    "asker", "new_person",
]  # fmt: skip

Attached = Callable[[str], Awaitable[frozenset[str]]]
"""The collections that belong to one conversation, by its id: what people attached to it."""


class ChatService:
    """The front door of the engine. ``before`` is called when a turn comes in: the place to take over new settings.
    ``attached`` names what a turn may search beside the surface's collections; ``on_delete`` is called with the id of a
    conversation before it is deleted, and where it raises, nothing is. ``limiter`` lets turns in and is closed with
    the service."""

    def __init__(
        self,
        front: Front,
        records: Repository,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
        metrics: Metrics | None = None,
        attached: Attached | None = None,
        on_delete: OnDelete | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        metrics = metrics or Metrics()
        self.conversations = Conversations(records, on_delete)
        self._front = front
        self._before_turn = before
        self._attached = attached
        self._corrections = Corrections(records)
        self._feedback = Feedbacks(records)
        self._limiter = limiter or Limiter(metrics=metrics)
        self._runs = Runs(records, metrics, self._limiter)
        self._records = records

    @property
    def front(self) -> Front:
        """What the settings say of the next turn."""
        return self._front

    @property
    def engine(self) -> Engine:
        """What runs the next turn."""
        return self._front.engine

    def use(self, front: Front) -> None:
        """Run the turns that begin from now on by other settings; those that run go on as they began."""
        self._front = front

    async def aclose(self) -> None:
        """Wait until all that is being recorded is, and release what the limits hold. The records must still be
        open."""
        await self._runs.aclose()
        await self._limiter.aclose()

    async def settled(self, conversation: str, seconds: float = 3.0) -> None:
        """Wait until no turn of a conversation is running, at most so long: what is stopped is recorded by then."""
        await self._runs.settled(conversation, seconds)

    @taken_in
    async def prepare(
        self,
        text: str,
        *,
        person: str | Identity,
        conversation: str | None = None,
        surface: str | None = None,
        collection: str | None = None,
        route: str | None = None,
        groups: Collection[str] = (),
        given: Given | None = None,
    ) -> Turn:
        """The turn, recorded as said. ``person`` is who asks, or the name of somebody of whom nothing else is known;
        ``groups`` come to theirs and to the surface's own; ``given`` is what the caller brings, whose history counts
        where no conversation of ours does. Raises TurnRejected and then records nothing."""
        await self._follow()
        who = Identity.of(person, groups)
        text = turn_text(text, self._front.limits.turn_characters)
        chosen = route_named(route)
        thread, files = None, frozenset[str]()
        if conversation is not None:
            thread, files = await self._known(conversation, who.person)
        surface = thread.surface if thread else surface or who.default_surface(DEFAULT_SURFACE)
        searched = await self._front.searched(surface, collection, who, files)
        said = thread.until(thread.leaf) if thread else []
        if len(said) >= self._front.limits.conversation_turns:
            raise TurnRejected("conversation_full", "This conversation has become too long. Please start a new one.")
        given = given or Given()
        history = as_history(said) if thread else given.history
        told = Turn(text, history, surface, searched, chosen, instructions=given.instructions, page=given.page)
        async with self._admitted(who, surface) as grant:
            told = replace(told, ahead=await self.engine.ahead(told))
            if conversation is None or thread is None:
                conversation, turn = await self._records.begin(who.person, surface, text, collection)
            else:
                try:
                    turn = await self._records.start_turn(conversation, text, collection, thread.leaf)
                except Gone as error:
                    raise no_conversation() from error
        return replace(told, id=turn, conversation=conversation, grant=grant)

    async def correct(
        self, turn: str, verdict: str, *, person: str | Identity, groups: Collection[str] = ()
    ) -> Turn | None:
        """Keep what a person says of the route of a turn, by its id, and prepare the turn to be run that way; None
        where it is kept and cannot be run again. Raises TurnRejected and then keeps nothing."""
        await self._follow()
        who = Identity.of(person, groups)
        stored = await self._stored(turn, who.person)
        correction, found = await self._judged(stored, verdict, who.person)
        try:
            return await self._instead(stored, stored.text, who, found.route, stored.collection, correction)
        except TurnRejected as refused:
            if refused.retry_after is not None:
                raise
            await self._note(correction)
            return None

    async def label(self, turn: str, verdict: str, *, person: str) -> Meant:
        """Keep what a person says of the route of a turn, in place of what was said of it before; what follows from
        it. Raises TurnRejected."""
        correction, found = await self._judged(await self._stored(turn, person), verdict, person)
        await self._note(correction)
        return found

    async def _judged(self, stored: StoredTurn, verdict: str, person: str) -> tuple[Correction, Meant]:
        return judged(stored, await self._around(stored, person), verdict, person, self._front.voiced)

    async def _note(self, correction: Correction) -> None:
        try:
            await self._corrections.note(correction)
        except Gone as error:
            raise no_turn() from error

    async def take_back(self, turn: str, *, person: str) -> bool:
        """Forget what was said of the route of a turn; whether there was anything. Raises TurnRejected."""
        stored = await self._stored(turn, person)
        noted = await self._corrections.listed(stored.conversation)
        if not any(each.question == stored.question and each.verdict in VERDICTS for each in noted):
            return False  # what those who run this have labelled is not this person's to take back
        return await self._corrections.take_back(stored.conversation, stored.question)

    async def corrections(self) -> list[Correction]:
        """All that people have said of routes, for whoever runs this."""
        return await self._corrections.listed()

    async def again(
        self, turn: str, route: str | None, *, person: str | Identity, groups: Collection[str] = ()
    ) -> Turn:
        """A turn, recorded as said once more in its place; the branch that is shown ends with it from now on, and what
        was there stays in the records. Raises TurnRejected and then records nothing."""
        await self._follow()
        who = Identity.of(person, groups)
        stored = await self._stored(turn, who.person)
        return await self._instead(stored, stored.text, who, route, stored.collection)

    async def edit(
        self,
        turn: str,
        text: str,
        *,
        person: str | Identity,
        route: str | None = None,
        collection: str | None = None,
        groups: Collection[str] = (),
    ) -> Turn:
        """Other words in the place of a turn, as ``again`` and ``prepare`` do it. Raises TurnRejected and then records
        nothing."""
        await self._follow()
        text = turn_text(text, self._front.limits.turn_characters)
        who = Identity.of(person, groups)
        return await self._instead(await self._stored(turn, who.person), text, who, route, collection)

    async def show(self, turn: str, *, person: str) -> None:
        """Let the conversation be shown, and go on, by way of a turn, down to the newest end below it; a turn that is
        shown changes nothing. Raises TurnRejected."""
        try:
            await self._records.show(await self._stored(turn, person))
        except Gone as error:
            raise no_turn() from error

    async def feedback(self, turn: str, thumb: str | None, comment: str = "", *, person: str) -> Feedback | None:
        """Keep what a person thinks of an answer, in place of what they thought before; ``thumb`` is up or down, None
        takes it back. Raises TurnRejected and then keeps nothing."""
        stored = await self._stored(turn, person)
        if thumb is None:
            await self._feedback.take_back(stored.id, person)
            return None
        named = next((each for each in THUMBS if each == thumb), None)
        if named is None:
            raise TurnRejected("unknown_thumb", "A thumb is up or down.")
        feedback = Feedback(stored.id, stored.conversation, person, named, comment_text(comment), now())
        try:
            await self._feedback.note(feedback)
        except Gone as error:
            raise no_turn() from error
        return feedback

    @taken_in
    async def _instead(
        self,
        stored: StoredTurn,
        text: str,
        who: Identity,
        route: str | None,
        collection: str | None,
        correction: Correction | None = None,
    ) -> Turn:
        """A turn in the place of another, recorded, and before it the correction that asks for it."""
        chosen = route_named(route)
        thread, files = await self._known(stored.conversation, who.person)
        searched = await self._front.searched(thread.surface, collection, who, files)
        told = Turn(text, as_history(thread.until(stored.parent)), thread.surface, searched, chosen)
        async with self._admitted(who, thread.surface) as grant:
            told = replace(told, ahead=await self.engine.ahead(told))
            if correction is not None:
                await self._note(correction)
            try:
                turn = await self._records.start_sibling(stored, text, collection)
            except Gone as error:
                raise no_turn() from error
        return replace(told, id=turn, conversation=stored.conversation, grant=grant)

    @asynccontextmanager
    async def counted(self, who: Identity, surface: str) -> AsyncIterator[None]:
        """Let in what is no turn, such as a search, as if it were one. Raises TurnRejected."""
        async with self._admitted(who, surface) as grant:
            yield
        await self._limiter.ended(grant)

    @asynccontextmanager
    async def _admitted(self, who: Identity, surface: str) -> AsyncIterator[Grant]:
        """Its place, free again where it is not recorded. Raises TurnRejected where a limit does not let it in."""
        amounts = self._front.amounts.get(surface) or Amounts()
        try:
            async with self._limiter.admitted(who, surface, amounts) as grant:
                yield grant
        except Refused as refused:
            raise over_limit(refused) from refused

    async def _known(self, conversation: str, person: str) -> tuple[Thread, frozenset[str]]:
        """What was said in a conversation, and the collection of its files, asked for at once. Raises TurnRejected
        where it is not this person's."""
        if not an_id(conversation):
            raise no_conversation()
        reading = self._records.thread(conversation, person)
        attached = self._attached(conversation) if self._attached else _nothing()
        thread, files = await asyncio.gather(reading, attached)
        if thread is None:
            raise no_conversation()
        return thread, files

    async def _follow(self) -> None:
        if self._before_turn is not None:
            await self._before_turn()

    async def _stored(self, turn: str, person: str) -> StoredTurn:
        stored = await self._records.turn(turn, person) if an_id(turn) else None
        if stored is None:
            raise no_turn()
        return stored

    async def _around(self, turn: StoredTurn, person: str) -> Thread:
        thread = await self._records.thread(turn.conversation, person)
        if thread is None:
            raise no_turn()
        return thread

    def run(self, turn: Turn) -> AsyncGenerator[Event]:
        """The turn's events, recorded. A stream that is closed early is recorded as stopped, with its text."""
        return self._runs.run(self.engine, turn)

    async def drop(self, turn: Turn) -> None:
        """End a prepared turn that will not be run: it is recorded as stopped, and its place is free."""
        await self._runs.drop(turn)


async def _nothing() -> frozenset[str]:
    return frozenset()
