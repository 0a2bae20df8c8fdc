"""The Knowledge tab: what stands where, and which control calls which handler."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.desk.knowledge_handlers import EVERYTHING, Knowledge
from ui.desk.parts import QUIET, Desk, html, inbox

ORDERS = [("By name", "name"), ("Newest first", "newest"), ("Longest first", "longest")]
AT_ONCE: dict[str, Any] = {**{key: each for key, each in QUIET.items() if key != "concurrency_limit"}, "queue": False}
"""For events with one answer. Gradio's queue loses one that begins as the stream of another is closing."""
GROUPS = "Empty: all collections, as whoever runs this. everyone: somebody of no group."


def build(desk: Desk, tab: gr.Tab) -> None:
    """The tab's components, made where this is called, and their events."""
    page = Knowledge(desk.assistant, desk.jobs, desk.admin)
    note = html(elem_id="kn-note")
    work = html(elem_id="kn-work")
    stop = gr.Button("Stop", size="sm", variant="stop", visible=False, elem_id="kn-stop")
    ask = html(elem_id="kn-asked")
    do, wants, yes, opens, turn = map(inbox, ("kn-do", "kn-ask", "kn-yes", "kn-open", "kn-page"))
    with gr.Tabs(elem_id="kn-views", overflow_behavior="wrap") as views:
        with gr.Tab("Sources", id="kn-sources"):
            sources = html()
        with gr.Tab("Documents", id="kn-documents"):
            where, search, order, shown = _documents()
        with gr.Tab("Add files", id="kn-add"):
            into, files, add = _files()
        with gr.Tab("Try a question", id="kn-question"):
            asked, go, found = _question()
        with gr.Tab("Access", id="kn-access"):
            rights, probe, may, verdict, change, save = _access(desk.admin)
        with gr.Tab("Index", id="kn-index", visible=desk.admin):
            indexes = html()
    loaded = [sources, where, into, asked[3], asked[5], probe[1], rights, change[0], indexes]
    desk.refresh(tab, page.load, loaded, [where])
    tab.select(page.follow, None, [work, stop], **QUIET)
    follow: dict[str, Any] = {"fn": page.follow, "inputs": None, "outputs": [work, stop], "trigger_mode": "multiple"}
    load: dict[str, Any] = {"fn": page.load, "inputs": [desk.span, where], "outputs": loaded}

    do.submit(page.do, [do], [note, ask], **AT_ONCE).then(**follow, **QUIET).then(**load, **AT_ONCE)
    wants.submit(page.ask, [wants], [ask], **AT_ONCE)
    said = yes.submit(page.yes, [yes], [note, ask], **AT_ONCE).then(**follow, **QUIET).then(**load, **AT_ONCE)
    said.then(page.listed, [where, search, order, turn], [shown], **AT_ONCE)
    added = add.click(page.upload, [files, into], [note, ask, files], **AT_ONCE)
    added.then(**follow, **QUIET).then(**load, **AT_ONCE)
    stop.click(page.stop, None, None, **AT_ONCE)

    listing: list[gr.components.Component] = [where, search, order]
    # Not `input`, which Gradio swallows once where a handler has set what was there already. One event of all, since
    # the documents of two could come in the other order.
    changes = [where.change, search.change, order.change]
    gr.on(changes, page.first, listing, [shown], trigger_mode="always_last", **AT_ONCE)
    turn.submit(page.listed, [*listing, turn], [shown], **AT_ONCE)
    opens.submit(page.open, [opens, order], [views, where, search, shown], **AT_ONCE)
    go.click(page.question, asked, [found], **AT_ONCE)
    asked[0].submit(page.question, asked, [found], **AT_ONCE)
    may.click(page.may, probe, [verdict], **AT_ONCE)
    change[0].change(page.reads_now, [change[0]], [change[1]], **AT_ONCE)
    save.click(page.readers, change, [ask], **AT_ONCE)


def _documents() -> tuple[gr.Dropdown, gr.Textbox, gr.Dropdown, gr.Markdown]:
    with gr.Row():
        where = gr.Dropdown([], label="Documents of", scale=3, min_width=220)
        search = gr.Textbox(label="Search", placeholder="Words of the title or the name", scale=2, min_width=180)
        order = gr.Dropdown(ORDERS, value="name", label="Order", scale=1, min_width=140)
    return where, search, order, html(elem_id="kn-shown")


def _files() -> tuple[gr.Dropdown, gr.File, gr.Button]:
    into = gr.Dropdown(
        [], label="Collection", info="One that is there, or the name of a new one: my-docs.", allow_custom_value=True
    )
    files = gr.File(file_count="multiple", label="Files", elem_id="kn-files", height=180)
    return into, files, gr.Button("Add the files", variant="primary", elem_id="kn-add-files")


def _question() -> tuple[list[Any], gr.Button, gr.Markdown]:
    text = gr.Textbox(label="Question", lines=1, max_lines=4, placeholder="As people would ask it")
    with gr.Accordion("After an earlier turn", open=False):
        earlier = gr.Textbox(label="Earlier question", max_lines=4)
        answer = gr.Textbox(label="Its answer", max_lines=6)
    with gr.Row():
        collection = gr.Dropdown([("All that may be read", EVERYTHING)], value=EVERYTHING, label="Collection")
        groups = gr.Textbox(label="As somebody of these groups", info=GROUPS, placeholder="staff, hr")
        surface = gr.Dropdown(["portal"], value="portal", label="Surface")
    go = gr.Button("What would this find?", variant="primary", elem_id="kn-go")
    return [text, earlier, answer, collection, groups, surface], go, html(elem_id="kn-found")


def _access(admin: bool) -> tuple[gr.Markdown, list[Any], gr.Button, gr.Markdown, list[Any], gr.Button]:
    rights = html()
    with gr.Row():
        groups = gr.Textbox(label="Somebody of these groups", placeholder="staff, hr")
        surface = gr.Dropdown(["portal"], value="portal", label="On the surface")
    may = gr.Button("What may they read?", elem_id="kn-may")
    verdict = html(elem_id="kn-verdict")
    with gr.Row(visible=admin):
        collection = gr.Dropdown([], label="Change who may read")
        readers = gr.Textbox(label="Groups", info="everyone, or groups with commas. Empty: nobody.")
    save = gr.Button("Change it in assistant.yaml", elem_id="kn-save", visible=admin)
    return rights, [groups, surface], may, verdict, [collection, readers], save
