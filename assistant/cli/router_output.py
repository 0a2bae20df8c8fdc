"""What the commands of the router print for people."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from assistant.cli.common import console

if TYPE_CHECKING:
    from rich.console import Console

SHOWN_SLICES, SHOWN_WRONG = 20, 40
FEW = 5
"""Slices of fewer turns say little; they are in ``--json``."""
HEADINGS = {
    "missed": "Missed lookups: should have been looked up",
    "needless": "Needless lookups: should not have been",
    "voice": "Looked up or to be looked up, but in the wrong voice",
}


def show_report(found: dict[str, Any]) -> None:
    """A report of ``routing.evaluation``."""
    out = console()
    _figures(found, out)
    _confusion(found["confusion"], out)
    _slices(found["slices"], out)
    _wrong(found["wrong"], out)


def show_explanation(found: dict[str, Any]) -> None:
    """What ``assistant router explain`` found."""
    from rich.markup import escape

    out = console()
    out.print(f"[bold]{escape(found['title'])}[/] [dim]({found['route']}, router {found['version']})[/]")
    for reason in found["reasons"]:
        out.print(f"  · {escape(reason)}")
    scores, threshold = found["scores"], found["threshold"]
    sign = "≥" if scores["information"] >= threshold else "<"
    out.print(f"\nP(information) {scores['information']:.2f} {sign} {threshold:.2f}, which the costs ask for")
    sign = "≥" if scores["voice"] >= found["voice_threshold"] else "<"
    policy = f"the surface {found['surface']} answers in voice: {found['policy']}"
    out.print(f"P(voice) {scores['voice']:.2f} {sign} {found['voice_threshold']:.2f}; {escape(policy)}")
    if found["cues"]:
        shown = ", ".join(f"{name} “{words}”" if words else name for name, words in found["cues"].items())
        out.print(f"Cues: {escape(shown)}")
    if found["evidence"]:
        evidence = found["evidence"]
        near = f"closest passage {evidence['similarity']:.2f}"
        out.print(f"Evidence {evidence['state']} ({evidence['score']:.2f}), {near}: {escape(found['query'] or '–')}")
    if found["note"]:
        out.print(f"[yellow]{escape(found['note'])}[/]")
    _words(found, out)


def _words(found: dict[str, Any], out: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    rows = [(f"“{shortened(each['words'], 60)}”", each) for each in found["words"]]
    if found["without_history"]:
        rows.append(("the conversation", found["without_history"]))
    if not rows:
        out.print("\n[dim]No word of it carries the decision alone.[/]")
        return
    table = Table("without", "P(information)", "P(voice)", box=None, pad_edge=False, header_style="bold")
    for label, each in rows:
        moves = [f"{each[name]:.2f} ({each[name] - found['scores'][name]:+.2f})" for name in ("information", "voice")]
        table.add_row(escape(label), *moves)
    out.print()
    out.print(table)


def shortened(text: str, most: int) -> str:
    """The text on one line, at most so many characters."""
    return textwrap.shorten(text, most, placeholder="…") if " " in text[:most] else text[:most]


def _figures(found: dict[str, Any], out: Console) -> None:
    from rich.table import Table

    lookups, cost = found["information"], found["cost"]
    out.print(f"{found['n']:,} turns, router {found['version']}, looking up from {found['threshold']:.2f} on\n")
    table = Table("figure", "value", box=None, pad_edge=False, header_style="bold")
    for label, value in {
        "information right": _percent(lookups["accuracy"]),
        "missed lookups": _percent(lookups["missed"]),
        "needless lookups": _percent(lookups["needless"]),
        "precision, recall, F1": ", ".join(_number(lookups[name]) for name in ("precision", "recall", "f1")),
        "calibration error": _number(lookups["ece"]),
        f"voice right (of {found['voice']['n']:,})": _percent(found["voice"]["accuracy"]),
        "cost a turn": f"{cost['per_turn']:.3f} (always looking up: {cost['always_looking_up']:.3f})",
        "latency p50, p95": f"{found['latency_ms']['p50']:.1f} ms, {found['latency_ms']['p95']:.1f} ms",
    }.items():
        table.add_row(label, value)
    out.print(table)


def _confusion(found: dict[str, dict[str, int]], out: Console) -> None:
    from rich.table import Table

    said = list(next(iter(found.values())))
    table = Table("right route ╲ sent to", *said, box=None, pad_edge=False, header_style="bold")
    for name, row in found.items():
        table.add_row(name, *(f"{row[each]:,}" for each in said))
    out.print()
    out.print(table)


def _slices(slices: dict[str, dict[str, Any]], out: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    rows = [
        (f"{by} {name}", figures)
        for by, parts in slices.items()
        for name, figures in parts.items()
        if figures["n"] >= FEW and len(parts) > 1
    ]
    if not rows:
        return
    rows.sort(key=lambda row: (row[1]["accuracy"], -row[1]["cost"], -row[1]["n"]))
    headings = ("slice, worst first", "turns", "right", "missed", "needless", "voice", "cost")
    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for label, each in rows[:SHOWN_SLICES]:
        shares = [_percent(each[name]) for name in ("accuracy", "missed", "needless", "voice")]
        table.add_row(escape(label), f"{each['n']:,}", *shares, f"{each['cost']:.3f}")
    out.print()
    out.print(table)
    if len(rows) > SHOWN_SLICES:
        out.print(f"[dim]{len(rows) - SHOWN_SLICES} better slices, and those of fewer than {FEW} turns: --json[/]")


def _wrong(wrong: list[dict[str, Any]], out: Console) -> None:
    from rich.markup import escape

    for mistake, heading in HEADINGS.items():
        chosen = [each for each in wrong if each["mistake"] == mistake]
        if chosen:
            out.print(f"\n[bold]{heading} ({len(chosen)})[/]")
        for each in chosen[:SHOWN_WRONG]:
            score = each["scores"]["voice" if mistake == "voice" else "information"]
            named = " · ".join(filter(None, (each["id"], each["kind"], each["domain"])))
            out.print(f"{score:.2f}  {escape(shortened(each['turn'], 160))}  [dim]{escape(named)}[/]")
            if each["history"]:
                last = each["history"][-1]
                out.print(f"      [dim]after {last['role']}: {escape(shortened(last['content'], 120))}[/]")
            right = each["expected"]
            out.print(f"      [dim]{each['route']} for {right}: {escape('; '.join(each['reasons']))}[/]")
        if len(chosen) > SHOWN_WRONG:
            out.print(f"[dim]and {len(chosen) - SHOWN_WRONG} more: --json[/]")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
