"""Retraining from the desk: begun with a button, watched by whoever has the tab open."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr
from gradio.events import Dependency
from markupsafe import Markup

from assistant.desk.routing import LABEL, RoutingRecords
from assistant.desk.routing_learning import Learning, LearningError, State, Then
from assistant.records.repository import RecordsError
from assistant.routing.retrain import parted
from ui.desk.parts import QUIET, Desk, count, html, notice, section, tile, tiles
from ui.desk.routing_learned import going, outcome

THEN: dict[str, Then] = {"Use it if it is better": "use", "Run it as the shadow": "shadow", "Only try it": "try"}


def build(desk: Desk, tab: gr.Tab, learning: Learning) -> list[Dependency]:
    """The button with what becomes of it. Returns the events that end when a run has ended."""
    records = RoutingRecords(desk.assistant.records)
    there = html(elem_id="ro-said-so-far")
    then = gr.Radio(list(THEN), value=next(iter(THEN)), label="And then", elem_id="ro-then")
    accepted = gr.CheckboxGroup(
        [], value=[], label="Let these fall, if your organisation wants it so", elem_id="ro-accepted", visible=False
    )
    button = gr.Button("Retrain", variant="primary", elem_id="ro-retrain")
    shown = html(elem_id="ro-outcome")
    outputs = [shown, accepted, button]

    async def counted(span: str) -> Markup:
        return so_far(await records.corrections(None))

    async def follow() -> AsyncGenerator[tuple[Any, ...]]:
        async with aclosing(learning.watch()) as states:
            async for state in states:
                if state.task == "retrain":
                    yield _shown(state)
                elif not state.running:
                    # Something, always: of a generator that gives nothing Gradio empties what it would fill.
                    found = learning.found("retrain")
                    yield _shown(State("retrain", found=found)) if found else (gr.skip(), gr.skip(), gr.skip())

    async def retrain(chosen: str, falls: list[str]) -> AsyncGenerator[tuple[Any, ...]]:
        try:
            await learning.retrain(desk.assistant.settings, THEN.get(chosen, "try"), falls)
        except (LearningError, RecordsError) as error:
            yield notice(str(error), "warn"), gr.skip(), gr.skip()
            return
        async with aclosing(follow()) as states:
            async for each in states:
                yield each

    desk.refresh(tab, counted, there)
    return [
        tab.select(follow, None, outputs, **QUIET),
        button.click(retrain, [then, accepted], outputs, **QUIET),
    ]


def so_far(corrections: list[Any]) -> Markup:
    """What there is to learn from."""
    desk = sum(each.verdict == LABEL for each in corrections)
    learned, apart = parted([each.labelled() for each in corrections])
    return section(
        "Learn from what people said",
        Markup("<p>{}</p>").format(
            "Fits the router to all corrections and labels, beside the turns that ship. It is used only if nothing "
            "speaks against it on turns that it did not learn from. The chat goes on meanwhile."
        ),
        tiles(
            tile("Corrections", count(len(corrections) - desk), "by people in the chat"),
            tile("Labels", count(desk), "given at the desk"),
            tile("To learn from", count(len(learned)), f"{count(len(apart))} held apart to judge on"),
        ),
    )


def _shown(state: State) -> tuple[Any, ...]:
    """The area, the falls to accept, and the button."""
    if state.running:
        return going(state), gr.skip(), gr.Button(interactive=False)
    ready = gr.Button(interactive=True)
    if state.failed:
        return notice(state.failed, "bad"), gr.skip(), ready
    if state.found is None:
        return "", gr.skip(), ready
    falls = [each["slice"] for each in state.found["fallen"]]
    choice = gr.CheckboxGroup(choices=falls, value=[], visible=True) if falls else gr.skip()
    return outcome(state.found), choice, ready
