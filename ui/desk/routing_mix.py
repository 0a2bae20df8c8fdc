"""Which ways turns went, and where people said that another would have been right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import gradio as gr
from markupsafe import Markup

from assistant.conversation.routes import ROUTES
from assistant.desk.routing import DAY, HOUR, RoutingRecords, Sent
from assistant.desk.routing_judged import LOOKING_UP, Confusion, confusion, in_cell
from assistant.records.corrections import Correction
from assistant.routing.evaluation import LABELLED
from ui.desk import charts
from ui.desk.parts import QUIET, Desk, act, count, empty, html, inbox, percent, said, section, since, table, tile, tiles
from ui.desk.routing_turns import corrected, way

CELL = "ro-cell"
ALL = "All surfaces"
CHOSEN = "Chosen by people"
DAYS = 92
"""From so many days on, a bar is a month."""
SHOWN = 20
"""Turns of a cell, the newest."""


def build(desk: Desk, tab: gr.Tab) -> None:
    """Charts, a table by surface, and the turns behind each count."""
    records = RoutingRecords(desk.assistant.records)
    surface = gr.Dropdown([ALL], value=ALL, label="Surface", elem_id="ro-surface", filterable=False)
    mix = html(elem_id="ro-mix")
    matrix = html(elem_id="ro-matrix")
    turns = html(elem_id="ro-turns")
    cell = inbox(CELL)

    async def load(span: str, chosen: str) -> tuple[object, Markup, Markup, str]:
        sent = await records.sent(since(span), by=HOUR if span == "24 hours" else DAY)
        surfaces = sorted({each.surface for each in sent} | set(desk.assistant.settings.surfaces))
        chosen = chosen if chosen in surfaces else ALL
        found = confusion(await records.corrections(since(span)))
        return gr.Dropdown([ALL, *surfaces], value=chosen), mixed(sent, span, chosen), confused(found), ""

    async def filtered(span: str, chosen: str) -> Markup:
        return mixed(await records.sent(since(span), by=HOUR if span == "24 hours" else DAY), span, chosen)

    async def opened(message: str, span: str) -> Markup:
        sent, _, right = said(message).partition(" ")
        return listed(in_cell(await records.corrections(since(span)), sent, right), sent, right)

    desk.refresh(tab, load, [surface, mix, matrix, turns], [surface])
    surface.input(filtered, [desk.span, surface], mix, **QUIET)
    cell.submit(opened, [cell, desk.span], turns, **QUIET)


def mixed(sent: Sequence[Sent], span: str, surface: str) -> Markup:
    """How turns went: figures, over time, and by surface."""
    shown = [each for each in sent if surface in (ALL, each.surface)]
    if not shown:
        return section("Which way turns went", empty("No turn was routed in this time.", "Choose a longer one above."))
    own = [each for each in shown if not each.chosen]
    moments = _moments(span, [each.when for each in shown])
    ways = {name: way(name) for name in ROUTES if any(each.route == name for each in own)}
    series = {label: _series([e for e in own if e.route == name], moments) for name, label in ways.items()}
    if chosen := [each for each in shown if each.chosen]:
        series[CHOSEN] = _series(chosen, moments)
    return section(
        "Which way turns went",
        _tiles(own, sum(each.turns for each in shown)),
        charts.stacked("Turns by way" + (" and hour, in UTC" if span == "24 hours" else ""), moments, series),
        _by_surface(sent),
    )


def _tiles(own: Sequence[Sent], turns: int) -> Markup:
    routed = sum(each.turns for each in own)
    up = sum(each.turns for each in own if each.route in LOOKING_UP)
    voice = sum(each.turns for each in own if each.route in ("voice", "both"))
    said = sum(each.corrected for each in own)
    return tiles(
        tile("Turns", count(turns), f"{count(routed)} decided by the router"),
        tile("Looked up", percent(up, routed), "of what the router decided"),
        tile("In our voice", percent(voice, routed), "with and without a look-up"),
        tile("Corrected", percent(said, routed), f"{count(said)} that people sent another way"),
    )


def _by_surface(sent: Sequence[Sent]) -> Markup:
    rows = []
    for surface in sorted({each.surface for each in sent}):
        own = [each for each in sent if each.surface == surface and not each.chosen]
        of = Counter[str]()
        for each in own:
            of[each.route] += each.turns
        routed, said = of.total(), sum(each.corrected for each in own)
        rows.append([surface, count(routed), *(percent(of[name], routed) for name in LABELLED), percent(said, routed)])
    heads = ["Surface", "Decided", *(way(name) for name in LABELLED), "Corrected"]
    return table("By surface", heads, rows, numbers=range(1, len(heads)))


def confused(found: Confusion) -> Markup:
    """What the router decided against what people say was right; each count opens its turns."""
    if not found.people + found.desk:
        return section(
            "Where people disagree",
            empty("Nobody has corrected a turn in this time.", "Label some uncertain turns: that counts, too."),
        )
    wrong = found.told

    def cell(row: int, column: int) -> Markup:
        sent, right = found.routes[row], LABELLED[column]
        number = found.counts[row][column]
        label = Markup('{}<span class="unseen"> turns: {} by the router, {} by people</span>').format(
            count(number), way(sent), way(right)
        )
        return act(label, CELL, f"{sent} {right}")

    return section(
        "Where people disagree",
        tiles(
            tile("Missed look-ups", count(wrong["missed"]), "not looked up, and should have been"),
            tile("Needless look-ups", count(wrong["needless"]), "looked up for nothing"),
            tile("Wrong voice", count(wrong["voice"]), "looked up, answered in the other voice"),
        ),
        charts.confusion(
            f"{count(found.people)} said by people in the chat, {count(found.desk)} labelled here",
            [way(each) for each in found.routes],
            [way(each) for each in LABELLED],
            found.counts,
            row_axis="The router",
            column_axis="People",
            cell=cell,
        ),
    )


def listed(corrections: Sequence[Correction], sent: str, right: str) -> Markup:
    """The turns of a cell with their conversations and reasons."""
    title = f"{way(sent)} by the router, {way(right)} by people"
    shown = [corrected(each) for each in corrections[:SHOWN]]
    more = len(corrections) - len(shown)
    note = Markup('<p class="hint">{}</p>').format(f"and {more:,} older ones") if more > 0 else Markup("")
    return section(title, *(shown or [empty("These turns are gone.")]), note)


def _series(sent: Sequence[Sent], moments: Sequence[str]) -> list[int]:
    of = Counter[str]()
    for each in sent:
        of[each.when if each.when in moments else each.when[:7]] += each.turns
    return [of[moment] for moment in moments]


def _moments(span: str, seen: Sequence[str]) -> list[str]:
    """Every hour, day or month of the span, also those without a turn."""
    now = datetime.now(UTC)
    if span == "24 hours":
        begin = since(span, now) or now
        return [f"{begin + timedelta(hours=hour):%Y-%m-%d %H}" for hour in range(25)]
    first = datetime.fromisoformat(min(seen)).replace(tzinfo=UTC)
    begin = since(span, now) or first
    days = [f"{begin + timedelta(days=day):%Y-%m-%d}" for day in range((now - begin).days + 2)]
    days = [day for day in days if day <= f"{now:%Y-%m-%d}"]
    return days if len(days) <= DAYS else list(dict.fromkeys(day[:7] for day in days))
