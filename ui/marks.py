"""Claims of an answer that its sources do not, or only partly, state: underlined in its Markdown, with the reason.

The places are planted into the text before it is read as Markdown, as two characters that count as punctuation there,
so that nothing else is read differently, and that no living script uses. What stands between them is wrapped piece by
piece, because a sentence may hold a link, or begin within bold words and end after them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it.token import Token

Wire = Mapping[str, Any]
START, END = "\U00010a7f", "\U00010af0"
_PLACES = re.compile(f"([{START}{END}])")
_GONE = str.maketrans("", "", START + END)
_FOREIGN = str.maketrans({START: "\ufffd", END: "\ufffd"})


def planted(text: str, marks: Iterable[Wire], say: Callable[[str], str] = str) -> tuple[str, list[Wire]]:
    """The text with the places of the marks that say something against it, and these marks in their order, each with
    its reason as ``say`` puts it."""
    shown = [mark for mark in marks if mark["state"] != "supported" and 0 <= mark["start"] < mark["end"] <= len(text)]
    shown.sort(key=lambda mark: mark["start"])
    text = text.translate(_FOREIGN)
    pieces, at = [], 0
    kept: list[Wire] = []
    for mark in shown:
        if mark["start"] < at:
            continue
        pieces += [text[at : mark["start"]], START, text[mark["start"] : mark["end"]], END]
        at = mark["end"]
        kept.append({**mark, "why": say(mark["why"] or "")})
    return "".join([*pieces, text[at:]]), kept


def unplanted(text: str) -> str:
    """Without any such place."""
    return text.translate(_GONE)


def underlined(tokens: Sequence[Token], env: MutableMapping[str, Any]) -> Iterator[Token]:
    """Inline tokens with their marked pieces wrapped. ``env`` holds the ``marks`` that are still to come, and the one
    that is ``open``: a mark may begin in one cell of a table and end in another."""
    linked = 0
    for token in tokens:
        linked += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type != "text":
            passed(token.content, env)
            yield token
            continue
        for piece in _pieces(token.content):
            if piece in (START, END):
                passed(piece, env)
            elif env.get("open") and any(map(str.isalnum, piece)) and not linked:
                yield from _wrapped(piece, *_around(env["open"], first=env["first"]))
                env["first"] = False
            else:
                yield Token("text", "", 0, content=piece)


def passed(text: str, env: MutableMapping[str, Any]) -> None:
    """Follow the places in a text that is not underlined itself, such as code."""
    for letter in text:
        if letter in (START, END):
            env["open"] = env["marks"].pop(0) if letter == START and env["marks"] else None
            env["first"] = True


def _pieces(text: str) -> Iterator[str]:
    return filter(None, _PLACES.split(text))


def _wrapped(piece: str, before: str, after: str) -> Iterator[Token]:
    """The piece without the space around it, which would be underlined too."""
    core = piece.strip()
    start = piece.index(core)
    yield Token("text", "", 0, content=piece[:start])
    yield Token("html_inline", "", 0, content=before)
    yield Token("text", "", 0, content=core)
    yield Token("html_inline", "", 0, content=after)
    yield Token("text", "", 0, content=piece[start + len(core) :])


def _around(mark: Wire, *, first: bool) -> tuple[str, str]:
    """What stands before and after a piece. The reason comes once, with the first one, which can be reached with the
    keyboard; as an element, because Gradio takes attributes of our own away."""
    why = escape(mark["why"])
    if not (first and why):
        return f'<span class="mark {escape(mark["state"])}">', "</span>"
    return f'<span class="mark {escape(mark["state"])}" tabindex="0">', f'<span class="why">{why}</span></span>'
