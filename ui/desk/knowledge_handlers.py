"""What the controls of the Knowledge tab do: each handler takes what the page says and returns what it shows."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from assistant.app import Assistant
from assistant.desk.knowledge import CollectionView, Order, Shelf, inside, overview
from assistant.desk.knowledge_access import access, parsed, verdicts
from assistant.desk.knowledge_question import Asked, try_question
from assistant.desk.knowledge_work import Jobs
from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.happenings import Mistake, Tell
from assistant.knowledge.sources import SourceError
from assistant.knowledge.store import StoreError
from assistant.records.repository import RecordsError
from ui.desk import knowledge_found, knowledge_views
from ui.desk.knowledge_asks import Asks
from ui.desk.knowledge_destroying import Destroying
from ui.desk.knowledge_progress import progress
from ui.desk.knowledge_uploading import Uploading
from ui.desk.parts import notice, said

log = logging.getLogger(__name__)
EXPECTED = (Mistake, StoreError, EmbedderError, RecordsError, SourceError)
LOOK_EVERY = 0.4
"""Seconds between two looks at work that goes on."""
EVERYTHING = "*"
"""In choosers: all collections."""


def readably(error: Exception) -> Markup:
    """An error as people see it; one that nobody expected is logged instead."""
    if isinstance(error, EXPECTED):
        return notice(str(error), "bad")
    log.error("the desk could not do this", exc_info=error)
    return notice("Something unexpected happened; the server's log has it.", "bad")


@dataclass(slots=True)
class Knowledge:
    """The handlers of one desk. Work goes on in its ``jobs``, whoever looks. Without ``admin`` what only admins may do
    is neither offered nor done, whatever a request says."""

    assistant: Assistant
    jobs: Jobs = field(default_factory=Jobs)
    admin: bool = True
    asks: Asks = field(default_factory=Asks)
    _shelf: Shelf = field(init=False)
    _destroying: Destroying = field(init=False)
    _uploading: Uploading = field(init=False)

    def __post_init__(self) -> None:
        self._shelf = Shelf(self.assistant)
        self._destroying = Destroying(self.assistant, self.jobs, self.admin)
        self._uploading = Uploading(self.assistant, self.jobs, self.asks)

    async def load(self, _: str, where: str | None = None) -> tuple[Any, ...]:
        """Sources, the choosers, access and indexes."""
        try:
            found = await overview(self.assistant)
            rights = knowledge_found.access(await access(self.assistant, found))
            indexes = knowledge_views.indexes(await self.assistant.base.indexes()) if self.admin else Markup("")
        except Exception as error:
            return readably(error), *(gr.skip() for _ in range(8))
        names = [
            (each.title if each.title == each.name else f"{each.title} ({each.name})", each.name) for each in found
        ]
        surfaces = list(self.assistant.settings.surfaces)
        named = [name for _, name in names]
        return (
            knowledge_views.sources(found, droppable=self.admin),
            _choices(_places(found), where),
            gr.update(choices=names),
            gr.update(choices=[("All that may be read", EVERYTHING), *names]),
            gr.update(choices=surfaces),
            gr.update(choices=surfaces),
            rights,
            gr.update(choices=names, value=named[0] if named else None),
            indexes,
        )

    async def follow(self) -> AsyncIterator[tuple[Any, Any]]:
        """The work as it goes on, until it is over; it does not end with the page."""
        while self.jobs.job is not None and self.jobs.running:
            yield progress(self.jobs.job, self.admin), gr.update(visible=self._may_stop)
            await self.jobs.wait(LOOK_EVERY)
        yield progress(self.jobs.job, self.admin) if self.jobs.job else "", gr.update(visible=False)

    async def stop(self) -> None:
        """Stop the work, unless it is not theirs to stop."""
        if self._may_stop:
            await self.jobs.stop()

    async def do(self, message: str) -> tuple[Any, Any]:
        """Begin what a button says: a sync."""
        try:
            verb, *values = _verb(message)
            if verb != "sync":
                return "", ""
            self._start_sync(*values)
        except Exception as error:
            return readably(error), ""
        return "", ""

    async def ask(self, message: str) -> str | Markup:
        """The question that comes before what a button says."""
        try:
            found = _verb(message)
            return self.asks.panel(await self._destroying.question(*found)) if found else ""
        except Exception as error:
            return self.asks.told(readably(error))

    async def yes(self, message: str) -> tuple[Any, Any]:
        """Do what was asked about, once."""
        do = self.asks.take(said(message))
        if do is None:
            return notice("That was answered already, or asked too long ago: ask again.", "info"), ""
        self.jobs.forget()
        try:
            return await do(), ""
        except Exception as error:
            return readably(error), ""

    async def upload(self, files: Sequence[str] | None, collection: str | None) -> tuple[Any, Any, Any]:
        """Take files into a collection, or ask first: note, question, and the emptied file box."""
        self.jobs.forget()
        try:
            note, question = await self._uploading.begin(files or (), (collection or "").strip())
        except Exception as error:
            return readably(error), "", gr.skip()
        return note, self.asks.panel(question) if question else "", None

    async def listed(self, where: str | None, search: str, order: Order, page: str = "1") -> str | Markup:
        """A page of the documents of a source or a collection."""
        if not where:
            return ""
        collection, source = json.loads(where)
        number = said(page) if " " in page else page
        try:
            found = await self._shelf.page(
                collection, source, search or "", order, int(number) if number.isdecimal() else 1
            )
        except Exception as error:
            return readably(error)
        return knowledge_views.documents(found, collection, deletable=True)

    async def first(self, where: str | None, search: str, order: Order) -> str | Markup:
        """The first page of them."""
        return await self.listed(where, search, order)

    async def open(self, message: str, order: Order) -> tuple[Any, Any, Any, Any]:
        """Documents of a source, or the chunks of one: the view, the chooser, the search box, and what is shown."""
        verb, *values = _verb(message) or ("",)
        try:
            if verb == "list":
                where = json.dumps(values)
                return gr.update(selected="kn-documents"), where, "", await self.listed(where, "", order)
            if verb == "inside":
                collection, source, uri, number = values
                found = await inside(self.assistant, collection, source, uri, int(number))
                shown = knowledge_views.inside(found, collection, source, uri)
                return gr.skip(), gr.skip(), gr.skip(), shown
        except Exception as error:
            return gr.skip(), gr.skip(), gr.skip(), readably(error)
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()

    async def question(
        self, text: str, earlier: str, answer: str, collection: str | None, groups: str, surface: str | None
    ) -> Markup:
        """What a question would find."""
        chosen = None if collection in (None, EVERYTHING) else collection
        as_whom = tuple(parsed(groups)) or None
        titles = {name: each.title or name for name, each in self.assistant.settings.collections.items()}
        try:
            asked = Asked(text or "", earlier or "", answer or "", chosen, as_whom, surface or "portal")
            return knowledge_found.tried(await try_question(self.assistant, asked), titles)
        except Exception as error:
            return readably(error)

    async def may(self, groups: str, surface: str | None) -> Markup:
        """Who somebody of these groups may read on a surface."""
        try:
            return knowledge_found.verdicts(await verdicts(self.assistant, surface or "portal", parsed(groups or "")))
        except Exception as error:
            return readably(error)

    async def readers(self, collection: str | None, readers: str) -> str | Markup:
        """The question before who may read a collection is changed."""
        try:
            return self.asks.panel(await self._destroying.readers(collection or "", parsed(readers or "")))
        except Exception as error:
            return self.asks.told(readably(error))

    async def reads_now(self, collection: str | None) -> str:
        """The groups of a collection, as they are typed."""
        return ", ".join(
            next((each.readers for each in await access(self.assistant) if each.collection == collection), ())
        )

    @property
    def _may_stop(self) -> bool:
        return self.admin or not (self.jobs.job and self.jobs.job.admins)

    def _start_sync(self, collection: str | None = None, source: str | None = None) -> None:
        work = partial(_sync, self.assistant, collection, [source] if source else [])
        self.jobs.start(f"Sync of {collection or 'all collections'}", work)


async def _sync(assistant: Assistant, collection: str | None, source: Sequence[str], tell: Tell) -> None:
    await assistant.sync(tell, collection=collection, source=source)


def _verb(message: str) -> list[Any]:
    """A verb with its values, as `knowledge_views.say` has written them; nothing for what the page did not offer."""
    try:
        found = json.loads(said(message))
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _places(found: Sequence[CollectionView]) -> list[tuple[str, str]]:
    """Collections and their sources as choices, with collection and source as JSON."""
    places = []
    for each in found:
        places.append((f"{each.title}: all", json.dumps([each.name, ""])))
        places += [
            (f"{each.title}: {source.name}"[:120], json.dumps([each.name, source.id])) for source in each.sources
        ]
    return places


def _choices(places: Sequence[tuple[str, str]], chosen: str | None) -> Any:
    values = [value for _, value in places]
    return gr.update(choices=places, value=chosen if chosen in values else values[0] if values else None)
