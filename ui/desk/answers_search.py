"""Turns found again: by words, way, evidence, thumb, doubts, cost and time; each opens as it was."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from markupsafe import Markup

from assistant.conversation.routes import ROUTES
from assistant.desk.answers import ORDERS, PAGE, Answers, Found, Wanted
from assistant.desk.answers_turn import opened
from ui.desk.answers_turn import gone, turn_markup
from ui.desk.answers_words import EVIDENCE, STATES, THUMBS, evidence, pages, short, state, thumb, way
from ui.desk.downloads import TURNS
from ui.desk.parts import QUIET, Desk, act, count, duration, empty, html, inbox, join, money, said, since, table
from ui.desk.parts import when as ago

GO = "an-go"
ANY = "any"
TEXT = 160
"""Characters of a question in the list."""


class Search:
    """The handlers of the part."""

    def __init__(self, desk: Desk) -> None:
        self._assistant = desk.assistant
        self._answers = Answers(desk.assistant.records)

    async def load(self, span: str, *values: Any) -> tuple[Any, Any, Markup, str]:
        """The choices that the span has, and its first page."""
        wanted = _wanted(span, values)
        models = sorted({*await self._answers.models(wanted.since), *self._assistant.settings.models})
        surfaces = sorted(self._assistant.settings.surfaces)
        found = await self._page(wanted, 1)
        return gr.Dropdown(_choices(models, wanted.model)), gr.Dropdown(_choices(surfaces, wanted.surface)), found, "1"

    async def search(self, span: str, *values: Any) -> tuple[Markup, str]:
        """The first page of what is wanted."""
        return await self._page(_wanted(span, values), 1), "1"

    async def go(self, message: str, place: str, span: str, *values: Any) -> tuple[Markup, str]:
        """To another page, into a turn, and back from it."""
        what, _, which = said(message).partition(" ")
        if what == "turn":
            turn = await opened(self._assistant.records, which)
            return turn_markup(turn, GO, "Back to the turns", "back") if turn else gone(GO, "back"), place
        number = which if what == "page" else place
        page = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
        return await self._page(_wanted(span, values), max(1, page), arrive=True), str(page)

    async def _page(self, wanted: Wanted, number: int, *, arrive: bool = False) -> Markup:
        rows, total = await self._answers.page(wanted, number)
        if not rows and total:
            number = -(-total // PAGE)
            rows, total = await self._answers.page(wanted, number)
        return found_markup(rows, total, number, wanted, arrive=arrive)


def build(desk: Desk, tab: gr.Tab) -> None:
    """What to look for, and what is found."""
    search = Search(desk)
    words = gr.Textbox(
        label="Words in question or answer", placeholder="parental leave", elem_id="an-words", max_lines=1
    )
    with gr.Row(elem_classes="an-fields"):
        route = _dropdown("Way", "an-way", [(each.title, name) for name, each in ROUTES.items()])
        found = _dropdown("Evidence", "an-evidence", [(text, name) for name, text in EVIDENCE.items()])
        thumbed = _dropdown("Thumb", "an-thumb", [(text, name) for name, text in THUMBS.items()])
        ended = _dropdown("How it ended", "an-state", [(text, name) for name, text in STATES.items()])
        order = gr.Dropdown(
            [(each.capitalize(), each) for each in ORDERS], value=ORDERS[0], label="First", elem_id="an-order",
            filterable=False, min_width=150,
        )  # fmt: skip
    with gr.Row(elem_classes="an-fields an-checks"):
        doubted = gr.Checkbox(label="With a claim that no source states in full", elem_id="an-doubted", container=False)
        corrected = gr.Checkbox(label="Sent another way by the person", elem_id="an-corrected", container=False)
    with gr.Accordion("Model, surface, cost and time", open=False, elem_id="an-more"):
        with gr.Row(elem_classes="an-fields"):
            model = _dropdown("Model", "an-model", [])
            surface = _dropdown("Surface", "an-surface", [])
        with gr.Row(elem_classes="an-fields"):
            limits = [
                # Gradio's number field turns what is empty into 0 as it is first shown.
                gr.Textbox(label=label, elem_id=name, max_lines=1, min_width=130)
                for label, name in (("Cost from", "an-cost-from"), ("Cost to", "an-cost-to"),
                                    ("Seconds from", "an-seconds-from"), ("Seconds to", "an-seconds-to"))
            ]  # fmt: skip
    shown = html(elem_id="an-found")
    place = gr.Textbox("1", elem_id="an-place", label="Page of turns", visible="hidden")
    box = inbox(GO)
    fields: list[Any] = [words, route, found, thumbed, ended, order, doubted, corrected, model, surface, *limits]
    desk.refresh(tab, search.load, [model, surface, shown, place], fields)
    changes = [field.change if field in (words, *limits) else field.input for field in fields]
    # One event of all of them: the turns of two could come in the other order.
    gr.on(changes, search.search, [desk.span, *fields], [shown, place], trigger_mode="always_last", **QUIET)
    box.submit(search.go, [box, place, desk.span, *fields], [shown, place], **QUIET)


def _dropdown(label: str, name: str, choices: list[tuple[str, str]]) -> gr.Dropdown:
    return gr.Dropdown([("Any", ANY), *choices], value=ANY, label=label, elem_id=name, filterable=False, min_width=150)


def _choices(names: Sequence[str], chosen: str) -> list[tuple[str, str]]:
    """Names of models and surfaces; the one that is chosen stays among them."""
    return [("Any", ANY), *((name, name) for name in sorted({*names, *([chosen] if chosen else [])}))]


def _wanted(span: str, values: Sequence[Any]) -> Wanted:
    words, route, found, thumbed, ended, order, doubted, corrected, model, surface, *limits = values
    chosen = ["" if each in (ANY, None) else str(each) for each in (route, found, thumbed, ended, model, surface)]
    route, found, thumbed, ended, model, surface = chosen
    cost_from, cost_to, seconds_from, seconds_to = map(_number, limits)
    return Wanted(
        words=str(words or ""), route=route, evidence=found, thumb=thumbed, status=ended, model=model, surface=surface,
        unsupported=bool(doubted), corrected=bool(corrected), cost_from=cost_from, cost_to=cost_to,
        seconds_from=seconds_from, seconds_to=seconds_to, since=since(span),
        order=str(order) if order in ORDERS else ORDERS[0],
    )  # fmt: skip


def _number(text: object) -> float | None:
    """What was typed, with a point or a comma; None where it is no number."""
    try:
        number = float(str(text or "").strip().replace(",", "."))
    except ValueError:
        return None
    return number if isfinite(number) else None


def found_markup(rows: Sequence[Found], total: int, number: int, wanted: Wanted, *, arrive: bool = False) -> Markup:
    """A page of turns. ``arrive`` moves the focus to its heading."""
    head = Markup('<h2 tabindex="-1" {}>{}</h2>').format(
        Markup("data-arrive") if arrive else "", f"{count(total)} {'turn' if total == 1 else 'turns'}"
    )
    if not rows:
        return head + empty("No turn fits.", "Ask for less, or choose a longer time above.")
    heads = ["Question", "Asked", "Way", "Evidence", "Doubts", "Thumb", "Time", "Cost"]
    listed = table("Turns that were found", heads, [_row(each) for each in rows], numbers={6, 7}, quiet=True)
    return Markup('<section class="part an-list">{}{}{}{}</section>').format(
        head, exports(wanted), listed, pages(number, -(-total // PAGE), GO)
    )


def exports(wanted: Wanted) -> Markup:
    """Links to what was found, as files."""
    asked = urlencode(wanted.asked())
    links = [
        Markup('<a href="{}.{}?{}" download>{}</a>').format(TURNS, ending, asked, name)
        for ending, name in (("csv", "CSV"), ("jsonl", "JSON Lines"))
    ]
    return Markup('<p class="an-exports">Download all of them, as they were said: {}</p>').format(join(links, " · "))


def _row(turn: Found) -> list[object]:
    doubts = [f"{turn.unsupported} in no source"] if turn.unsupported else []
    doubts += [f"{turn.partly} partly"] if turn.partly else []
    asked = Markup("{} {}").format(act(short(turn.text, TEXT) or "–", GO, f"turn {turn.id}"), state(turn.status))
    return [
        asked,
        Markup("{}<br><small>{}</small>").format(ago(turn.made_at), turn.surface),
        way(turn.route, turn.requested, turn.corrected),
        evidence(turn.evidence),
        join(doubts, ", ") or None,
        thumb(turn.thumb, turn.comment),
        duration(turn.seconds) if turn.seconds is not None else None,
        money(turn.cost, turn.currency or "") if turn.cost is not None else None,
    ]
