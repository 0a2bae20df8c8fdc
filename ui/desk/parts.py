"""What every tab of the desk is made of: the span, refreshing, tables, tiles, formats, and buttons in tables.

Markup is markupsafe's: whatever is not ``Markup`` is escaped on its way in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import gradio as gr
from markupsafe import Markup, escape

from assistant.access.identity import Role
from assistant.app import Assistant
from assistant.desk.knowledge_work import Jobs
from ui.place import one_line, place

SPANS = {"24 hours": timedelta(hours=24), "7 days": timedelta(days=7), "30 days": timedelta(days=30), "All": None}
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
"""For every event of the desk: no veil over what is being read, no name in Gradio's API."""
NONE = "–"
BLANK = Markup("<td></td>")
"""Above a column of buttons, which needs no name."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a tab is given. ``span`` is the time range above all tabs, ``opened`` holds the id of the tab in view.
    ``role`` is that of whoever this desk is for, ``jobs`` the work on the documents, one for the desks of all roles."""

    assistant: Assistant
    span: gr.Radio
    opened: gr.Textbox
    role: Role = "admin"
    jobs: Jobs = field(default_factory=Jobs)

    @property
    def admin(self) -> bool:
        """Whether it has what only admins may do."""
        return self.role == "admin"

    def refresh(self, tab: gr.Tab, load: Callable[..., Any], outputs: Any, inputs: Sequence[Any] = ()) -> None:
        """Run ``load(span, *inputs)`` as the tab is opened, the first one with the page, and as the span changes while
        it is open. ``load`` may be async; it returns what the outputs show."""
        name, many = tab.id, isinstance(outputs, list | tuple)

        async def shown(span: str, *values: Any) -> Any:
            found = load(span, *values)
            return await found if hasattr(found, "__await__") else found

        async def changed(span: str, opened: str, *values: Any) -> Any:
            if opened != name:
                return tuple(gr.skip() for _ in outputs) if many else gr.skip()
            return await shown(span, *values)

        tab.select(shown, [self.span, *inputs], outputs, **QUIET)
        self.span.change(changed, [self.span, self.opened, *inputs], outputs, **QUIET)


def since(span: str, now: datetime | None = None) -> datetime | None:
    """When a span of ``SPANS`` begins, in UTC; None is the beginning of all."""
    length = SPANS.get(span)
    return (now or datetime.now(UTC)) - length if length else None


def html(value: object = "", **options: Any) -> gr.Markdown:
    """A place for markup, as the page loads and as an output: what is not ``Markup`` is escaped. (``gr.HTML`` compiles
    its value, which the pages' policy forbids.)"""
    spot = place(_line(value), **options)
    spot.postprocess = _line  # type: ignore[method-assign]
    return spot


def _line(value: object) -> str:
    return one_line(f'<div class="html">{"" if value is None else escape(value)}</div>')


def inbox(name: str) -> gr.Textbox:
    """A box that nobody sees: what an ``act`` button says arrives in it and submits it. Read it with ``said``."""
    return gr.Textbox(elem_id=name, label=name, visible="hidden", max_lines=1)


def act(label: object, box: str, value: object, kind: str = "link") -> Markup:
    """A button within markup that sends ``value`` to the ``inbox`` of that name. ``kind`` is link, button or danger."""
    return Markup('<button type="button" class="act {}" data-to="{}" data-say="{}">{}</button>').format(
        kind, box, value, label
    )


def said(message: str) -> str:
    """What an ``act`` button said; the page adds a number, so that the same can be said twice."""
    return message.rsplit(" ", 1)[0]


def jump(label: object, tab: str) -> Markup:
    """A link to another tab, by its id."""
    return Markup('<a href="#{}">{}</a>').format(tab, label)


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Collection[int] = (),
    nothing: str = "Nothing here yet.",
    quiet: bool = False,
) -> Markup:
    """A table that becomes a list on a narrow page. ``numbers`` are the columns that are aligned right; ``quiet``
    shows the caption to screen readers only. Without rows: ``nothing``."""
    body = Markup("").join(_row(heads, row, numbers) for row in rows)
    if not body:
        return empty(nothing)
    head = Markup("").join(
        Markup('<th scope="col" class="{}">{}</th>').format("n" if place in numbers else "", each) if each else BLANK
        for place, each in enumerate(heads)
    )
    return Markup(
        '<table class="rows"><caption class="{}">{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
    ).format("unseen" if quiet else "", caption, head, body)


def _row(heads: Sequence[str], row: Sequence[object], numbers: Collection[int]) -> Markup:
    cells = Markup("").join(
        Markup('<td class="{}" data-head="{}">{}</td>').format(
            "n" if place in numbers else "", heads[place], NONE if each is None or each == "" else each
        )
        for place, each in enumerate(row)
    )
    return Markup("<tr>{}</tr>").format(cells)


def tile(label: str, value: object, note: object = "", tone: str = "") -> Markup:
    """A number with its name. ``tone`` is empty, good, warn or bad."""
    return Markup('<div class="tile {}"><dt>{}</dt><dd>{}<small>{}</small></dd></div>').format(tone, label, value, note)


def tiles(*each: Markup) -> Markup:
    """Tiles side by side, as many as there is room for."""
    return Markup('<dl class="tiles">{}</dl>').format(Markup("").join(each))


def empty(text: object, hint: object = "") -> Markup:
    """What stands where there is nothing to show."""
    return Markup('<div class="empty"><p>{}</p><p class="hint">{}</p></div>').format(text, hint)


def notice(text: object, tone: str = "warn") -> Markup:
    """A sentence that should be seen: good, info, warn or bad."""
    return Markup('<p class="say {}">{}</p>').format(tone, text)


def badge(text: object, tone: str = "") -> Markup:
    """A word in a coloured pill; the word says it all, the colour only helps."""
    return Markup('<span class="badge {}">{}</span>').format(tone, text)


def section(title: str, *content: Markup) -> Markup:
    """A heading with what belongs below it."""
    return Markup('<section class="part"><h2>{}</h2>{}</section>').format(title, Markup("").join(content))


def join(each: Iterable[object], between: str = ", ") -> Markup:
    """Texts and markup in a line."""
    return escape(between).join(escape(one) for one in each)


def words(text: str) -> Markup:
    """A message with its `commands` as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def count(number: float | None) -> str:
    """1,234."""
    return NONE if number is None else f"{number:,.0f}"


def percent(part: float | None, whole: float | None = 1) -> str:
    """12 %, below ten with a decimal: 3.4 %."""
    if part is None or not whole:
        return NONE
    share = 100 * part / whole
    return f"{share:.1f} %" if 0 < share < 10 else f"{share:.0f} %"


def duration(seconds: float | None) -> str:
    """From 12 ms to 3 h 20 min."""
    if seconds is None:
        return NONE
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, hours = round(seconds / 60), int(round(seconds / 60) / 60)
    return f"{minutes} min" if hours == 0 else f"{hours} h {minutes % 60} min"


def money(amount: float | None, currency: str = "") -> str:
    """With two decimals, or as many as show two digits of a small sum: 0.0012 USD."""
    if amount is None:
        return NONE
    places = 2 if amount == 0 or amount >= 0.1 else 4 if amount >= 0.0005 else 6
    return f"{amount:,.{places}f} {currency}".strip()


def utc(moment: datetime) -> datetime:
    """SQLite gives times back without their zone; they are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def when(moment: datetime | None, now: datetime | None = None) -> Markup:
    """How long ago, with the moment itself in UTC on hover and for machines."""
    if moment is None:
        return Markup(NONE)
    moment = utc(moment)
    passed = ((now or datetime.now(UTC)) - moment).total_seconds()
    exact = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.isoformat(), f"{exact:%Y-%m-%d %H:%M} UTC", _ago(passed) if passed < 7 * 86400 else f"{exact:%Y-%m-%d}"
    )


def _ago(seconds: float) -> str:
    if seconds < 60:
        return "just now"
    for length, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds / length)} {name} ago"
    raise AssertionError("unreachable")
