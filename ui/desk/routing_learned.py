"""What came of learning, as markup: how far it is, the figures before and after, and what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from assistant.desk.routing_learning import State, Then
from ui.desk.parts import badge, count, duration, join, notice, percent, section, table

FIGURES = {
    "right": "Information right", "missed": "Missed look-ups", "needless": "Needless look-ups", "f1": "F1 of look-ups",
    "cost": "Cost a turn", "log_loss": "Log loss", "voice_right": "Voice right",
}  # fmt: skip
SHARES = ("right", "missed", "needless", "voice_right")
PARTS = {
    "shipped": "The shipped turns held apart",
    "corrections": "Your corrections held apart",
    "all": "Both together",
    "turns": "The shipped turns held apart",
}
CHANGED = 40
"""Turns that became right or wrong, shown."""
Wire = Mapping[str, Any]


def going(state: State) -> Markup:
    """How far a task is."""
    far = Markup('<progress max="{}" value="{}" aria-label="{}"></progress>').format(state.of, state.done, state.what)
    unknown = Markup('<progress aria-label="{}"></progress>').format(state.what)
    told = f"{state.what}: {state.done:,} of {state.of:,}" if state.of else state.what
    return Markup('<p class="ro-progress" role="status">{} {}</p>').format(far if state.of else unknown, told)


def outcome(found: Wire) -> Markup:
    """What came of retraining."""
    learned = (
        f"Learnt from {found['learned']:,} turns, {found['held_apart']:,} of yours held apart; from {found['base']}, "
        f"in {duration(found['seconds'])}."
    )
    return section(
        "What came of it",
        _verdict(found),
        Markup("<p>{}</p>").format(learned),
        figures(found["before"], found["after"]),
        fallen(found["fallen"]),
    )


def _verdict(found: Wire) -> Markup:
    name, then = found["version"], str(found["then"])
    if found["objections"]:
        reasons = Markup("").join(Markup("<li>{}</li>").format(each) for each in found["objections"])
        return notice(
            Markup("<b>{}</b><ul>{}</ul>").format(f"Not better, so {found['current']} stays in use.", reasons), "warn"
        )
    said: dict[Then, str] = {
        "use": f"Installed: {name} is in use from the next turn on.",
        "shadow": f"Installed: {name} runs as the shadow from the next turn on.",
        "try": "Better than the version in use. Nothing was installed: it was only tried.",
    }
    return notice(next(text for key, text in said.items() if key == then), "good")


def compared(found: Wire) -> Markup:
    """Two versions on the same turns."""
    changed = found["changed"]
    rows = [
        [badge("now right", "good") if each["right"] else badge("now wrong", "bad"), each["turn"], each["kind"]]
        for each in changed[:CHANGED]
    ]
    more = len(changed) - len(rows)
    title = f"Turns that change: {len(changed):,}" + (f", the first {CHANGED} of them" if more > 0 else "")
    against = [notice(join(found["objections"], "; "), "warn")] if found["objections"] else []
    return section(
        f"{found['old']} and {found['new']}",
        *against,
        figures({"turns": found["before"]}, {"turns": found["after"]}, found["old"], found["new"]),
        fallen(found["fallen"]),
        table(title, ["", "Turn", "Kind"], rows, nothing="No turn becomes right or wrong."),
    )


def figures(before: Wire, after: Wire, old: str = "Before", new: str = "After") -> Markup:
    """A table for each part that both were judged on."""
    tables = []
    for part, now in after.items():
        was = before[part]
        rows = [
            [label, _value(name, was[name]), _value(name, now[name])]
            for name, label in FIGURES.items()
            if now[name] is not None
        ]
        title = f"{PARTS.get(part, part)}: {count(now['n'])} turns"
        tables.append(table(title, ["Figure", old, new], rows, numbers=(1, 2)))
    return Markup("").join(tables)


def fallen(falls: list[Wire]) -> Markup:
    """The slices in which more goes wrong than before."""
    if not falls:
        return Markup("")
    rows = [[each["slice"], each["n"], each["right_before"], each["right_after"]] for each in falls]
    return table("Where it falls", ["Slice", "Turns", "Right before", "Right after"], rows, numbers=(1, 2, 3))


def _value(name: str, value: float | None) -> str:
    return percent(value) if name in SHARES else "–" if value is None else f"{value:.3f}"
