"""What stands between an opening and a closing mark, replaced in one pass over the text."""

from __future__ import annotations

import re
from collections.abc import Callable


def replace_spans(text: str, opener: re.Pattern[str], closer: str, put: Callable[[re.Match[str], str], str]) -> str:
    """Replaces each span from ``opener`` to ``closer`` by what ``put`` makes of its opener and its inside.

    ``closer`` is a pattern in which ``{name}`` stands for the opener's first group. The time is linear in the
    text's length, which that of one pattern for the whole span is not where openers have no closer.
    """
    out: list[str] = []
    at = 0
    closers: dict[str, re.Pattern[str] | None] = {}
    for opening in opener.finditer(text):
        name = opening[1].lower() if opening.re.groups else ""
        if name not in closers:
            closers[name] = re.compile(closer.replace("{name}", re.escape(name)), re.IGNORECASE)
        pattern = closers[name]
        if opening.start() < at or pattern is None:
            continue
        closing = pattern.search(text, opening.end())
        if closing is None:
            closers[name] = None
            continue
        out += text[at : opening.start()], put(opening, text[opening.end() : closing.start()])
        at = closing.end()
    return "".join((*out, text[at:]))
