"""What the page's script is told of an answer: which turn it is, its versions, and what its reader thinks of it.

It travels inside the answer's own HTML, hidden, as classes: Gradio's sanitizer takes everything else away, and what a
model writes can bring no classes.
"""

from __future__ import annotations

from assistant.records.repository import StoredTurn


def about(turn: StoredTurn, thumb: str | None = None, *, earlier: bool = False) -> str:
    """One hidden element: ``turn-ID``, with several versions ``v-2-3`` (the second of three), ``prev-ID`` and
    ``next-ID``, with a thumb ``thumb-up`` or ``thumb-down``; ``earlier`` where turns before it are not on the page."""
    names = ["about", f"turn-{turn.id}"]
    if earlier:
        names.append("earlier")
    if len(turn.siblings) > 1:
        at = turn.siblings.index(turn.id)
        names.append(f"v-{at + 1}-{len(turn.siblings)}")
        names += [f"prev-{turn.siblings[at - 1]}"] if at else []
        names += [f"next-{turn.siblings[at + 1]}"] if at + 1 < len(turn.siblings) else []
    if thumb:
        names.append(f"thumb-{thumb}")
    return f'<p class="{" ".join(names)}"></p>'
