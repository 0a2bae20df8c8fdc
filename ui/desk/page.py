"""The desk of those who run the assistant: its frame, and the tabs in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from markupsafe import Markup

from assistant.app import Assistant
from ui.desk import answers, knowledge, models, overview, routing
from ui.desk.parts import QUIET, SPANS, Desk, html
from ui.uploads import FORGET

Build = Callable[[Desk, gr.Tab], None]


TABS: dict[str, Build] = {
    "overview": overview.build,
    "knowledge": knowledge.build,
    "routing": routing.build,
    "answers": answers.build,
    "models": models.build,
}
HEAD = Markup(
    '<div class="who"><h1>Desk</h1><a href="../">Chat</a>'
    '<form method="post" action="leave"><button type="submit" class="act link">Sign out</button></form></div>'
)


def build(assistant: Assistant) -> gr.Blocks:
    """The page, to be mounted behind the guard. Nothing is read from the records before a tab is opened."""
    demo: gr.Blocks
    with gr.Blocks(title="Desk", analytics_enabled=False, delete_cache=FORGET) as demo:
        with gr.Row(elem_id="desk-top"):
            html(HEAD, elem_id="desk-head")
            bare: dict[str, Any] = {"show_label": False, "container": False, "scale": 0, "min_width": 420}
            span = gr.Radio(list(SPANS), value="7 days", label="Time", elem_id="span", **bare)
        opened = gr.Textbox("overview", elem_id="opened", label="Tab in view", visible="hidden")
        desk = Desk(assistant, span, opened)
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            for name, make in TABS.items():
                with gr.Tab(name.capitalize(), id=name, elem_id=f"tab-{name}") as tab:
                    # The loop's name is bound as it is now.
                    tab.select(lambda name=name: name, None, desk.opened, **QUIET)
                    make(desk, tab)
    demo.max_threads = 200
    demo.state_session_capacity = 500
    demo.queue(default_concurrency_limit=None)
    # As on the chat page: without it, requests could name files of this machine.
    demo.has_launched = True
    return demo
