"""The desk's Answers tab: how good answers are, turns found again, and what the documents lack."""

from __future__ import annotations

import gradio as gr

from ui.desk import answers_figures, answers_gaps, answers_search
from ui.desk.parts import Desk


def build(desk: Desk, tab: gr.Tab) -> None:
    """Its three parts, each a tab of its own."""
    with gr.Tabs(elem_id="an-parts"):
        with gr.Tab("Figures"):
            answers_figures.build(desk, tab)
        with gr.Tab("Turns"):
            answers_search.build(desk, tab)
        with gr.Tab("Gaps"):
            answers_gaps.build(desk, tab)
