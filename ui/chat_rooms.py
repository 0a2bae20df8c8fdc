"""Which conversation the chat page shows: what a visitor finds, another one, an earlier version of a turn."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import gradio as gr

from assistant.conversation.service import ChatService, TurnRejected
from assistant.records.conversations import Unusable
from ui.asked import Asked, nothing_like_it
from ui.chat_runs import LanguageOf
from ui.chat_view import View
from ui.chat_visit import SHOWN_TURNS, Visit, signed_in
from ui.notices import told
from ui.side import conversations
from ui.words import Language, words

log = logging.getLogger(__name__)
LISTED = 40
Files = Callable[[Visit, Language], Awaitable[str]]


class Rooms:
    """Handlers that change what is shown; every one of them may end a running answer first."""

    def __init__(self, service: ChatService, view: View, surface: str, language: LanguageOf, files: Files) -> None:
        self._service = service
        self._view = view
        self._surface = surface
        self._language = language
        self._files = files

    async def listing(self, visit: Visit, language: Language, search: str = "", limit: int = LISTED) -> str:
        """The conversations of this person here, as HTML."""
        search = search.strip()[:200]
        try:
            page = await self._service.conversations.listed(
                visit.person, self._surface, search or None, min(limit, 1000)
            )
        except Unusable:  # what was searched for is no text
            page = await self._service.conversations.listed(visit.person, self._surface, None, LISTED)
        more = limit + LISTED if page.next and limit < 1000 else 0
        return conversations(
            page.conversations,
            visit.conversation,
            words(language),
            datetime.now().astimezone(),
            more=more,
            searched=bool(search),
        )

    async def load(self, kept: Any, request: gr.Request) -> tuple[Any, ...]:
        """The conversation that the browser left open: browser, messages, list, files. A stranger finds nothing, and
        nothing is changed: whoever types at once has sent a message before this is done."""
        visit, language = Visit.read(kept, request), self._language(request)
        if not kept and signed_in(request) is None:
            nothing = conversations((), "", words(language), datetime.now().astimezone())
            return gr.skip(), gr.skip(), nothing, gr.skip()
        if not visit.conversation:
            return gr.skip(), gr.skip(), await self.listing(visit, language), gr.skip()
        if not await self._view.there(visit) and not await self._files(visit, language):
            visit = visit.to()
        await self._service.settled(visit.conversation)
        return (
            visit.at(visit.conversation),
            await self._view.messages(visit.to(visit.conversation), language),
            await self.listing(visit, language),
            await self._files(visit, language),
        )

    async def search(self, text: str, kept: Any, request: gr.Request) -> str:
        """The conversations in which this was said."""
        return await self.listing(Visit.read(kept, request), self._language(request), text)

    async def new(self, kept: Any, request: gr.Request) -> tuple[Any, ...]:
        """A fresh conversation for the same person: browser, messages, list, files, box, pane."""
        visit, language = Visit.read(kept, request).to(), self._language(request)
        box = gr.update(value="", submit_btn=True, stop_btn=False)
        return visit.kept, [], await self.listing(visit, language), "", box, ""

    async def go(self, message: str, search: str, kept: Any, request: gr.Request) -> tuple[Any, ...]:
        """Another conversation, another version of a turn, earlier turns, or one conversation less: as ``new``, and
        what the page's script is handed."""
        visit, language = Visit.read(kept, request), self._language(request)
        box, warning = gr.update(submit_btn=True, stop_btn=False), gr.skip()
        try:
            asked = Asked.read(message)
            await self._service.settled(visit.conversation)
            visit = await self._gone(asked, visit)
        except TurnRejected as refused:
            warning = told(warning=words(language).say(str(refused)))
        except Exception:
            # The last resort: a page that does nothing is worse than one that says so.
            log.exception("the page could not change what it shows")
            warning = told(warning=words(language)["notice.wrong"])
        return (
            visit.kept,
            await self._view.messages(visit, language),
            await self.listing(visit, language, search),
            await self._files(visit, language),
            box,
            "",
            warning,
        )

    async def _gone(self, asked: Asked, visit: Visit) -> Visit:
        """Where the visitor is then. Raises TurnRejected."""
        if asked.do == "open":
            there = visit.to(asked.conversation)
            if await self._service.conversations.one(there.conversation, visit.person) is None:
                raise TurnRejected("unknown_conversation", "There is no such conversation of yours. Start a new one.")
            return there
        if asked.do == "delete":
            await self._service.conversations.delete(asked.conversation, visit.person)
            return visit.to() if asked.conversation == visit.conversation else visit
        if asked.do == "show":
            await self._service.show(asked.turn, person=visit.person)
            return visit
        if asked.do != "earlier":
            raise nothing_like_it()
        return visit.to(visit.conversation, visit.turns + SHOWN_TURNS)
