"""A place on a page for our own HTML, as the page loads and as an output."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr

from ui.rendering import literal


def place(value: str = "", **options: Any) -> gr.Markdown:
    """Gradio's Markdown without any Markdown and without its sanitizer, which takes ``data-`` and ``aria-`` attributes.
    All that is put here must be `one_line` of HTML in which every text is escaped. (``gr.HTML`` compiles its value,
    which the pages' policy forbids.)"""
    return gr.Markdown(
        one_line(value), sanitize_html=False, latex_delimiters=[], container=False, padding=False, **options
    )


def one_line(html: str) -> str:
    """HTML as Markdown hands it through untouched: its line breaks are those within ``pre`` and attributes."""
    return literal(re.sub(r"\r\n|\r|\n", "&#10;", html.strip()))
