"""What did not work, told to whoever uses the page."""

from __future__ import annotations

from html import escape
from itertools import count

import gradio as gr

from ui.place import one_line

_numbers = count(1)


def warn(title: str, text: str) -> None:
    """As a note that goes away, from a handler in Gradio's queue; others give ``told`` to the page's script."""
    gr.Warning(f"{escape(title)}: {escape(text)}")


def told(*, name: str = "", kind: str = "", text: str = "", warning: str = "") -> str:
    """What the page's script is handed: a file to be kept, with its name and type, or a warning to be shown."""
    parts = (("told", str(next(_numbers))), ("name", name), ("type", kind), ("text", text), ("warning", warning))
    # A line break in an attribute is kept; a carriage return would be read as one.
    attributes = " ".join(f'data-{key}="{escape(value).replace(chr(13), "&#13;")}"' for key, value in parts if value)
    return one_line(f"<div {attributes}></div>")
