"""The desk's Routing tab: which ways turns go, which to label, what the router learns, and what its scores mean."""

from __future__ import annotations

import gradio as gr

from assistant.desk.routing_learning import Learning
from ui.desk import routing_mix, routing_queue, routing_reliability, routing_retrain, routing_versions
from ui.desk.parts import Desk


def build(desk: Desk, tab: gr.Tab) -> None:
    """Its four parts, each a tab of its own."""
    learning = Learning(desk.assistant.records)
    with gr.Tabs(elem_id="ro-parts"):
        with gr.Tab("Routes"):
            routing_mix.build(desk, tab)
        with gr.Tab("To label"):
            routing_queue.build(desk, tab)
        with gr.Tab("Learning"):
            learned = routing_retrain.build(desk, tab, learning)
            routing_versions.build(desk, tab, learning, learned)
        with gr.Tab("Reliability"):
            routing_reliability.build(desk, tab, learning)
