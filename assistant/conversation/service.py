"""Turns as people send them: checked, put into their conversation, run and recorded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import unicodedata
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from assistant.conversation.correct import VERDICTS, Meant, Voiced, meant, voiced_by
from assistant.conversation.engine import Engine
from assistant.conversation.events import Event, Failed, Finished
from assistant.conversation.record import Record
from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import Message, RouteName, Turn
from assistant.records.corrections import Correction, Corrections
from assistant.records.models import now
from assistant.records.repository import RecordsError, Repository, StoredTurn
from assistant.telemetry import Metrics

log = logging.getLogger(__name__)
DEFAULT_SURFACE = "portal"
API_PERSON = "api"
"""Whoever comes by the API or by a command: one person, as long as nobody signs in."""
_IDS = ("type", "turn", "conversation")

Readable = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""The collections that somebody of these groups may search."""


class TurnRejected(Exception):
    """A turn that is not run: ``code`` is stable (empty_turn, not_text, turn_too_long, unknown_surface,
    unknown_collection, unknown_route, unknown_conversation, conversation_full, unknown_turn, unknown_verdict,
    not_answered, nothing_to_look_up, not_last); the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


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
    """The front door of the engine. ``before`` is called when a turn comes in: the place to take over new settings."""

    def __init__(
        self,
        front: Front,
        records: Repository,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._front = front
        self._before_turn = before
        self._metrics = metrics or Metrics()
        self._corrections = Corrections(records)
        self._records = records
        self._running: dict[str, set[asyncio.Event]] = {}
        self._saving: set[asyncio.Task[None]] = set()

    @property
    def engine(self) -> Engine:
        """What runs the next turn."""
        return self._front.engine

    def use(self, front: Front) -> None:
        """Run the turns that begin from now on by other settings; those that run go on as they began."""
        self._front = front

    async def settled(self, conversation: str, seconds: float = 3.0) -> None:
        """Wait until no turn of a conversation is running, at most so long: what is stopped is recorded by then."""
        waits = [event.wait() for event in self._running.get(conversation, ())]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waits), seconds)

    async def prepare(
        self,
        text: str,
        *,
        person: str,
        conversation: str | None = None,
        surface: str | None = None,
        collection: str | None = None,
        route: str | None = None,
        groups: Collection[str] = (),
    ) -> Turn:
        """The turn, recorded as said. ``groups`` are those of the person, beside the surface's own. Raises
        TurnRejected and then records nothing."""
        await self._follow()
        text = self._checked_text(text)
        chosen = _route(route)
        if conversation is not None:
            known = await self._records.surface_of(conversation, person) if conversation.isascii() else None
            if known is None:
                raise TurnRejected("unknown_conversation", "There is no such conversation of yours. Start a new one.")
            surface = known
        surface = surface or DEFAULT_SURFACE
        readable = await self._readable(surface, collection, groups)
        turns = await self._records.turns(conversation) if conversation else []
        history = as_history(turns)
        if len(turns) >= self._front.limits.conversation_turns:
            raise TurnRejected("conversation_full", "This conversation has become too long. Please start a new one.")
        if conversation is None:
            conversation, turn = await self._records.begin(person, surface, text, collection)
        else:
            turn = await self._records.start_turn(conversation, text, collection)
        return Turn(text, history, surface, readable, chosen, turn, conversation)

    async def correct(self, turn: str, verdict: str, *, person: str, groups: Collection[str] = ()) -> Turn | None:
        """Keep what a person says of the route of a turn, by its id, and prepare the turn to be run that way; None
        where it is kept and cannot be run again. Raises TurnRejected and then keeps nothing."""
        said = await self.label(turn, verdict, person=person)
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
        surface = await self._records.surface_of(stored.conversation, person) or ""
        found = meant(named, decision, self._front.voiced(surface, decision["scores"]["voice"]))
        if found is None:
            raise TurnRejected("nothing_to_look_up", "Nothing was looked up for this answer. Say look_up instead.")
        correction = Correction(
            turn=stored.id,
            conversation=stored.conversation,
            position=stored.position,
            verdict=named,
            person=person,
            surface=surface,
            text=stored.text,
            history=await self._before(stored),
            information=found.information,
            voice=found.voice,
            decision=decision,
            made_at=now(),
        )
        await self._corrections.note(correction)
        return found

    async def take_back(self, turn: str, *, person: str) -> bool:
        """Forget what was said of the route of a turn; whether there was anything. Raises TurnRejected."""
        stored = await self._stored(turn, person)
        return await self._corrections.take_back(stored.conversation, stored.position)

    async def corrections(self) -> list[Correction]:
        """All that people have said of routes, for whoever runs this."""
        return await self._corrections.listed()

    async def again(self, turn: str, route: str | None, *, person: str, groups: Collection[str] = ()) -> Turn:
        """The last turn of a conversation, recorded as said once more in its place; the answers that it had stay in
        the records. Raises TurnRejected and then records nothing."""
        await self._follow()
        stored = await self._stored(turn, person)
        chosen = _route(route)
        surface = await self._records.surface_of(stored.conversation, person) or ""
        readable = await self._readable(surface, stored.collection, groups)
        history = await self._before(stored)
        version = await self._records.start_version(stored)
        if version is None:
            raise TurnRejected("not_last", "Only the last turn can be run again: what was said after it rests on it.")
        return Turn(stored.text, history, surface, readable, chosen, version, stored.conversation)

    async def _follow(self) -> None:
        if self._before_turn is not None:
            await self._before_turn()

    async def _stored(self, turn: str, person: str) -> StoredTurn:
        stored = await self._records.turn(turn, person) if turn.isascii() and turn.isprintable() else None
        if stored is None:
            raise TurnRejected("unknown_turn", "There is no such turn of yours.")
        return stored

    async def _before(self, turn: StoredTurn) -> tuple[Message, ...]:
        turns = await self._records.turns(turn.conversation)
        return as_history(each for each in turns if each.position < turn.position)

    async def run(self, turn: Turn) -> AsyncGenerator[Event]:
        """The turn's events, recorded. A stream that is closed early is recorded as stopped, with its text."""
        record = Record()
        watched = self._metrics.turn(turn)
        done = asyncio.Event()
        self._running.setdefault(turn.conversation, set()).add(done)
        try:
            async with aclosing(self.engine.run(turn)) as events:
                async for event in events:
                    record.take(event)
                    watched.take(event)
                    if isinstance(event, Finished | Failed):
                        await self._kept(turn, record)
                    yield event
        finally:
            watched.end()
            try:
                if record.status == "stopped":
                    await self._kept(turn, record)
            finally:
                self._settle(turn.conversation, done)

    def _settle(self, conversation: str, done: asyncio.Event) -> None:
        done.set()
        running = self._running.get(conversation, set())
        running.discard(done)
        if not running:
            self._running.pop(conversation, None)

    async def _kept(self, turn: Turn, record: Record) -> None:
        """Record the turn. Shielded: whoever stops it must not also stop its being recorded."""
        task = asyncio.ensure_future(self._save(turn, record))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)
        await asyncio.shield(task)

    async def _save(self, turn: Turn, record: Record) -> None:
        """What cannot be recorded is logged: the reader has the answer all the same."""
        try:
            await self._records.end_turn(
                turn.id, answer="".join(record.text), status=record.status, events=record.columns
            )
        except RecordsError:
            log.exception("turn %s could not be recorded", turn.id)

    def _checked_text(self, text: str) -> str:
        text = text.strip()
        if not any(unicodedata.category(letter)[0] not in "CZ" for letter in text):
            raise TurnRejected("empty_turn", "The message is empty. Type a question first.")
        if any(unicodedata.category(letter) == "Cs" for letter in text):
            raise TurnRejected("not_text", "The message holds something that is not text. Type it again.")
        limit = self._front.limits.turn_characters
        if len(text) > limit:
            raise TurnRejected(
                "turn_too_long", f"The message has {len(text):,} characters; at most {limit:,} can be read at once."
            )
        return text

    async def _readable(self, surface: str, collection: str | None, groups: Collection[str]) -> frozenset[str]:
        """What the turn may search. A collection that the person may not read is refused in the very words of one
        that does not exist."""
        if surface not in self._front.surfaces:
            raise TurnRejected("unknown_surface", f"There is no surface '{surface}'.")
        readable = frozenset(await self._front.surfaces[surface](groups))
        if collection is None:
            return readable
        if collection not in readable:
            there = ", ".join(sorted(readable)) or "none yet"
            raise TurnRejected("unknown_collection", f"There is no collection '{collection}' here. There is: {there}.")
        return frozenset({collection})


def as_history(turns: Iterable[StoredTurn]) -> tuple[Message, ...]:
    """A conversation as messages, for the next turn. Unanswered turns count as said."""
    messages: list[Message] = []
    for turn in turns:
        messages.append(Message("user", turn.text))
        if turn.answer.strip():
            messages.append(Message("assistant", turn.answer))
    return tuple(messages)


def _route(route: str | None) -> RouteName | None:
    if route is None or route == "auto":
        return None
    names = [name for name, row in ROUTES.items() if row.on_request]
    for name in names:
        if name == route:
            return name
    raise TurnRejected("unknown_route", f"There is no route '{route}'. There is: auto, {', '.join(names)}.")


def new_person() -> str:
    """An unguessable name for somebody who has not signed in."""
    return f"guest-{uuid.uuid4().hex}"
