"""Files that a person attaches to a conversation, on the chat page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.conversation.attachments import Attachment, Attachments
from assistant.conversation.service import ChatService, TurnRejected
from ui.asked import Asked
from ui.chat_runs import LanguageOf
from ui.chat_visit import Visit
from ui.notices import told, warn
from ui.place import one_line
from ui.rendering import in_line
from ui.words import Language, Words, words

log = logging.getLogger(__name__)


class Files:
    """Handlers of the paper clip and of the chips above the box."""

    def __init__(self, service: ChatService, attachments: Attachments, surface: str, language: LanguageOf) -> None:
        self._service, self._attachments = service, attachments
        self._surface = surface
        self._language = language

    async def listed(self, visit: Visit, language: Language) -> str:
        """The conversation's files as HTML, empty where there are none."""
        if not visit.conversation:
            return ""
        return chips(await self._attachments.listed(visit.conversation, visit.person), words(language))

    async def attach(self, paths: Any, kept: Any, request: gr.Request) -> AsyncGenerator[tuple[Any, Any, Any]]:
        """Read files into the conversation, a new one if there is none yet: files, what the browser keeps, button.
        The browser is told of a new conversation as it begins, not when the file has been read: a message may have
        been sent meanwhile."""
        visit, language = Visit.read(kept, request), self._language(request)
        for path in [paths] if isinstance(paths, str) else list(paths or ()):
            events: asyncio.Queue[Attachment | None] = asyncio.Queue()
            adding = asyncio.ensure_future(self._add(path, visit, events))
            while (seen := await events.get()) is not None:
                known = seen.conversation == visit.conversation
                visit = visit.to(seen.conversation, visit.turns)
                yield await self.listed(visit, language), gr.skip() if known else visit.kept, gr.skip()
            refused = await self._refused(adding, path, words(language))
            back: Any = gr.skip()
            if refused and visit.conversation and not await self._attachments.there(visit.conversation, visit.person):
                visit = visit.to()
                back = visit.kept
            yield await self.listed(visit, language), back, gr.skip()
        yield await self.listed(visit, language), gr.skip(), None

    async def _refused(self, adding: Awaitable[Attachment], path: str, said: Words) -> bool:
        """Whether nothing came of a file; whoever attached it is told why."""
        try:
            await adding
        except TurnRejected as refused:
            warn(said("files.failed", name=Path(path).name), said.say(str(refused)))
            return True
        except Exception:
            # The last resort: the page must say that nothing came of it.
            log.exception("the page could not attach a file")
            warn(said("files.failed", name=Path(path).name), said["notice.wrong"])
            return True
        return False

    async def _add(self, path: str, visit: Visit, events: asyncio.Queue[Attachment | None]) -> Attachment:
        try:
            async with self._service.counted(visit.who, self._surface):
                return await self._attachments.add(
                    Path(path),
                    Path(path).name,
                    person=visit.person,
                    conversation=visit.conversation or None,
                    surface=self._surface,
                    tell=events.put_nowait,
                )
        finally:
            events.put_nowait(None)

    async def detach(self, message: str, kept: Any, request: gr.Request) -> tuple[str, Any]:
        """Take a file away again: files, and what the page's script is handed."""
        visit, language = Visit.read(kept, request), self._language(request)
        try:
            await self._attachments.remove(Asked.read(message).file, person=visit.person)
        except TurnRejected as refused:
            return await self.listed(visit, language), told(warning=words(language).say(str(refused)))
        return await self.listed(visit, language), gr.skip()


def chips(files: Sequence[Attachment], said: Words) -> str:
    """The files of a conversation, each with how far it has been read and a button that takes it away."""
    if not files:
        return ""
    items = "".join(_chip(each, said) for each in files)
    return one_line(f'<ul class="chips">{items}</ul><p class="chips-note">{escape(said["files.only_here"])}</p>')


def _chip(each: Attachment, said: Words) -> str:
    name = in_line(each.name)
    state = ""
    if each.state == "reading":
        # Without a value the bar says only that something is being done.
        share = f' value="{each.passages}" max="{each.of}"' if each.of else ""
        state = f'<progress{share} aria-label="{in_line(said("files.reading", name=each.name))}"></progress>'
    elif each.state == "failed":
        state = f'<span class="chip-failed">{in_line(said.say(each.message))}</span>'
    remove = in_line(said("files.remove", name=each.name))
    return (
        f'<li class="chip chip-{each.state}"><span class="chip-name" dir="auto">{name}</span>{state}'
        f'<button type="button" data-file="{escape(each.id)}" aria-label="{remove}"></button></li>'
    )
