"""The page that people chat on: what stands where, in Gradio Blocks, and which control calls which handler."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from fastapi import FastAPI

from assistant.access.identity import Identity
from assistant.app import Assistant
from assistant.knowledge.reading_room import ReadingRoom
from ui.blocks import StreamedBlocks, for_many
from ui.chat_asides import Asides
from ui.chat_files import Files
from ui.chat_rooms import Rooms
from ui.chat_runs import AUTO, Runs
from ui.chat_view import View
from ui.chat_visit import Visit, signed_in
from ui.look import look
from ui.place import one_line, place
from ui.sign_in_pages import who_html
from ui.theme import theme
from ui.uploads import FORGET
from ui.words import LANGUAGES, Language, Words, language_of, words

STATIC = Path(__file__).parent / "static"
SHEETS = ("chat.css", "chat-side.css", "pane.css", "answer.css")
"""By ``head``: Gradio would put every rule below its own container, and cut selectors at the commas inside ``:is``."""
ROUTES = {"auto": "auto", "look_up": "retrieve", "voice": "voice", "both": "both"}
"""What the control for the next turn says, and the route that it asks for."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True, slots=True)
class Parts:
    """The controls of the page that handlers read or change."""

    browser: gr.BrowserState
    words: gr.Markdown
    title: gr.Markdown
    logo: gr.Markdown
    who: gr.Markdown
    notice: gr.Markdown
    find: gr.Textbox
    list: gr.Markdown
    new: gr.Button
    chat: gr.Chatbot
    files: gr.Markdown
    attach: gr.UploadButton
    box: gr.Textbox
    way: gr.Radio
    where: gr.Dropdown
    disclaimer: gr.Markdown
    pane: gr.Markdown
    told: gr.Markdown
    run: gr.Textbox
    go: gr.Textbox
    look: gr.Textbox
    detach: gr.Textbox


class ChatPage:
    """The page of one surface and its handlers."""

    def __init__(self, assistant: Assistant, surface: str) -> None:
        self._assistant = assistant
        self._surface = surface
        service, records = assistant.service, assistant.records
        view = View(records, lambda language: look(assistant.settings, surface, language))
        self.files = Files(assistant.service, assistant.attachments, surface, self.language)
        self.rooms = Rooms(service, view, surface, self.language, self.files.listed)
        self.runs = Runs(service, view, surface, self.language, self.rooms.listing)
        room = ReadingRoom(assistant.base)
        self.asides = Asides(service, records, room, self._readable, self.rooms, self.language)

    def language(self, request: gr.Request | None) -> Language:
        """The language of whoever sent this request, unless the surface has one of its own."""
        accepted = request.headers.get("accept-language") if request is not None and request.request else None
        return language_of(accepted, self._assistant.settings.surfaces[self._surface].language)

    async def surroundings(self, request: gr.Request) -> tuple[Any, ...]:
        """What stands around a conversation, in the visitor's language and by the settings as they are now: words,
        title, logo, who is signed in, notice, search, new, chat, attach, box, way, where, disclaimer."""
        language = self.language(request)
        said, looks = words(language), look(self._assistant.settings, self._surface, language)
        logo = f'<img src="{escape(looks.logo)}" alt="">' if looks.logo else ""
        return (
            in_page(said, language),
            f"# {looks.title}",
            gr.update(value=logo, visible=bool(logo)),
            who_html(signed_in(request), said, sign_in=self._assistant.settings.access.sign_in is not None),
            gr.update(value=said["notice.trouble"], visible=bool(self._assistant.problem)),
            gr.update(label=said["list.search"], placeholder=said["list.search"]),
            said["chat.new"],
            gr.update(
                label=said["chat.conversation"],
                placeholder=looks.greeting,
                examples=[{"text": text} for text in looks.suggestions],
            ),
            gr.update(label=said["files.attach"]),
            gr.update(label=said["chat.box"], placeholder=looks.placeholder),
            gr.update(label=said["steer.next"], choices=[(said[f"steer.{key}"], way) for key, way in ROUTES.items()]),
            await self._picker(said, looks.collections, Visit.read(None, request).who),
            gr.update(value=looks.disclaimer or "", visible=bool(looks.disclaimer)),
        )

    async def notice(self, request: gr.Request) -> Any:
        """What those who run this should know, above the conversation; changed settings are read first."""
        await self._assistant.follow()
        said = words(self.language(request))
        return gr.update(value=said["notice.trouble"], visible=bool(self._assistant.problem))

    async def _picker(self, said: Words, titles: Any, who: Identity) -> Any:
        """Where to search, for those who may read more than one collection."""
        readable = who.within(await self._assistant.readable(self._surface, who.groups))
        named = sorted(((titles.get(name, name), name) for name in readable), key=lambda each: str(each[0]).casefold())
        choices = [(said["steer.all_collections"], ""), *named]
        return gr.update(label=said["steer.collection"], choices=choices, value="", visible=len(named) > 1)

    async def _readable(self, conversation: str, who: Identity) -> frozenset[str]:
        attached = await self._assistant.attachments.searchable(conversation)
        return who.within(await self._assistant.readable(self._surface, who.groups)) | attached


def in_page(said: Words, language: Language) -> str:
    """The texts that the page's script says, for it to read."""
    texts = said.for_script() | {key: said[key] for key in ("sources.source",)}
    return one_line(f'<div lang="{language}" data-words="{escape(json.dumps(texts))}"></div>')


def build(assistant: Assistant, surface: str) -> gr.Blocks:
    """The page of a surface, to be mounted by ``mount``, which gives it its looks."""
    page = ChatPage(assistant, surface)
    demo: gr.Blocks
    title = look(assistant.settings, surface, "en").title
    with StreamedBlocks(title=title, fill_height=True, analytics_enabled=False, delete_cache=FORGET) as demo:
        parts = _lay_out(surface, words("en"), page)
        _wire(page, demo, parts)
    for_many(demo)
    return demo


def mount(app: FastAPI, assistant: Assistant, surface: str) -> FastAPI:
    """``app`` with the page of a surface at its root; routes that it has already go first."""
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build(assistant, surface),
        path="/",
        footer_links=[],
        run_history=False,
        theme=theme(),
        show_error=False,
        max_file_size=f"{assistant.settings.limits.attachment_megabytes}mb",
        enable_monitoring=False,
        favicon_path=STATIC / "favicon.svg",
    )
    return mounted


def head(surface: str) -> str:
    """What the page's ``<head>`` holds beside what Gradio puts there."""
    sheets = [*(f"switchyard/{sheet}" for sheet in SHEETS), f"look/{surface}/colours.css"]
    links = "".join(f'<link rel="stylesheet" href="{sheet}">' for sheet in sheets)
    return links + '<script type="module" src="switchyard/chat/main.js"></script>'


def _lay_out(surface: str, said: Words, page: ChatPage) -> Parts:
    """What is where. Texts come with the page's load, in the visitor's language."""
    browser = gr.BrowserState(storage_key=f"switchyard-{surface}", secret="switchyard")
    with gr.Row(elem_id="shell"):
        with gr.Column(elem_id="side", min_width=0):
            with gr.Row(elem_id="side-top"):
                new = gr.Button(said["chat.new"], size="sm", variant="secondary", elem_id="new")
            find = gr.Textbox(elem_id="find", label=said["list.search"], container=False, max_lines=1)
            listed = place(elem_id="list")
        with gr.Column(elem_id="talk", min_width=0):
            with gr.Row(elem_id="top", equal_height=True):
                gr.Button("", size="sm", elem_id="menu", scale=0, min_width=0)
                logo = place(elem_id="logo", visible=False)
                title = gr.Markdown("", elem_id="title")
                who = place(elem_id="who")
            notice = gr.Markdown("", elem_id="trouble", visible=False)
            chat = _chatbot()
            files, attach, box, way, where = _composer(said, page)
            disclaimer = gr.Markdown("", elem_id="disclaimer", visible=False)
        pane = place(elem_id="pane")
    # What the page's script says and is told. None of it is shown.
    hidden: dict[str, Any] = {"visible": "hidden", "max_lines": 1}
    run, go = gr.Textbox(elem_id="run", label="run", **hidden), gr.Textbox(elem_id="go", label="go", **hidden)
    aside = gr.Textbox(elem_id="look", label="look", **hidden)
    detach = gr.Textbox(elem_id="detach", label="detach", **hidden)
    told = place(elem_id="told")
    spoken = place(in_page(said, LANGUAGES[0]), elem_id="words")
    return Parts(
        browser, spoken, title, logo, who, notice, find, listed, new, chat, files, attach, box, way, where, disclaimer,
        pane, told, run, go, aside, detach,
    )  # fmt: skip


def _chatbot() -> gr.Chatbot:
    return gr.Chatbot(
        elem_id="chat",
        show_label=False,
        container=False,
        layout="bubble",
        buttons=["copy"],
        feedback_options=None,
        allow_tags=False,
        scale=1,
        height="auto",
        autoscroll=False,
        group_consecutive_messages=False,
        latex_delimiters=[],
    )


def _composer(said: Words, page: ChatPage) -> tuple[gr.Markdown, gr.UploadButton, gr.Textbox, gr.Radio, gr.Dropdown]:
    with gr.Column(elem_id="composer", min_width=0):
        files = place(elem_id="files")
        box = gr.Textbox(
            elem_id="box",
            label=said["chat.box"],
            show_label=False,
            container=False,
            autofocus=True,
            lines=1,
            max_lines=8,
            submit_btn=True,
        )
        with gr.Row(elem_id="steer"):
            attach = gr.UploadButton(
                said["files.attach"], size="sm", elem_id="attach", file_count="multiple", scale=0, min_width=0
            )
            choices = [(said[f"steer.{key}"], route) for key, route in ROUTES.items()]
            way = gr.Radio(choices, value=AUTO, label=said["steer.next"], elem_id="way", container=False, scale=0)
            where = gr.Dropdown(
                [(said["steer.all_collections"], "")],
                value="",
                label=said["steer.collection"],
                elem_id="where",
                visible=False,
                container=False,
                filterable=False,
                scale=0,
            )
            # The service checks what is chosen; Gradio would by what it offered, which it forgets in a restart.
            where.preprocess = lambda payload: payload if isinstance(payload, str) else None  # type: ignore[method-assign]
    return files, attach, box, way, where


def _wire(page: ChatPage, demo: gr.Blocks, on: Parts) -> None:
    run: dict[str, Any] = {
        "outputs": [on.box, on.chat, on.browser, on.list, on.way],
        "concurrency_limit": None,
        **QUIET,
    }
    around = [on.words, on.title, on.logo, on.who, on.notice, on.find, on.new, on.chat, on.attach, on.box, on.way,
              on.where, on.disclaimer]  # fmt: skip
    demo.load(page.rooms.load, on.browser, [on.browser, on.chat, on.list, on.files], queue=False, **QUIET)
    demo.load(page.surroundings, None, around, queue=False, **QUIET)
    steered = [on.way, on.where, on.browser]
    submitted = on.box.submit(page.runs.respond, [on.box, *steered], trigger_mode="once", **run)
    runs: list[Any] = [
        submitted,
        on.chat.example_select(page.runs.suggest, steered, trigger_mode="once", **run),
        on.run.submit(page.runs.run, [on.run, on.browser], trigger_mode="multiple", **run),
    ]
    for each in runs:
        # Only then does Gradio take the next message: before, Enter would do nothing.
        each.then(page.runs.ready, None, on.box, queue=False, **QUIET)
    on.box.submit(page.notice, None, on.notice, queue=False, **QUIET)
    # Cancelling comes first and on its own: a handler beside it would hold it up.
    on.box.stop(None, cancels=runs, queue=False, **QUIET).then(
        page.runs.stopped, on.browser, [on.box, on.chat], queue=False, **QUIET
    )
    there = [on.browser, on.chat, on.list, on.files, on.box, on.pane]
    # A file that is being read goes on being read; only its chips stay where they belong.
    attached = on.attach.upload(
        page.files.attach, [on.attach, on.browser], [on.files, on.browser, on.attach], concurrency_limit=None, **QUIET
    )
    attached.then(page.rooms.search, [on.find, on.browser], on.list, queue=False, **QUIET)
    left = [*runs, attached]
    on.new.click(None, cancels=left, queue=False, **QUIET).then(page.rooms.new, on.browser, there, queue=False, **QUIET)
    many: dict[str, Any] = {"queue": False, "trigger_mode": "multiple", **QUIET}
    on.go.submit(None, cancels=left, **many).then(
        page.rooms.go, [on.go, on.find, on.browser], [*there, on.told], **many
    )
    on.look.submit(page.asides.look, [on.look, on.find, on.browser], [on.list, on.pane, on.told], **many)
    on.find.change(page.rooms.search, [on.find, on.browser], on.list, queue=False, trigger_mode="always_last", **QUIET)
    on.detach.submit(page.files.detach, [on.detach, on.browser], [on.files, on.told], **many)
