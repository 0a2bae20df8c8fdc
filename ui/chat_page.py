"""The page that people chat on: Gradio Blocks over the service's events.

The browser keeps who it is and which conversation is open; what was said is read from the records.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from fastapi import FastAPI

from assistant.conversation.service import ChatService, TurnRejected, new_person
from assistant.conversation.turn import Turn
from assistant.conversation.wire import encode
from assistant.records.repository import Repository, StoredTurn
from ui.encode import Shown, said

log = logging.getLogger(__name__)
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
    """What a surface's page says before anybody has said anything; ``collections`` maps names to titles."""

    title: str
    greeting: str
    placeholder: str
    disclaimer: str | None
    suggestions: tuple[str, ...]
    collections: Mapping[str, str]


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
        return [person, conversation], await self._said_so_far(conversation)

    async def respond(
        self, text: str, kept: list[str] | None
    ) -> AsyncGenerator[tuple[Any, Messages | Any, list[str] | Any]]:
        """From the message in the box to the finished answer: box, messages, what the browser keeps. Whatever goes
        wrong, the text comes back into the box."""
        if not text.strip():
            yield gr.skip(), gr.skip(), gr.skip()
            return
        person, conversation = _known(kept)
        earlier: Messages = []
        try:
            earlier = await self._said_so_far(conversation) if conversation else []
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

    async def suggest(
        self, kept: list[str] | None, data: gr.SelectData
    ) -> AsyncGenerator[tuple[Any, Messages | Any, list[str] | Any]]:
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

    async def _stream(self, turn: Turn) -> AsyncGenerator[dict[str, Any]]:
        """The growing answer as a message, at most every ``REFRESH`` seconds."""
        answer, due = Shown(collections=self._look.collections), 0.0
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

    async def _said_so_far(self, conversation: str) -> Messages:
        """The last turns from the records: what a browser sends of them is never believed."""
        turns = await self._records.turns(conversation)
        return [message for turn in turns[-SHOWN_TURNS:] for message in self._stored(turn)]

    def _stored(self, turn: StoredTurn) -> Messages:
        shown = Shown(
            text=turn.answer,
            routed=turn.routed,
            retrieved=turn.retrieved,
            checked=turn.checked,
            ended=turn.ended,
            stopped=turn.status == "stopped",
            unfinished=turn.status == "running",
            collections=self._look.collections,
        )
        return [_user(turn.text), _assistant(shown)]


def build(service: ChatService, records: Repository, surface: str, look: Look) -> gr.Blocks:
    """The page of a surface, to be mounted by ``mount``, which gives it its looks."""
    page = ChatPage(service, records, surface, look)
    demo: gr.Blocks
    with gr.Blocks(title=look.title, fill_height=True, analytics_enabled=False) as demo:
        browser = gr.BrowserState(storage_key=f"switchyard-{surface}", secret="switchyard")
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
            autoscroll=False,
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
        _wire(page, demo, browser, chat, box, new)
    demo.max_threads = 200
    demo.state_session_capacity = 500
    demo.queue(default_concurrency_limit=None)
    # Gradio checks the file paths in what browsers send only for apps that it has launched itself; this one is
    # mounted. Without the flag any file of this machine could be named in a request and fetched.
    demo.has_launched = True
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
    chat: gr.Chatbot,
    box: gr.Textbox,
    new: gr.Button,
) -> None:
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    run: dict[str, Any] = {"outputs": [box, chat, browser], "concurrency_limit": None, "trigger_mode": "once", **quiet}
    demo.load(page.load, browser, [browser, chat], queue=False, **quiet)
    runs: list[Any] = [
        box.submit(page.respond, [box, browser], **run),
        chat.example_select(page.suggest, browser, **run),
    ]
    # Cancelling comes first and on its own: a handler beside it would hold it up.
    box.stop(None, cancels=runs, queue=False, **quiet).then(page.stopped, browser, [box, chat], queue=False, **quiet)
    new.click(None, cancels=runs, queue=False, **quiet).then(
        page.new, browser, [browser, chat, box], queue=False, **quiet
    )


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": said(text)}


def _assistant(shown: Shown) -> dict[str, Any]:
    return {"role": "assistant", "content": shown.markdown()}


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


def theme() -> gr.themes.Base:
    """Calm greys and one blue; no fonts from elsewhere, and subdued text that keeps a contrast of 4.5 to 1."""
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=MONO, radius_size="lg").set(
        body_text_color_subdued="#56606e", body_text_color_subdued_dark="#a9b4c4"
    )
