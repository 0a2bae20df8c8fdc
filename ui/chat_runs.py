"""What makes an answer on the chat page: a message, a suggestion, a correction, a version, an edit."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from assistant.conversation.service import ChatService, TurnRejected
from assistant.conversation.turn import Turn
from assistant.records.repository import RecordsError
from ui.asked import Asked, nothing_like_it
from ui.chat_view import Messages, View, answer, as_said, user
from ui.chat_view import growing as growing_answer
from ui.chat_visit import Visit
from ui.growing import Growing
from ui.notices import warn
from ui.ways import UNDO
from ui.words import Language, words

log = logging.getLogger(__name__)
AUTO = "auto"
Steps = AsyncGenerator[tuple[Any, ...]]
"""What a handler changes, step by step: box, messages, what the browser keeps, list, way of the next turn."""
Listing = Callable[[Visit, Language], Awaitable[str]]
LanguageOf = Callable[[gr.Request], Language]


class Runs:
    """Handlers that run turns of one surface."""

    def __init__(self, service: ChatService, view: View, surface: str, language: LanguageOf, listing: Listing) -> None:
        self._service = service
        self._view = view
        self._surface = surface
        self._language = language
        self._listing = listing

    async def respond(self, text: str, route: str, collection: str | None, kept: Any, request: gr.Request) -> Steps:
        """From the message in the box to the finished answer. Whatever goes wrong, the text comes back into the
        box."""
        if not text.strip():
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return
        visit, language = Visit.read(kept, request), self._language(request)
        try:
            turn = await self._service.prepare(
                text,
                person=visit.who,
                conversation=visit.conversation or None,
                surface=self._surface,
                route=route,
                collection=collection or None,
            )
            new, visit = not visit.conversation, visit.to(turn.conversation, visit.turns)
            # The model is asked at once: what the page shows meanwhile is made while it thinks.
            async with aclosing(Growing(self._service, turn, self._view.shown(language))) as growing:
                before = [*await self._view.messages(visit, language, until=turn.id), user(text)]
                listed = await self._listing(visit, language) if new else gr.skip()
                yield _busy(), before, visit.kept, listed, AUTO
                async with aclosing(self._answered(growing, before, visit, language)) as steps:
                    async for step in steps:
                        yield step
        except TurnRejected as refused:
            _warn(refused, "notice.not_sent", language)
            yield _give_back(text), await self._view.messages(visit, language), visit.kept, gr.skip(), gr.skip()
        except Exception:
            # The last resort: the page must not be left waiting, whatever happened behind it.
            log.exception("the page could not answer")
            _wrong("notice.not_sent", language)
            yield _give_back(text), gr.skip(), visit.kept, gr.skip(), gr.skip()

    async def suggest(
        self, route: str, collection: str | None, kept: Any, data: gr.SelectData, request: gr.Request
    ) -> Steps:
        """A suggested question counts as typed and sent."""
        async with aclosing(self.respond(str(data.value["text"]), route, collection, kept, request)) as steps:
            async for step in steps:
                yield step

    async def run(self, message: str, kept: Any, request: gr.Request) -> Steps:
        """What somebody does with a turn that is there: say that it went the wrong way, have it answered again, or put
        it differently. The answer comes in its place; to a correction that changes nothing, only its being noted."""
        visit, language = Visit.read(kept, request), self._language(request)
        asked = Asked.read("{}")
        try:
            asked = Asked.read(message)
            turns = await self._view.turns(visit)
            at = next((n for n, turn in enumerate(turns) if turn.id == asked.turn), None)
            if at is None:
                raise TurnRejected("unknown_turn", "This answer has been replaced meanwhile. Look again.")
            again = await self._again(asked, visit, turns[at].collection)
            if again is None:
                yield gr.skip(), await self._view.messages(visit, language), gr.skip(), gr.skip(), gr.skip()
                return
            verdict = as_said(asked.verdict) if asked.do == "correct" else None
            async with aclosing(Growing(self._service, again, self._view.shown(language, verdict))) as growing:
                *before, _, answered = await self._view.before(visit, language, turns[: at + 1])
                before.append(user(again.text))
                # What stood there stays until the first word of the new answer: focus may rest on it.
                stands = [] if asked.do == "edit" else [answered]
                yield _busy(keep=True), [*before, *stands], gr.skip(), gr.skip(), gr.skip()
                async with aclosing(self._answered(growing, before, visit, language)) as steps:
                    async for step in steps:
                        yield step
        except TurnRejected as refused:
            _warn(refused, "notice.not_changed", language)
            yield _back(asked), await self._view.messages(visit, language), gr.skip(), gr.skip(), gr.skip()
        except Exception:
            # The last resort, as above.
            log.exception("the page could not run a turn again")
            _wrong("notice.not_changed", language)
            yield _back(asked), gr.skip(), gr.skip(), gr.skip(), gr.skip()

    def ready(self) -> Any:
        """The box ready for the next message, without touching what has been typed into it meanwhile."""
        return _box()

    async def stopped(self, kept: Any, request: gr.Request) -> tuple[Any, Messages]:
        """After a stop: what was recorded of the turn, and the box back."""
        visit = Visit.read(kept, request)
        await self._service.settled(visit.conversation)
        return _box(), await self._view.messages(visit, self._language(request))

    async def _again(self, asked: Asked, visit: Visit, collection: str | None) -> Turn | None:
        """The turn to run, None where what was said of it is only noted. Raises TurnRejected."""
        turn, person = asked.turn, visit.who
        if asked.do == "again":
            return await self._service.again(turn, None, person=person)
        if asked.do == "edit":
            return await self._service.edit(turn, asked.text, person=person, collection=collection)
        if asked.do != "correct":
            raise nothing_like_it()
        if asked.verdict == UNDO:
            await self._service.take_back(turn, person=visit.person)
            return None
        return await self._service.correct(turn, asked.verdict, person=person)

    async def _answered(self, growing: Growing, before: Messages, visit: Visit, language: Language) -> Steps:
        """The answer as it grows, below what was said before; at its end all as the records have it."""
        async with aclosing(growing.steps()) as steps:
            async for shown in steps:
                yield gr.skip(), [*before, await growing_answer(shown)], gr.skip(), gr.skip(), gr.skip()
        try:
            messages, listed = await self._view.messages(visit, language), await self._listing(visit, language)
        except RecordsError:
            # What cannot be recorded is logged: the reader has the answer all the same.
            messages, listed = [*before, answer(growing.shown)], gr.skip()
        yield gr.skip(), messages, gr.skip(), listed, gr.skip()


def _busy(keep: bool = False) -> Any:
    kept: dict[str, Any] = {} if keep else {"value": ""}
    return gr.update(submit_btn=False, stop_btn=True, **kept)


def _box() -> Any:
    return gr.update(submit_btn=True, stop_btn=False)


def _give_back(text: str) -> Any:
    return gr.update(value=text, submit_btn=True, stop_btn=False)


def _back(asked: Asked) -> Any:
    """What somebody has put differently comes into the box where it was not taken."""
    return _give_back(asked.text) if asked.do == "edit" else gr.skip()


def _warn(refused: TurnRejected, title: str, language: Language) -> None:
    said = words(language)
    warn(said[title], said.say(str(refused)))


def _wrong(title: str, language: Language) -> None:
    said = words(language)
    warn(said[title], said["notice.wrong"])
