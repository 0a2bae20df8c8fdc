"""The page that people chat on: what stands where, in Gradio Blocks, and which control calls which handler."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from fastapi import FastAPI

from assistant.conversation.service import ChatService
from assistant.records.repository import Repository
from ui.chat_handlers import ChatPage, Look
from ui.theme import theme

STATIC = Path(__file__).parent / "static"
CSS = STATIC / "chat.css"
TROUBLE = (
    "The settings file has an error, so the assistant goes on with the settings from before. "
    "`assistant config check` says what is wrong."
)


def build(
    service: ChatService,
    records: Repository,
    surface: str,
    now: Callable[[], Look],
    trouble: Callable[[], bool] = lambda: False,
) -> gr.Blocks:
    """The page of a surface, to be mounted by ``mount``, which gives it its looks. ``now`` is how it looks:
    what surrounds the conversation as the program starts, what is said of an answer at any time. ``trouble`` says
    whether the settings file is wrong."""
    look = now()
    page = ChatPage(service, records, surface, now, trouble)
    demo: gr.Blocks
    with gr.Blocks(title=look.title, fill_height=True, analytics_enabled=False) as demo:
        browser = gr.BrowserState(storage_key=f"switchyard-{surface}", secret="switchyard")
        with gr.Row(elem_id="top", equal_height=True):
            gr.Markdown(f"# {look.title}", elem_id="title")
            new = gr.Button("New conversation", size="sm", variant="secondary", elem_id="new", scale=0)
        notice = gr.Markdown(TROUBLE, elem_id="trouble", visible=trouble())
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
        # What chat.js says for the buttons below the answers. It is not shown.
        wrong = gr.Textbox(elem_id="correction", label="Correction", visible="hidden", max_lines=1)
        _wire(page, demo, browser, chat, box, wrong, new, notice)
    demo.max_threads = 200
    demo.state_session_capacity = 500
    demo.queue(default_concurrency_limit=None)
    # Gradio checks the file paths in what browsers send only for apps that it has launched itself; this one is
    # mounted. Without the flag any file of this machine could be named in a request and fetched.
    demo.has_launched = True
    return demo


def mount(
    app: FastAPI,
    service: ChatService,
    records: Repository,
    surface: str,
    now: Callable[[], Look],
    trouble: Callable[[], bool] = lambda: False,
) -> FastAPI:
    """``app`` with the page of a surface at its root; routes that it has already go first."""
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build(service, records, surface, now, trouble),
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
    wrong: gr.Textbox,
    new: gr.Button,
    notice: gr.Markdown,
) -> None:
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    run: dict[str, Any] = {"outputs": [box, chat, browser], "concurrency_limit": None, "trigger_mode": "once", **quiet}
    demo.load(page.load, browser, [browser, chat], queue=False, **quiet)
    demo.load(page.notice, None, notice, queue=False, **quiet)
    runs: list[Any] = [
        box.submit(page.noticing, [box, browser], **{**run, "outputs": [box, chat, browser, notice]}),
        chat.example_select(page.suggest, browser, **run),
        wrong.submit(page.correct, [wrong, browser], **{**run, "trigger_mode": "multiple"}),
    ]
    # Cancelling comes first and on its own: a handler beside it would hold it up.
    box.stop(None, cancels=runs, queue=False, **quiet).then(page.stopped, browser, [box, chat], queue=False, **quiet)
    new.click(None, cancels=runs, queue=False, **quiet).then(
        page.new, browser, [browser, chat, box], queue=False, **quiet
    )
