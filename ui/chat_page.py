"""The page that people chat on: Gradio Blocks over the service's events.

The browser keeps who it is and which conversation is open; what was said is read from the records.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from fastapi import FastAPI

from assistant.conversation.service import ChatService, TurnRejected, new_person
from assistant.conversation.wire import encode
from assistant.records.repository import Repository, StoredTurn
from ui.encode import Shown

STATIC = Path(__file__).parent / "static"
CSS = STATIC / "chat.css"
REFRESH = 0.1
"""Seconds between updates of a streaming answer; per token the browser falls behind on long conversations."""
SHOWN_TURNS = 30
FONTS = ["ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Look:
    """What a surface's page says before anybody has said anything."""

    title: str
    greeting: str
    placeholder: str
    disclaimer: str | None
    suggestions: tuple[str, ...]


class ChatPage:
    """Handlers of one surface's page."""

    def __init__(self, service: ChatService, records: Repository, surface: str, look: Look) -> None:
        self._service = service
        self._records = records
        self._surface = surface
        self._look = look

    async def load(self, kept: list[str] | None) -> tuple[list[str], Messages]:
        """Who the browser is and the conversation it left open; a stranger becomes a new guest."""
        person, conversation = _known(kept)
        if not conversation or await self._records.surface_of(conversation, person) is None:
            return [person, ""], []
        await self._service.settled(conversation)
        turns = await self._records.turns(conversation)
        return [person, conversation], [message for turn in turns[-SHOWN_TURNS:] for message in _stored(turn)]

    def begin(self, text: str, shown: Messages | None) -> tuple[Any, Messages]:
        """At once: the message moves from the box into the conversation, and the box turns to stopping."""
        if not text.strip():
            return _box(), shown or []
        return _busy(), [*(shown or []), {"role": "user", "content": text}]

    def suggest(self, shown: Messages | None, data: gr.SelectData) -> tuple[Any, Messages, str]:
        """A suggested question counts as typed and sent."""
        text = str(data.value["text"])
        return *self.begin(text, shown), text

    async def respond(
        self, text: str, shown: Messages, kept: list[str] | None
    ) -> AsyncGenerator[tuple[Any, Messages | Any, list[str]]]:
        """The answer as it comes: box, messages, what the browser keeps."""
        if not text.strip():
            return
        person, conversation = _known(kept)
        try:
            turn = await self._service.prepare(
                text, person=person, conversation=conversation or None, surface=self._surface
            )
        except TurnRejected as refused:
            gr.Warning(str(refused), title="Not sent")
            yield _box(text), shown[:-1], [person, conversation]
            return
        kept = [person, turn.conversation]
        answer, message, last = Shown(), {"role": "assistant", "content": ""}, 0.0
        yield gr.skip(), gr.skip(), kept
        async with aclosing(self._service.run(turn)) as events:
            async for event in events:
                answer.take(encode(event))
                if time.monotonic() - last >= REFRESH:
                    last = time.monotonic()
                    message["content"] = answer.markdown()
                    yield gr.skip(), [*shown, message], kept
        message["content"] = answer.markdown()
        yield _box(), [*shown, message], kept

    async def stopped(self, kept: list[str] | None) -> tuple[Any, Messages]:
        """After a stop: what was recorded of the turn, and the box back."""
        return _box(), (await self.load(kept))[1]

    def new(self, kept: list[str] | None) -> tuple[list[str], Messages, Any]:
        """A fresh conversation for the same person."""
        return [_known(kept)[0], ""], [], _box()


def build(service: ChatService, records: Repository, surface: str, look: Look) -> gr.Blocks:
    """The page of a surface, to be mounted. Looks are given to ``mount`` below, as Gradio 6 wants it."""
    page = ChatPage(service, records, surface, look)
    demo: gr.Blocks
    with gr.Blocks(title=look.title, fill_height=True, analytics_enabled=False) as demo:
        browser = gr.BrowserState(storage_key=f"switchyard-{surface}", secret="switchyard")
        sent = gr.Textbox(visible=False)
        with gr.Row(elem_id="top", equal_height=True):
            gr.Markdown(f"# {look.title}", elem_id="title")
            new = gr.Button("New conversation", size="sm", variant="secondary", elem_id="new", scale=0)
        chat = gr.Chatbot(
            elem_id="chat",
            label="Conversation",
            show_label=False,
            container=False,
            layout="bubble",
            buttons=["copy"],
            feedback_options=None,
            allow_tags=False,
            scale=1,
            height="auto",
            autoscroll=True,
            placeholder=look.greeting,
            examples=[{"text": text} for text in look.suggestions],
            group_consecutive_messages=False,
            latex_delimiters=[],
        )
        box = gr.Textbox(
            elem_id="box",
            label="Your message",
            show_label=False,
            container=False,
            autofocus=True,
            lines=1,
            max_lines=8,
            placeholder=look.placeholder,
            submit_btn=True,
        )
        if look.disclaimer:
            gr.Markdown(look.disclaimer, elem_id="disclaimer")
        _wire(page, demo, browser, sent, chat, box, new)
    demo.max_threads = 200
    demo.state_session_capacity = 500
    demo.queue(default_concurrency_limit=None)
    return demo


def mount(app: FastAPI, service: ChatService, records: Repository, surface: str, look: Look) -> FastAPI:
    """``app`` with the page of a surface at its root; routes that it has already go first."""
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build(service, records, surface, look),
        path="/",
        footer_links=[],
        run_history=False,
        css_paths=CSS,
        theme=theme(),
        show_error=False,
        max_file_size="1mb",
        enable_monitoring=False,
        favicon_path=STATIC / "favicon.svg",
    )
    return mounted


def _wire(
    page: ChatPage,
    demo: gr.Blocks,
    browser: gr.BrowserState,
    sent: gr.Textbox,
    chat: gr.Chatbot,
    box: gr.Textbox,
    new: gr.Button,
) -> None:
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    demo.load(page.load, browser, [browser, chat], **quiet)
    typed = box.submit(lambda text: text, box, sent, queue=False, **quiet).then(
        page.begin, [sent, chat], [box, chat], queue=False, **quiet
    )
    picked = chat.example_select(page.suggest, chat, [box, chat, sent], queue=False, **quiet)
    runs = [
        ready.then(page.respond, [sent, chat, browser], [box, chat, browser], concurrency_limit=None, **quiet)
        for ready in (typed, picked)
    ]
    # Cancelling comes first and on its own: a handler beside it would hold it up.
    box.stop(None, cancels=runs, queue=False, **quiet).then(page.stopped, browser, [box, chat], queue=False, **quiet)
    new.click(None, cancels=runs, queue=False, **quiet).then(
        page.new, browser, [browser, chat, box], queue=False, **quiet
    )


def _known(kept: list[str] | None) -> tuple[str, str]:
    """Person and open conversation of what a browser kept; a list, because Gradio takes a dict for an update."""
    if isinstance(kept, list) and len(kept) == 2 and kept[0]:
        return str(kept[0]), str(kept[1])
    return new_person(), ""


def _box(text: str = "") -> Any:
    return gr.update(value=text, submit_btn=True, stop_btn=False)


def _busy() -> Any:
    return gr.update(value="", submit_btn=False, stop_btn=True)


def _stored(turn: StoredTurn) -> Messages:
    shown = Shown(
        text=turn.answer,
        routed=turn.routed,
        retrieved=turn.retrieved,
        checked=turn.checked,
        ended=turn.ended,
        stopped=turn.status == "stopped",
        unfinished=turn.status == "running",
    )
    return [{"role": "user", "content": turn.text}, {"role": "assistant", "content": shown.markdown()}]


def theme() -> gr.themes.Base:
    """Calm greys and one blue; no fonts from elsewhere, and subdued text that keeps a contrast of 4.5 to 1."""
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=MONO, radius_size="lg").set(
        body_text_color_subdued="#56606e", body_text_color_subdued_dark="#a9b4c4"
    )
