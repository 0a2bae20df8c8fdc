"""What the chat page does: handlers between its controls and the service's events.

The browser keeps who it is and which conversation is open; what was said is read from the records.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant.conversation.correct import VERDICTS
from assistant.conversation.service import ChatService, TurnRejected, new_person
from assistant.conversation.told import Language
from assistant.conversation.turn import Turn
from assistant.conversation.wire import encode
from assistant.records.corrections import Correction, Corrections
from assistant.records.repository import Repository, StoredTurn
from ui.encode import Shown
from ui.rendering import said
from ui.ways import UNDO, Said, read

log = logging.getLogger(__name__)
REFRESH = 0.1
"""Seconds between updates of a streaming answer; per token the browser falls behind on long conversations."""
SHOWN_TURNS = 30
Messages = list[dict[str, Any]]
Steps = AsyncGenerator[tuple[Any, ...]]
"""What a handler changes on the page, step by step: the box, the messages, what the browser keeps."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a surface's page says before anybody has said anything; ``collections`` maps names to titles."""

    title: str
    greeting: str
    placeholder: str
    disclaimer: str | None
    suggestions: tuple[str, ...]
    collections: Mapping[str, str]
    contact: str | None = None
    language: Language = "en"
    hosts: tuple[str, ...] = ()


class ChatPage:
    """Handlers of one surface's page."""

    def __init__(
        self,
        service: ChatService,
        records: Repository,
        surface: str,
        look: Callable[[], Look],
        trouble: Callable[[], bool],
    ) -> None:
        self._trouble = trouble
        self._service = service
        self._records = records
        self._corrections = Corrections(records)
        self._surface = surface
        self._look = look

    def notice(self) -> Any:
        """What those who run this should know, above the conversation."""
        return gr.update(visible=self._trouble())

    async def noticing(self, text: str, kept: list[str] | None) -> Steps:
        """``respond``, with the notice as it is once the turn has begun."""
        first = True
        async with aclosing(self.respond(text, kept)) as steps:
            async for step in steps:
                yield (*step, self.notice() if first else gr.skip())
                first = False

    async def load(self, kept: list[str] | None) -> tuple[list[str], Messages]:
        """Who the browser is and the conversation it left open; a stranger becomes a new guest."""
        person, conversation = _known(kept)
        if not await self._turns(conversation, person):
            return [person, ""], []
        await self._service.settled(conversation)
        return [person, conversation], await self._said_so_far(conversation, person)

    async def respond(self, text: str, kept: list[str] | None) -> Steps:
        """From the message in the box to the finished answer. Whatever goes wrong, the text comes back into the
        box."""
        if not text.strip():
            yield gr.skip(), gr.skip(), gr.skip()
            return
        person, conversation = _known(kept)
        earlier: Messages = []
        try:
            earlier = await self._said_so_far(conversation, person)
            turn = await self._service.prepare(
                text, person=person, conversation=conversation or None, surface=self._surface
            )
            kept = [person, turn.conversation]
            shown = [*earlier, _user(text)]
            yield _busy(), shown, kept
            async with aclosing(self._stream(turn)) as answers:
                async for answer in answers:
                    yield gr.skip(), [*shown, answer], kept
            yield _box(), gr.skip(), kept
        except TurnRejected as refused:
            gr.Warning(str(refused), title="Not sent")
            yield _give_back(text), earlier, [person, conversation]
        except Exception:
            # The last resort: the page must not be left waiting, whatever happened behind it.
            log.exception("the page could not answer")
            gr.Warning("Something went wrong here and was logged. Please try again.", title="Not sent")
            yield _give_back(text), earlier, [person, conversation]

    async def correct(self, message: str, kept: list[str] | None) -> Steps:
        """From what somebody said of the way that an answer went to the answer made that way, in its place; to its
        being noted, where others follow it."""
        person, conversation = _known(kept)
        try:
            again = await self._corrected(*read(message), person, conversation)
            before = await self._said_so_far(conversation, person)
            if again is None:
                yield gr.skip(), before, gr.skip()
                return
            before, verdict = before[:-1], read(message)[1]
            yield gr.update(submit_btn=False, stop_btn=True), gr.skip(), gr.skip()
            async with aclosing(self._stream(again, _said(verdict))) as answers:
                async for answer in answers:
                    yield gr.skip(), [*before, answer], gr.skip()
            yield _box(), gr.skip(), gr.skip()
        except TurnRejected as refused:
            gr.Warning(str(refused), title="Not corrected")
            yield _box(), await self._said_so_far(conversation, person), gr.skip()
        except Exception:
            # The last resort, as above.
            log.exception("the page could not correct a turn")
            gr.Warning("Something went wrong here and was logged. Please try again.", title="Not corrected")
            yield _box(), gr.skip(), gr.skip()

    async def suggest(self, kept: list[str] | None, data: gr.SelectData) -> Steps:
        """A suggested question counts as typed and sent."""
        async with aclosing(self.respond(str(data.value["text"]), kept)) as steps:
            async for step in steps:
                yield step

    async def stopped(self, kept: list[str] | None) -> tuple[Any, Messages]:
        """After a stop: what was recorded of the turn, and the box back."""
        return _box(), (await self.load(kept))[1]

    def new(self, kept: list[str] | None) -> tuple[list[str], Messages, Any]:
        """A fresh conversation for the same person."""
        return [_known(kept)[0], ""], [], _give_back("")

    async def _corrected(self, turn: str, verdict: str, person: str, conversation: str) -> Turn | None:
        """Keep or take back what was said of a turn; the turn to run again, if it is. Raises TurnRejected."""
        if all(turn != each.id for each in await self._turns(conversation, person)):
            raise TurnRejected("unknown_turn", "This answer has been replaced meanwhile. Look again.")
        if verdict != UNDO:
            return await self._service.correct(turn, verdict, person=person)
        await self._service.take_back(turn, person=person)
        return None

    async def _stream(self, turn: Turn, correction: Said | None = None) -> AsyncGenerator[dict[str, Any]]:
        """The growing answer as a message, at most every ``REFRESH`` seconds."""
        answer, due = self._shown(correction=correction), 0.0
        async with aclosing(self._service.run(turn)) as events:
            async for event in events:
                answer.take(encode(event))
                began = time.monotonic()
                if began >= due:
                    message = _assistant(answer)
                    # An answer that is slow to render is rendered less often, and others get their turn.
                    due = began + max(REFRESH, 10 * (time.monotonic() - began))
                    yield message
        yield _assistant(answer)

    def _shown(self, **known: Any) -> Shown:
        look = self._look()
        return Shown(
            collections=look.collections, contact=look.contact, language=look.language, hosts=look.hosts, **known
        )

    async def _turns(self, conversation: str, person: str) -> list[StoredTurn]:
        """The turns of a conversation, none if it is not this person's."""
        if not conversation or await self._records.surface_of(conversation, person) is None:
            return []
        return await self._records.turns(conversation)

    async def _said_so_far(self, conversation: str, person: str) -> Messages:
        """The last turns from the records: what a browser sends of them is never believed."""
        turns = (await self._turns(conversation, person))[-SHOWN_TURNS:]
        said_of = {each.position: each for each in await self._corrections.listed(conversation)} if turns else {}
        return [message for turn in turns for message in self._stored(turn, said_of.get(turn.position))]

    def _stored(self, turn: StoredTurn, correction: Correction | None) -> Messages:
        asked_for = turn.routed is not None and turn.routed["requested"]
        shown = self._shown(
            text=turn.answer,
            routed=turn.routed,
            retrieved=turn.retrieved,
            checked=turn.checked,
            ended=turn.ended,
            stopped=turn.status == "stopped",
            unfinished=turn.status == "running",
            correction=_said(correction.verdict, asked_for and correction.turn != turn.id) if correction else None,
        )
        return [_user(turn.text), _assistant(shown)]


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": said(text)}


def _assistant(shown: Shown) -> dict[str, Any]:
    return {"role": "assistant", "content": shown.markdown()}


def _said(verdict: str, again: bool = True) -> Said | None:
    named = next((each for each in VERDICTS if each == verdict), None)
    return Said(named, again) if named else None


def _known(kept: list[str] | None) -> tuple[str, str]:
    """Person and open conversation of what a browser kept; a list, because Gradio takes a dict for an update."""
    if isinstance(kept, list) and len(kept) == 2 and kept[0]:
        return str(kept[0]), str(kept[1])
    return new_person(), ""


def _box() -> Any:
    """Ready to send. What was typed meanwhile stays."""
    return gr.update(submit_btn=True, stop_btn=False)


def _give_back(text: str) -> Any:
    return gr.update(value=text, submit_btn=True, stop_btn=False)


def _busy() -> Any:
    return gr.update(value="", submit_btn=False, stop_btn=True)
