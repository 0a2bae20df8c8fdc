"""Whether the router's probabilities mean what they say, and where decisions tip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr
from markupsafe import Markup

from assistant.config_errors import ConfigError
from assistant.desk.routing import RoutingRecords
from assistant.desk.routing_judged import Reliability, live
from assistant.desk.routing_learning import Learning, LearningError
from assistant.routing.router import Costs
from assistant.routing.versions import Versions
from assistant.settings import Settings
from ui.desk import charts
from ui.desk.parts import QUIET, Desk, count, empty, html, notice, percent, section, since, table, tile, tiles
from ui.desk.routing_learned import going

KEYS = ("costs.missed_lookup", "costs.needless_lookup", "voice_threshold", "ask", "ask_threshold", "second_opinion")
FEW = 100
"""Turns below which a diagram says little."""
PREDICTED, OBSERVED = "What the router says", "Had to be looked up"


def build(desk: Desk, tab: gr.Tab, learning: Learning) -> None:
    """Two diagrams and the settings in force."""
    records, versions = RoutingRecords(desk.assistant.records), Versions(desk.assistant.settings.data)
    spoken = html(elem_id="ro-live")
    apart = html(elem_id="ro-apart")
    button = gr.Button("Measure the version in use", size="sm", elem_id="ro-measure")
    tips = html(elem_id="ro-tips")

    async def load(span: str) -> tuple[Any, ...]:
        found = live(await records.corrections(since(span)))
        current = await asyncio.to_thread(versions.find, versions.current())
        measured = learning.found("measure")
        kept = measured if measured and measured["name"] == current.name else None
        return of_live(found), of_apart(current.name, current.card, kept), await _tips(desk)

    async def measure() -> AsyncGenerator[Any]:
        name = versions.current()
        try:
            learning.measure(desk.assistant.settings, name)
        except LearningError as error:
            yield notice(str(error), "warn")
            return
        async with aclosing(learning.watch()) as states:
            async for state in states:
                if state.running:
                    yield section("On turns held apart", going(state))
                elif state.found is None:
                    yield notice(state.failed, "bad")
                else:
                    yield of_apart(name, versions.find(name).card, state.found)

    desk.refresh(tab, load, [spoken, apart, tips])
    button.click(measure, None, apart, **QUIET)


def of_live(found: Reliability) -> Markup:
    """The diagram of live turns."""
    if found.error is None:
        return section(
            "On live turns",
            empty("Nobody has said of a turn in this time how it should have gone.", "Label some uncertain turns."),
        )
    few = [notice(f"{found.turns:,} turns say little yet: below {FEW} take it as a hint.", "info")]
    return section(
        "On live turns",
        Markup("<p>{}</p>").format(
            "Of the turns that people corrected or that were labelled here. Those are the doubtful ones, so this shows "
            "where the router errs, not how often."
        ),
        *(few if found.turns < FEW else []),
        _figures(found.turns, found.error),
        _diagram("P(information) and what people said", found.bins),
    )


def of_apart(name: str, card: Mapping[str, Any], measured: Mapping[str, Any] | None) -> Markup:
    """The diagram of turns that nothing was trained on; without one, what the version's card says of them."""
    title = "On turns held apart"
    if measured is not None:
        information = measured["information"]
        return section(
            title,
            Markup("<p>{}</p>").format(f"{name} on the turns that ship for judging, which nothing was trained on."),
            _figures(
                measured["n"], information["ece"],
                tile("Right", percent(information["accuracy"]), f"at {measured['threshold']:.2f}"),
            ),
            _diagram("P(information) and what was so", measured["reliability"]),
        )  # fmt: skip
    figures = card.get("figures", {})
    part = figures.get("shipped") if isinstance(figures, Mapping) else None
    if not isinstance(part, Mapping):
        return section(title, empty(f"The card of {name} says nothing of them.", "Measure it: that takes seconds."))
    return section(
        title,
        Markup("<p>{}</p>").format(f"As the card of {name} says. Measure it for the diagram: that takes seconds."),
        tiles(tile("Right", percent(part.get("right"))), tile("Cost a turn", f"{part.get('cost', 0):.3f}")),
    )


def _figures(turns: int, error: float, *more: Markup) -> Markup:
    return tiles(
        tile("Turns", count(turns)),
        tile("Calibration error", percent(error), "expected, over ten bins"),
        *more,
    )


def _diagram(title: str, bins: Sequence[Mapping[str, Any]]) -> Markup:
    points = [(float(each["said"]), float(each["true"]), int(each["n"])) for each in bins]
    return charts.reliability(title, points, predicted=PREDICTED, observed=OBSERVED)


async def _tips(desk: Desk) -> Markup:
    file, problem = desk.assistant.file, ""
    origins: Mapping[str, str] = {}
    if file is not None:
        try:
            origins = (await asyncio.to_thread(file.load)).origins
        except ConfigError:
            problem = "The settings file has an error, so these are the settings from before it."
    return in_force(desk.assistant.settings, origins, problem)


def in_force(settings: Settings, origins: Mapping[str, str], problem: str = "") -> Markup:
    """Thresholds and costs with where they come from, and the command that changes each."""
    router = settings.router
    threshold = Costs(float(router.costs.missed_lookup), float(router.costs.needless_lookup)).threshold
    keys = [(f"router.{key}", _at(router, key)) for key in KEYS]
    keys += [(f"surfaces.{name}.voice", surface.voice) for name, surface in settings.surfaces.items()]
    rows = [
        [Markup("<code>{}</code>").format(key), _shown(value), origins.get(key, ""),
         Markup("<code>{}</code>").format(f"assistant config set {key} {_shown(value)}")]
        for key, value in keys
    ]  # fmt: skip
    return section(
        "Where decisions tip",
        *([notice(problem, "warn")] if problem else []),
        Markup("<p>{}</p>").format(
            f"Turns are looked up from P(information) {threshold:.2f} on: what a needless look-up costs, of what both "
            "mistakes cost together. Change them by the command; they count from the next turn on."
        ),
        table("Costs and thresholds", ["Setting", "Value", "From", "To change it"], rows),
    )


def _at(router: Any, key: str) -> object:
    for part in key.split("."):
        router = getattr(router, part)
    return router


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
