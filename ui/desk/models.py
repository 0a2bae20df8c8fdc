"""The Models tab: how each model is, what it did in the span, who plays which role, and the settings in force."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import gradio as gr
from markupsafe import Markup

from assistant.backends import ROLES
from assistant.config_errors import ConfigError
from assistant.config_schema import Row, explain
from assistant.desk import overview as records
from assistant.desk.overview import Answered
from assistant.model_health import Answer, Health, all_health, answer_of
from assistant.settings import Settings
from assistant.settings_file import TAKEN
from ui.desk.charts import bars
from ui.desk.parts import (
    NONE,
    QUIET,
    Desk,
    act,
    badge,
    count,
    duration,
    empty,
    html,
    inbox,
    join,
    money,
    notice,
    said,
    section,
    since,
    table,
    words,
)

TONES = {"ok": "good", "wrong": "bad", "unclear": "warn"}
TEST = "mo-test"
ASKING = section("Models", empty("The providers are being asked."))


def build(desk: Desk, tab: gr.Tab) -> None:
    """The tab."""
    health = html(ASKING, elem_id="mo-health")
    tested = html(elem_id="mo-tested")
    asked = inbox(TEST)
    work, roles = html(elem_id="mo-work"), html(elem_id="mo-roles")
    html(Markup("<h2>Settings in force</h2>"))
    find = gr.Textbox(label="Find a setting", placeholder="roles.main, timeout, assistant.yaml", elem_id="mo-find")
    config = html(elem_id="mo-config")

    async def load(span: str, wanted: str) -> tuple[Markup, Markup, Markup]:
        base, begin = desk.assistant.records, since(span)
        done, failed = await records.answered(base, begin), await records.failures(base, begin)
        return work_of(done, failed), chains_of(desk.assistant.settings), await config_of(desk, wanted)

    async def probe(_: str) -> Markup:
        return await health_of(desk)

    async def test(message: str) -> Markup:
        return await tested_of(desk, said(message))

    async def search(wanted: str) -> Markup:
        return await config_of(desk, wanted)

    desk.refresh(tab, load, [work, roles, config], [find])
    desk.refresh(tab, probe, health)
    asked.submit(test, asked, tested, **QUIET | {"show_progress": "minimal"})
    find.change(search, find, config, trigger_mode="always_last", **QUIET)


async def health_of(desk: Desk) -> Markup:
    """Every model as its provider sees it now."""
    assistant = desk.assistant
    found = await all_health(assistant.settings, assistant.voice.resources)
    resting = assistant.backends.resting()
    return section(
        "Models",
        table(
            "Every model of the settings, as it is now",
            ["Model", "State", "Provider", "Plays", "Says", "Price a million", "Window", "Try"],
            [_health_row(each, resting) for each in sorted(found, key=lambda each: not each.roles)],
            numbers=(6,),
            quiet=True,
        ),
    )


def _health_row(each: Health, resting: Mapping[str, bool]) -> list[object]:
    state = badge(each.state, TONES[each.state])
    if resting.get(each.name):
        state = join((state, badge("resting", "warn")), " ")
    where = Markup("{}<br><small>{}</small>").format(
        each.connector, join(filter(None, (each.model, each.address)), " · ")
    )
    price = each.price and f"{each.price['input']:g} read, {each.price['output']:g} written, {each.price['currency']}"
    test = act("Test now", TEST, each.name, "button")
    return [
        Markup("<strong>{}</strong>").format(each.name), state, where, join(each.roles, "; ") or "no role",
        words(each.says), price, count(each.context_window), test,
    ]  # fmt: skip


async def tested_of(desk: Desk, name: str) -> Markup:
    """What a model answers when asked a few words now."""
    assistant = desk.assistant
    chosen = assistant.settings.models.get(name)
    if chosen is None:
        return notice(f"There is no model {name} any more.")
    answer = await answer_of(name, chosen, assistant.voice.resources)
    return Markup('<div role="status">{}</div>').format(notice(_answer(answer), "bad" if answer.error else "good"))


def _answer(answer: Answer) -> Markup:
    if answer.error:
        return Markup("<strong>{}</strong> {}").format(answer.name, answer.error)
    speed = f"{answer.tokens_per_second:,.0f} tokens/s" if answer.tokens_per_second else None
    cost = money(answer.cost.amount, answer.cost.currency) if answer.cost else None
    figures = join(filter(None, (f"first token after {duration(answer.first_token)}", speed, cost)), " · ")
    return Markup("<strong>{}</strong> “{}” <small>{}</small>").format(answer.name, answer.text[:300], figures)


def work_of(done: list[Answered], failed: Mapping[str, int]) -> Markup:
    """What every model did in the span, and what nobody answered."""
    rows = [
        [
            Markup("<strong>{}</strong>").format(each.model), count(each.turns),
            duration(each.first), duration(each.slow), count(each.input_tokens), count(each.output_tokens),
            _money(each.costs), _codes(each.faults),
        ]
        for each in done
    ]  # fmt: skip
    heads = ["Model", "Answers", "First token p50", "p95", "Tokens read", "Tokens written", "Spend", "Errors"]
    spent = [(f"{each.model} ({currency})", amount) for each in done for currency, amount in each.costs.items()]
    return section(
        "In this time",
        table("What the models did in this time", heads, rows, numbers=range(1, 7), quiet=True, nothing="No answers."),
        bars("Spend by model", sorted(spent, key=lambda each: -each[1]), show=money) if spent else Markup(""),
        bars("Turns that nobody answered, by code", list(failed.items())) if failed else Markup(""),
    )


def _money(costs: Mapping[str, float]) -> Markup | str:
    return join((money(amount, currency) for currency, amount in costs.items()), " + ") or NONE


def _codes(faults: Mapping[str, int]) -> Markup | str:
    return join((f"{code} {number:,}" for code, number in sorted(faults.items(), key=lambda each: -each[1]))) or "none"


def chains_of(settings: Settings) -> Markup:
    """Which model is asked for what, and who steps in, by surface."""
    rows = []
    for surface in settings.surfaces:
        for role in ROLES:
            first, *others = settings.roles_on(surface).chain(role)
            rows.append([surface, role, Markup("<strong>{}</strong>").format(first), join(others, ", then ") or NONE])
    return section("Roles", table("Who answers", ["Surface", "Role", "Asked first", "Then"], rows, quiet=True))


async def config_of(desk: Desk, wanted: str = "") -> Markup:
    """The settings as the file and the environment say them, secrets masked; what a restart is needed for is named."""
    file = desk.assistant.file
    if file is None:
        return empty("The settings of this server come from no file.")
    try:
        loaded = await asyncio.to_thread(file.load)
    except ConfigError as error:
        return notice(Markup("The file cannot be read, so the earlier settings count. {}").format(str(error)), "bad")
    now, rows = desk.assistant.settings, explain(loaded)
    waiting = [
        name for name in type(now).model_fields
        if name not in TAKEN and getattr(now, name) != getattr(loaded.settings, name)
    ]  # fmt: skip
    told = notice(f"Changed, but only a restart takes it over: {', '.join(waiting)}.") if waiting else Markup("")
    if wanted.strip():
        return told + _settings("Settings that fit", [row for row in rows if _fits(row, wanted)])
    defaults = [row for row in rows if row.origin == "default"]
    more = Markup('<details class="figures"><summary>{:,} settings at their defaults</summary>{}</details>')
    return (
        told
        + _settings("What has been set", [row for row in rows if row.origin != "default"])
        + more.format(len(defaults), _settings("At their defaults", defaults))
    )


def _settings(caption: str, rows: list[Row]) -> Markup:
    shown = [[row.key, Markup("<code>{}</code>").format(row.value), _origin(row)] for row in rows]
    return table(caption, ["Setting", "Value", "From"], shown, quiet=True, nothing="No setting fits.")


def _origin(row: Row) -> Markup:
    return badge(row.origin, "" if row.origin == "default" else "info")


def _fits(row: Row, wanted: str) -> bool:
    return all(word in f"{row.key} {row.value} {row.origin}".casefold() for word in wanted.casefold().split())
