"""The desk of those who run the assistant: its frame, and the tabs in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from markupsafe import Markup

from assistant.access.identity import Identity, Role
from assistant.app import Assistant
from assistant.desk.knowledge_work import Jobs
from ui.blocks import for_many
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
EDITORS = ("overview", "knowledge", "answers")
"""The tabs of editors. The others are not in their page, and so no request can name their handlers."""
HEAD = Markup(
    '<div class="who"><h1>Desk</h1>{}<a href="../">Chat</a>'
    '<form method="post" action="leave"><button type="submit" class="act link">Sign out</button></form></div>'
)


def build(assistant: Assistant, role: Role = "admin", jobs: Jobs | None = None) -> gr.Blocks:
    """The page of a role, to be mounted behind the guard. Nothing is read from the records before a tab is opened."""
    demo: gr.Blocks
    with gr.Blocks(title="Desk", analytics_enabled=False, delete_cache=FORGET) as demo:
        with gr.Row(elem_id="desk-top"):
            head = html(HEAD.format(""), elem_id="desk-head")
            bare: dict[str, Any] = {"show_label": False, "container": False, "scale": 0, "min_width": 420}
            span = gr.Radio(list(SPANS), value="7 days", label="Time", elem_id="span", **bare)
        opened = gr.Textbox("overview", elem_id="opened", label="Tab in view", visible="hidden")
        desk = Desk(assistant, span, opened, role, jobs or Jobs())
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            for name, make in TABS.items() if role == "admin" else ((name, TABS[name]) for name in EDITORS):
                with gr.Tab(name.capitalize(), id=name, elem_id=f"tab-{name}") as tab:
                    # The loop's name is bound as it is now.
                    tab.select(lambda name=name: name, None, desk.opened, **QUIET)
                    make(desk, tab)
        demo.load(_head, None, head, **QUIET)
    for_many(demo)
    return demo


def _head(request: gr.Request) -> Markup:
    """Who is here, if they have signed in."""
    state = request.request.scope.get("state", {}) if request.request else {}
    who: Identity | None = state.get("identity")
    known = who is not None and who.via == "sign_in"
    name = Markup("<span class='who-name' title='Signed in as {0} ({1})'>{0}</span>")
    return HEAD.format(name.format(who.name or "Somebody", who.role) if who is not None and known else "")
