"""The first tab of the desk: the span in numbers, how the routes share it, and what needs somebody."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup

from assistant.desk import overview as records
from ui.desk.charts import stacked
from ui.desk.parts import Desk, count, html, join, jump, money, notice, percent, section, since, tile, tiles

ROUTES = {"retrieve": "Looked up", "voice": "Our voice", "both": "Looked up, in our voice", "ask": "Asked back"}
SHAPES = {records.HOUR: "%d %b %H:%M"}


def build(desk: Desk, tab: gr.Tab) -> None:
    """The tab."""
    attention = html(elem_id="ov-attention")
    numbers = html(elem_id="ov-numbers")
    mix = html(elem_id="ov-mix")

    async def load(span: str) -> tuple[Markup, Markup, Markup]:
        begin = since(span)
        base = desk.assistant.records
        figures = await records.figures(base, begin)
        down = await records.thumbs_down(base, begin)
        return (
            await attention_of(desk, figures.unanswered),
            numbers_of(figures, down, jump("Models", "models") if desk.admin else Markup("")),
            mix_of(await records.mix(base, begin)),
        )

    desk.refresh(tab, load, [attention, numbers, mix])


def numbers_of(figures: records.Figures, down: int, why: Markup) -> Markup:
    """Tiles of a span; ``why`` leads to what has failed."""
    turns = figures.turns
    spent = join((money(amount, currency) for currency, amount in sorted(figures.costs.items())), " + ")
    return tiles(
        tile("Turns", count(turns)),
        tile("People", count(figures.people)),
        tile("Looked up", percent(figures.looked_up, turns), count(figures.looked_up)),
        tile("In our voice", percent(figures.voiced, turns), count(figures.voiced)),
        tile("Not in the documents", percent(figures.unanswered, figures.looked_up), count(figures.unanswered)),
        tile("Thumbs down", count(down), jump("Answers", "answers"), "warn" if down else ""),
        tile("Failed", count(figures.failed), why, "bad" if figures.failed else ""),
        tile("Cost", spent or "–"),
    )


def mix_of(found: records.Mix) -> Markup:
    """The routes over time."""
    shape = SHAPES.get(found.width, "%d %b")
    # In the order, and so in the colours, that the chat page gives them.
    routes = [*(name for name in ROUTES if name in found.routes), *(set(found.routes) - set(ROUTES))]
    series = {ROUTES.get(name, name): found.routes[name] for name in routes}
    return stacked("Turns by route", [f"{each:{shape}}" for each in found.moments], series)


async def attention_of(desk: Desk, unanswered: int) -> Markup:
    """What somebody should look at, each with the tab where."""
    assistant = desk.assistant
    found: list[Markup] = []
    if assistant.problem and desk.admin:
        found.append(notice(Markup("{} {}").format(_sentence(assistant.problem), jump("Models", "models")), "bad"))
    for source in (await assistant.list_sources())["sources"]:
        if source["outcome"] in ("failed", "refused"):
            text = f"The source {source['location']} of {source['collection']} was not followed: {source['message']}"
            found.append(notice(Markup("{} {}").format(_sentence(text), jump("Knowledge", "knowledge"))))
    for name, resting in assistant.backends.resting().items() if desk.admin else ():
        if resting:
            text = f"The model {name} rests, because it failed again and again."
            found.append(notice(Markup("{} {}").format(text, jump("Models", "models"))))
    if unanswered:
        text = f"{unanswered:,} turns asked for what the documents do not hold."
        found.append(notice(Markup("{} {}").format(text, jump("Answers", "answers")), "info"))
    return section("Needs attention", *found) if found else Markup("")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('. ')}."
