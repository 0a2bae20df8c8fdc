"""What the chat page does beside the conversation: sources to look into, what a reader thinks of an answer, names."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any

import gradio as gr

from assistant.access.identity import Identity
from assistant.conversation.service import ChatService, TurnRejected
from assistant.knowledge.reading_room import ReadingRoom
from assistant.knowledge.store import StoreError
from assistant.records.conversations import Unusable
from assistant.records.repository import Repository, StoredTurn
from ui.asked import Asked, nothing_like_it
from ui.chat_rooms import Rooms
from ui.chat_runs import LanguageOf
from ui.chat_visit import Visit
from ui.documents import document_view
from ui.notices import told
from ui.pane import passage_view
from ui.place import one_line
from ui.words import Words, words

log = logging.getLogger(__name__)
Readable = Callable[[str, Identity], Awaitable[Collection[str]]]
"""The collections that a conversation's turns may search now."""
KINDS: Mapping[str, tuple[str, str]] = {"markdown": ("md", "text/markdown"), "json": ("json", "application/json")}


class Asides:
    """Handlers that leave the conversation as it is: each gives list, pane, and what the page's script is handed."""

    def __init__(
        self, service: ChatService, records: Repository, room: ReadingRoom, readable: Readable, rooms: Rooms,
        language: LanguageOf,
    ) -> None:  # fmt: skip
        self._service = service
        self._records = records
        self._room = room
        self._readable = readable
        self._rooms = rooms
        self._language = language

    async def look(self, message: str, search: str, kept: Any, request: gr.Request) -> tuple[Any, Any, Any]:
        """Do what the page's script asks for."""
        visit, language = Visit.read(kept, request), self._language(request)
        said = words(language)
        try:
            asked = Asked.read(message)
            if asked.do in ("passage", "neighbours", "document", "close"):
                return gr.skip(), await self._pane(asked, visit, said), gr.skip()
            if asked.do == "more":
                return await self._rooms.listing(visit, language, search, asked.of), gr.skip(), gr.skip()
            if asked.do == "export":
                return gr.skip(), gr.skip(), await self._export(asked, visit)
            if asked.do == "feedback":
                await self._feedback(asked, visit)
                return gr.skip(), gr.skip(), gr.skip()
            await self._changed(asked, visit)
            return await self._rooms.listing(visit, language, search), gr.skip(), gr.skip()
        except (TurnRejected, Unusable) as refused:
            warning = said.say(str(refused))
        except Exception:
            # The last resort: a page that does nothing is worse than one that says so.
            log.exception("the page could not do what was asked")
            warning = said["notice.wrong"]
        return gr.skip(), gr.skip(), told(warning=warning)

    async def _pane(self, asked: Asked, visit: Visit, said: Words) -> str:
        if asked.do == "close":
            return ""
        turn = await self._turn(asked, visit)
        number = asked.number
        passage = next((each for each in (turn.retrieved or {}).get("passages", ()) if each["number"] == number), None)
        if passage is None:
            raise TurnRejected("unknown_passage", "This answer has no source of that number.")
        readable = frozenset(await self._readable(turn.conversation, visit.who))
        wire = asdict(turn)
        try:
            if asked.do == "document":
                document = await self._room.document(passage, readable, asked.at)
                return one_line(await asyncio.to_thread(document_view, document, wire, number, said))
            around = None
            if asked.do == "neighbours":
                around = await self._room.around(passage, readable, asked.before, asked.after)
            return one_line(await asyncio.to_thread(passage_view, wire, number, said, around))
        except StoreError as error:
            log.error("the pane could not be filled: %s", error)
            raise TurnRejected("unavailable", said["failed.knowledge_unavailable"]) from error

    async def _turn(self, asked: Asked, visit: Visit) -> StoredTurn:
        turn = asked.turn
        found = await self._records.turn(turn, visit.person) if turn.isascii() and turn.isprintable() else None
        if found is None:
            raise TurnRejected("unknown_turn", "There is no such turn of yours.")
        return found

    async def _export(self, asked: Asked, visit: Visit) -> str:
        conversation, form = asked.conversation, asked.form
        text = await self._service.conversations.export(conversation, visit.person, form)
        if text is None:
            raise TurnRejected("unknown_conversation", "There is no such conversation of yours. Start a new one.")
        ending, kind = KINDS[form]
        return told(name=f"conversation-{conversation[:8]}.{ending}", kind=kind, text=text)

    async def _feedback(self, asked: Asked, visit: Visit) -> None:
        await self._service.feedback(asked.turn, asked.thumb, asked.comment, person=visit.person)

    async def _changed(self, asked: Asked, visit: Visit) -> None:
        conversation = asked.conversation
        if asked.do == "rename":
            await self._service.conversations.rename(conversation, asked.title, visit.person)
        elif asked.do == "pin":
            await self._service.conversations.pin(conversation, asked.pinned, visit.person)
        else:
            raise nothing_like_it()
