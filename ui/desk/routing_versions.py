"""The versions of the router: compared, taken into use, rolled back, and run silently beside the one in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr
from gradio.events import Dependency
from markupsafe import Markup

from assistant.desk.routing import RoutingRecords
from assistant.desk.routing_learning import Learning, LearningError
from assistant.routing import shadow
from assistant.routing.heads import HeadsError
from assistant.routing.shadow import Report
from assistant.routing.versions import Version, VersionError, Versions
from ui.desk.parts import (
    QUIET,
    Desk,
    act,
    badge,
    count,
    empty,
    html,
    inbox,
    join,
    notice,
    percent,
    said,
    section,
    table,
    tile,
    tiles,
)
from ui.desk.routing_learned import compared, going
from ui.desk.routing_turns import way

USE, COMPARE, SHADOW = "ro-use", "ro-compare", "ro-run"
DIFFERENCES = 40
"""Of the shadow, the newest."""
NEXT = "from the next turn on"


def build(desk: Desk, tab: gr.Tab, learning: Learning, learned: Sequence[Dependency]) -> None:
    """A table with buttons, what they did, and the shadow's report. ``learned`` are the events after
    which there may be another version."""
    told = html(elem_id="ro-told")
    listed = html(elem_id="ro-versions")
    with gr.Row(elem_id="ro-back"):
        back = gr.Button("Roll back", size="sm", elem_id="ro-rollback")
        end = gr.Button("Stop the shadow", size="sm", elem_id="ro-stop")
    beside = html(elem_id="ro-compared")
    report = html(elem_id="ro-report")
    use, compare, run = inbox(USE), inbox(COMPARE), inbox(SHADOW)
    shown = [listed, report, end]
    versions = Versions(desk.assistant.settings.data)

    async def load(_: str) -> tuple[Any, ...]:
        return await _read(versions, RoutingRecords(desk.assistant.records))

    async def doing(what: Callable[[], str]) -> tuple[Any, ...]:
        try:
            note = notice(await asyncio.to_thread(what), "good")
        except (VersionError, HeadsError, OSError) as error:
            note = notice(str(error), "bad")
        return note, *await load("")

    async def used(message: str) -> tuple[Any, ...]:
        return await doing(lambda: _used(versions, said(message)))

    async def started(message: str) -> tuple[Any, ...]:
        return await doing(lambda: _started(versions, said(message)))

    async def went_back() -> tuple[Any, ...]:
        return await doing(lambda: f"{versions.rollback()} is in use again, {NEXT}.")

    async def stopped() -> tuple[Any, ...]:
        return await doing(lambda: _stopped(versions))

    async def comparing(message: str) -> AsyncGenerator[Any]:
        try:
            learning.compare(desk.assistant.settings, versions.current(), said(message))
        except LearningError as error:
            yield notice(str(error), "warn")
            return
        async with aclosing(learning.watch()) as states:
            async for state in states:
                if state.running:
                    yield going(state)
                else:
                    yield notice(state.failed, "bad") if state.found is None else compared(state.found)

    desk.refresh(tab, load, shown)
    for event in learned:
        event.then(load, desk.span, shown, **QUIET)
    use.submit(used, use, [told, *shown], **QUIET)
    run.submit(started, run, [told, *shown], **QUIET)
    back.click(went_back, None, [told, *shown], **QUIET)
    end.click(stopped, None, [told, *shown], **QUIET)
    compare.submit(comparing, compare, beside, **QUIET)


def _used(versions: Versions, name: str) -> str:
    versions.use(name)
    return f"{name} is in use, {NEXT}."


def _started(versions: Versions, name: str) -> str:
    if name == versions.current():
        raise VersionError(f"'{name}' is in use: the shadow is another version.")
    shadow.start(versions, name)
    return f"{name} runs as the shadow, {NEXT}. Nobody sees what it decides."


def _stopped(versions: Versions) -> str:
    name = shadow.stop(versions)
    return "No shadow was running." if name is None else f"{name} runs no longer; its report stays."


async def _read(versions: Versions, records: RoutingRecords) -> tuple[Any, ...]:
    listed = await asyncio.to_thread(versions.listed)
    found = await asyncio.to_thread(shadow.report, versions)
    latest = found.differences[-DIFFERENCES:] if found else ()
    texts = await records.texts([str(each["turn"]) for each in latest])
    running = any(each.shadow for each in listed)
    return versions_table(listed), shadow_report(found, texts), gr.Button(interactive=running)


def versions_table(listed: Sequence[Version]) -> Markup:
    """Every version with its figures and what may be done with it."""
    rows = []
    for each in listed:
        figures = _figures(each)
        state = [badge("in use", "good")] if each.in_use else []
        state += [badge("shadow", "info")] if each.shadow else []
        state += [badge("came with the program")] if each.shipped else []
        made = str(each.card.get("made", ""))[:16].replace("T", " ")
        rows.append(
            [each.name, made, _turns(each), percent(figures.get("right")), _cost(figures), join(state, " "),
             notice(each.problem, "warn") if each.problem else _acts(each)]
        )  # fmt: skip
    heads = ["Version", "Made", "Learnt from", "Right", "Cost a turn", "State", "Do"]
    return section("Versions", table("Versions of the router", heads, rows, numbers=(3, 4), quiet=True))


def _acts(version: Version) -> Markup:
    if version.in_use:
        return Markup("")
    known = [("Use", USE), ("Compare", COMPARE)] + ([] if version.shadow else [("Run as the shadow", SHADOW)])
    return join([act(_named(label, version.name), box, version.name, "button") for label, box in known], " ")


def _named(label: str, name: str) -> Markup:
    return Markup('{}<span class="unseen"> {}</span>').format(label, name)


def shadow_report(found: Report | None, texts: Mapping[str, str]) -> Markup:
    """What the shadow saw, and where it would have gone another way."""
    if found is None:
        return section("Shadow", empty("No version has run as a shadow yet.", "“Run as the shadow” starts one."))
    rows = []
    for each in reversed(found.differences[-DIFFERENCES:]):
        scores, other = each["scores"], each["shadow_scores"]
        rows.append(
            [
                texts.get(str(each["turn"]), "(no longer in the records)"),
                way(str(each["route"])),
                way(str(each["shadow_route"])),
                f"{scores['information']:.2f} → {other['information']:.2f}",
                f"{scores['voice']:.2f} → {other['voice']:.2f}",
            ]
        )
    full = [notice("Later differences were counted and not kept: the file is full.", "info")] if found.full else []
    return section(
        "Shadow",
        tiles(
            tile("Shadow", found.version, "runs" if found.running else "has run"),
            tile("Turns seen", count(found.seen)),
            tile("Other way", count(found.differ), percent(found.differ, found.seen)),
        ),
        *full,
        table(
            "Where it would go another way, the newest first",
            ["Turn", "In use", "Shadow", "P(information)", "P(voice)"],
            rows,
            nothing="It has agreed on every turn so far.",
        ),
    )


def _figures(version: Version) -> Mapping[str, Any]:
    """Of the shipped turns held apart, which all versions have in common."""
    found = version.card.get("figures", {})
    part = found.get("shipped") if isinstance(found, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _cost(figures: Mapping[str, Any]) -> str:
    return f"{figures['cost']:.3f}" if "cost" in figures else ""


def _turns(version: Version) -> str:
    turns = version.card.get("turns", "")
    if isinstance(turns, Mapping):
        return ", ".join(f"{number:,} {name}" for name, number in turns.items())
    return f"{turns:,}" if isinstance(turns, int) else str(turns)
