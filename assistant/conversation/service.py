"""Turns as people send them: checked, put into their conversation, run and recorded."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from assistant.access.identity import Identity
from assistant.conversation.accepting import TurnRejected as TurnRejected
from assistant.conversation.accepting import an_id, comment_text, no_conversation, no_turn, route_named, turn_text
from assistant.conversation.correct import VERDICTS, Meant, Voiced, meant, voiced_by
from assistant.conversation.engine import Engine
from assistant.conversation.events import Event
from assistant.conversation.running import Runs
from assistant.conversation.turn import Message, Turn
from assistant.records.conversations import Conversations, OnDelete
from assistant.records.corrections import Correction, Corrections
from assistant.records.feedback import THUMBS, Feedback, Feedbacks
from assistant.records.models import now
from assistant.records.repository import Gone, Repository
from assistant.records.stored import Said, StoredTurn, Thread
from assistant.telemetry import Metrics

DEFAULT_SURFACE = "portal"
API_PERSON = "api"
COMMAND_PERSON = "command"
"""Whoever asks as somebody of other groups: only commands on this machine may, and nobody else sees the answers."""
"""Whoever comes by the API or by a command: one person, as long as nobody signs in."""
_IDS = ("type", "turn", "conversation")

Readable = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""The collections that somebody of these groups may search."""
Attached = Callable[[str], Awaitable[frozenset[str]]]
"""The collections that belong to one conversation, by its id: what people attached to it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a turn may be, in characters, and how many turns a conversation may have."""

    turn_characters: int = 20_000
    conversation_turns: int = 200


@dataclass(frozen=True, slots=True)
class Front:
    """What the settings say of turns, exchanged as one when they change. ``surfaces`` maps a surface to the collections
    that people of given groups may search on it, as a function, because collections come and go while the program runs.
    ``voiced`` is the router's rule for the voice, for turns that people say should have been looked up."""

    engine: Engine
    surfaces: Mapping[str, Readable]
    limits: Limits = Limits()
    voiced: Voiced = field(default_factory=lambda: voiced_by({}, 0.5))


class ChatService:
    """The front door of the engine. ``before`` is called when a turn comes in: the place to take over new settings.
    ``attached`` names what a turn may search beside the surface's collections; ``on_delete`` is called with the id of a
    conversation before it is deleted, and where it raises, nothing is."""

    def __init__(
        self,
        front: Front,
        records: Repository,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
        metrics: Metrics | None = None,
        attached: Attached | None = None,
        on_delete: OnDelete | None = None,
    ) -> None:
        self.conversations = Conversations(records, on_delete)
        self._front = front
        self._before_turn = before
        self._attached = attached
        self._corrections = Corrections(records)
        self._feedback = Feedbacks(records)
        self._runs = Runs(records, metrics or Metrics())
        self._records = records

    @property
    def engine(self) -> Engine:
        """What runs the next turn."""
        return self._front.engine

    def use(self, front: Front) -> None:
        """Run the turns that begin from now on by other settings; those that run go on as they began."""
        self._front = front

    async def settled(self, conversation: str, seconds: float = 3.0) -> None:
        """Wait until no turn of a conversation is running, at most so long: what is stopped is recorded by then."""
        await self._runs.settled(conversation, seconds)

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
    ) -> Turn:
        """The turn, recorded as said. ``person`` is who asks, or the name of somebody of whom nothing else is known;
        ``groups`` come to theirs and to the surface's own. Raises TurnRejected and then records nothing."""
        await self._follow()
        who = Identity.of(person, groups)
        text = turn_text(text, self._front.limits.turn_characters)
        chosen = route_named(route)
        thread = None if conversation is None else await self._thread(conversation, who.person)
        surface = thread.surface if thread else surface or who.default_surface(DEFAULT_SURFACE)
        readable = await self._readable(surface, collection, who, conversation)
        said = thread.until(thread.leaf) if thread else []
        if len(said) >= self._front.limits.conversation_turns:
            raise TurnRejected("conversation_full", "This conversation has become too long. Please start a new one.")
        if conversation is None or thread is None:
            conversation, turn = await self._records.begin(who.person, surface, text, collection)
        else:
            try:
                turn = await self._records.start_turn(conversation, text, collection, thread.leaf)
            except Gone as error:
                raise no_conversation() from error
        return Turn(text, as_history(said), surface, readable, chosen, turn, conversation)

    async def correct(
        self, turn: str, verdict: str, *, person: str | Identity, groups: Collection[str] = ()
    ) -> Turn | None:
        """Keep what a person says of the route of a turn, by its id, and prepare the turn to be run that way; None
        where it is kept and cannot be run again. Raises TurnRejected and then keeps nothing."""
        said = await self.label(turn, verdict, person=Identity.of(person).person)
        try:
            return await self.again(turn, said.route, person=person, groups=groups)
        except TurnRejected:
            return None

    async def label(self, turn: str, verdict: str, *, person: str) -> Meant:
        """Keep what a person says of the route of a turn, in place of what was said of it before; what follows from
        it. Raises TurnRejected."""
        stored = await self._stored(turn, person)
        named = next((each for each in VERDICTS if each == verdict), None)
        if named is None:
            raise TurnRejected("unknown_verdict", f"There is no verdict '{verdict}'. There is: {', '.join(VERDICTS)}.")
        if stored.routed is None:
            raise TurnRejected("not_answered", "This turn has no answer yet whose route could be wrong. Wait for it.")
        decision = {name: value for name, value in stored.routed.items() if name not in _IDS}
        thread = await self._around(stored, person)
        found = meant(named, decision, self._front.voiced(thread.surface, decision["scores"]["voice"]))
        if found is None:
            raise TurnRejected("nothing_to_look_up", "Nothing was looked up for this answer. Say look_up instead.")
        correction = Correction(
            turn=stored.id,
            conversation=stored.conversation,
            question=stored.question,
            verdict=named,
            person=person,
            surface=thread.surface,
            text=stored.text,
            history=as_history(thread.until(stored.parent)),
            information=found.information,
            voice=found.voice,
            decision=decision,
            made_at=now(),
        )
        try:
            await self._corrections.note(correction)
        except Gone as error:
            raise no_turn() from error
        return found

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

    async def _instead(
        self, stored: StoredTurn, text: str, who: Identity, route: str | None, collection: str | None
    ) -> Turn:
        chosen = route_named(route)
        thread = await self._around(stored, who.person)
        readable = await self._readable(thread.surface, collection, who, stored.conversation)
        try:
            turn = await self._records.start_sibling(stored, text, collection)
        except Gone as error:
            raise no_turn() from error
        history = as_history(thread.until(stored.parent))
        return Turn(text, history, thread.surface, readable, chosen, turn, stored.conversation)

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

    async def _thread(self, conversation: str, person: str) -> Thread:
        thread = await self._records.thread(conversation, person) if an_id(conversation) else None
        if thread is None:
            raise no_conversation()
        return thread

    def run(self, turn: Turn) -> AsyncGenerator[Event]:
        """The turn's events, recorded. A stream that is closed early is recorded as stopped, with its text."""
        return self._runs.run(self.engine, turn)

    async def _readable(
        self, surface: str, collection: str | None, who: Identity, conversation: str | None
    ) -> frozenset[str]:
        """What the turn may search. A surface or a collection that is not for this person is refused in the very words
        of one that does not exist."""
        if surface not in self._front.surfaces or not who.on(surface):
            raise TurnRejected("unknown_surface", f"There is no surface '{surface}'.")
        readable = who.within(await self._front.surfaces[surface](who.groups))
        attached = frozenset[str]()
        if conversation is not None and self._attached is not None:
            attached = await self._attached(conversation)
        if collection is None:
            return readable | attached
        if collection not in readable:
            there = ", ".join(sorted(readable)) or "none yet"
            raise TurnRejected("unknown_collection", f"There is no collection '{collection}' here. There is: {there}.")
        return frozenset({collection}) | attached


def as_history(turns: Iterable[Said | StoredTurn]) -> tuple[Message, ...]:
    """A conversation as messages, for the next turn. Unanswered turns count as said."""
    messages: list[Message] = []
    for turn in turns:
        messages.append(Message("user", turn.text))
        if turn.answer.strip():
            messages.append(Message("assistant", turn.answer))
    return tuple(messages)


def asker(groups: Collection[str]) -> str:
    """Who it is that asks by the API or by a command, as somebody of these groups."""
    return COMMAND_PERSON if groups else API_PERSON


def new_person() -> str:
    """An unguessable name for somebody who has not signed in."""
    return f"guest-{uuid.uuid4().hex}"
