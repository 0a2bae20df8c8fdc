"""The list of a person's conversations, as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from html import escape
from itertools import groupby

from assistant.records.conversations import Conversation
from ui.place import one_line
from ui.rendering import in_line
from ui.words import Words

KEYS = {
    "send": ("Enter",),
    "newline": ("Shift", "Enter"),
    "escape": ("Esc",),
    "search": ("Ctrl", "K"),
    "previous": ("Alt", "↑"),
    "sources": ("Alt", "S"),
}
"""What the page can do by keyboard; ⌘ does as Ctrl."""


def conversations(
    found: Sequence[Conversation], current: str, words: Words, now: datetime, *, more: int = 0, searched: bool = False
) -> str:
    """The list, in groups by age; ``more`` is how many a longer list would have, 0 where this is all."""
    groups = [
        f"<h2>{escape(name)}</h2><ul>{''.join(_item(each, current, words) for each in those)}</ul>"
        for name, those in groupby(found, key=lambda each: _age(each, words, now))
    ]
    if not found:
        groups.append(f'<p class="none">{escape(words["list.none" if searched else "list.none_yet"])}</p>')
    elif searched:
        groups.insert(0, f'<p class="none" role="status">{escape(words("list.found", count=len(found)))}</p>')
    if more:
        groups.append(f'<button type="button" data-do="more" data-of="{more}">{escape(words["list.more"])}</button>')
    body = "".join(groups) + _keys(words)
    key = sha256(body.encode("utf-8", "replace")).hexdigest()[:16]
    return one_line(f'<nav aria-label="{escape(words["list.conversations"])}" data-key="{key}">{body}</nav>')


def _keys(words: Words) -> str:
    rows = "".join(
        f"<dt>{''.join(f'<kbd>{key}</kbd>' for key in keys)}</dt><dd>{escape(words[f'keys.{name}'])}</dd>"
        for name, keys in KEYS.items()
    )
    return f'<details class="keys"><summary>{escape(words["keys.show"])}</summary><dl>{rows}</dl></details>'


def _item(each: Conversation, current: str, words: Words) -> str:
    title = in_line(each.title.strip() or words["list.untitled"])
    here = ' aria-current="page"' if each.id == current else ""
    what = in_line(words("list.what_to_do", title=each.title.strip() or words["list.untitled"]))
    return (
        f'<li data-conversation="{escape(each.id)}" data-pinned="{str(each.pinned).lower()}">'
        f'<button type="button" class="conv-open" dir="auto"{here}>{title}</button>'
        '<button type="button" class="conv-menu" aria-haspopup="menu" aria-expanded="false"'
        f' aria-label="{what}"></button>'
        "</li>"
    )


def _age(each: Conversation, words: Words, now: datetime) -> str:
    if each.pinned:
        return words["list.pinned"]
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for name, since in _since(today):
        if each.updated_at >= since:
            return words[f"list.{name}"]
    return words["list.earlier"]


def _since(today: datetime) -> Iterator[tuple[str, datetime]]:
    yield "today", today
    yield "yesterday", today - timedelta(days=1)
    yield "week", today - timedelta(days=7)
    yield "month", today - timedelta(days=30)
