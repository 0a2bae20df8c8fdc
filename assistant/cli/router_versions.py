"""``assistant router versions``, ``compare``, ``use``, ``rollback``, ``remove`` and ``shadow``."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.common import console, friendly, load_settings, stop
from assistant.cli.router_learning import learning, records_of, rule_of, show_figures, telling

if TYPE_CHECKING:
    from assistant.routing.retrain import Bench
    from assistant.routing.versions import Version, Versions
    from assistant.settings import Settings

SHOWN_DIFFERENCES = 40
NEXT_TURN = "a running server takes it over with its next turn"


def show(config: Path | None, as_json: bool) -> None:
    """The versions that there are."""
    versions = _versions(config)[1]
    listed = versions.listed()
    if as_json:
        print(json.dumps([_row(each) for each in listed], ensure_ascii=False))
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("version", "made", "turns", "right", "cost", "", box=None, pad_edge=False, header_style="bold")
    for each in listed:
        figures = _figures(each)
        state = ", ".join(word for word, so in (("in use", each.in_use), ("shadow", each.shadow)) if so)
        table.add_row(
            escape(each.name), str(each.card.get("made", ""))[:16].replace("T", " "), escape(_turns(each)),
            "–" if figures is None else f"{100 * figures['right']:.1f} %",
            "–" if figures is None else f"{figures['cost']:.3f}", state,
        )  # fmt: skip
    console().print(table)
    for each in listed:
        if each.problem:
            console().print(each.problem, markup=False, style="yellow")


def compare(config: Path | None, old: str, new: str, file: Path | None, as_json: bool) -> None:
    """Two versions on the shipped held-apart turns, or on those of a file."""
    from assistant.knowledge.embedder import FastEmbedder
    from assistant.routing.retrain import Bench

    settings, versions = _versions(config)
    with learning(), friendly(), telling() as say:
        bench = Bench(versions, FastEmbedder(), rule_of(settings), say)
        found = compared_on(versions, bench, old, new, file)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    from assistant.cli.router_output import shortened

    out = console()
    out.print(f"before: {old}, after: {new}\n", markup=False)
    show_figures({"turns": found["before"]}, {"turns": found["after"]})
    for each in found["fallen"]:
        out.print(f"{each['slice']} falls: {each['right_before']} right before, {each['right_after']} after, of "
                  f"{each['n']}", markup=False)  # fmt: skip
    for each in found["changed"][:SHOWN_DIFFERENCES]:
        word = "now right" if each["right"] else "now wrong"
        out.print(f"{word}  {shortened(each['turn'], 120)}", markup=False)
    if len(found["changed"]) > SHOWN_DIFFERENCES:
        out.print(f"and {len(found['changed']) - SHOWN_DIFFERENCES} more: --json", style="dim")


def compared_on(versions: Versions, bench: Bench, old: str, new: str, file: Path | None) -> dict[str, Any]:
    """Figures of both, slices that fall, and the turns whose decision became right or wrong."""
    from assistant.routing.judging import objections
    from assistant.routing.labelled import read
    from assistant.routing.retrain import HELD_APART, compared

    before, after = versions.load(old), versions.load(new)
    turns = read(file or HELD_APART)
    x = bench.rows(after).of(turns, bench.telling("Reading the turns"))
    same = before.encoder.folder == after.encoder.folder
    x_old = x if same else bench.rows(before).of(turns, bench.telling("Reading the turns once more"))
    found = compared(bench.rule, before.heads, after.heads, {"turns": (x, turns)}, x_old)
    flips = zip(turns, found.old.right, found.new.right, strict=True)
    return {
        "before": found.before["turns"],
        "after": found.after["turns"],
        "fallen": [each.to_json() for each in found.fallen],
        "objections": objections(found.old.figures, found.new.figures, found.fallen),
        "changed": [{**turn.to_json(), "right": bool(now)} for turn, then, now in flips if then != now],
    }


def use(config: Path | None, name: str) -> None:
    """Take a version into use."""
    versions = _versions(config)[1]
    with learning():
        versions.use(name)
    console().print(f"{name} is in use; {NEXT_TURN}", markup=False)


def rollback(config: Path | None) -> None:
    """Back to the version that was used before."""
    versions = _versions(config)[1]
    with learning():
        name = versions.rollback()
    console().print(f"{name} is in use again; {NEXT_TURN}", markup=False)


def remove(config: Path | None, name: str) -> None:
    """Delete a version."""
    versions = _versions(config)[1]
    with learning():
        versions.remove(name)
    console().print(f"{name} is removed", markup=False)


def shadow_start(config: Path | None, name: str) -> None:
    """Run a version silently beside the one in use."""
    from assistant.routing.shadow import start

    versions = _versions(config)[1]
    with learning():
        if name == versions.current():
            stop(f"'{name}' is in use: the shadow is another version")
        start(versions, name)
    console().print(f"{name} runs as the shadow; {NEXT_TURN}", markup=False)


def shadow_stop(config: Path | None) -> None:
    """End the shadow; its report stays."""
    from assistant.routing.shadow import stop as end

    with learning():
        name = end(_versions(config)[1])
    console().print("no shadow was running" if name is None else f"{name} runs no longer", markup=False)


def shadow_report(config: Path | None, as_json: bool) -> None:
    """What the shadow saw and where it differs, with the turns as the records have them."""
    from assistant.routing.shadow import report

    settings, versions = _versions(config)
    found = report(versions)
    if found is None:
        stop("no shadow has run yet: assistant router shadow start NAME")
    with friendly():
        texts = asyncio.run(_texts(settings, {each["conversation"] for each in found.differences}))
    differences = [{**each, "text": texts.get(each["turn"])} for each in found.differences]
    if as_json:
        print(json.dumps({**asdict(found), "differences": differences}, ensure_ascii=False))
        return
    from assistant.cli.router_output import shortened

    out = console()
    state = "runs" if found.running else "has run"
    out.print(f"{found.version} {state}: turns seen: {found.seen:,}, of them {found.differ:,} would go another way\n")
    for each in reversed(differences[-SHOWN_DIFFERENCES:]):
        scores, other = each["scores"]["information"], each["shadow_scores"]["information"]
        out.print(f"{each['route']} → {each['shadow_route']}  {scores:.2f} → {other:.2f}  {each['turn']}", markup=False)
        text = each["text"] if each["text"] is not None else "(no longer in the records)"
        out.print(f"  {shortened(text, 120)}", markup=False, style="dim")
    if found.full:
        out.print("later differences were counted and not kept: the file is full", style="dim")


async def _texts(settings: Settings, conversations: set[str]) -> dict[str, str]:
    """Turns by id, of those conversations that are still there."""
    if not conversations:
        return {}
    records = records_of(settings)
    await records.open()
    try:
        return {turn.id: turn.text for each in sorted(conversations) for turn in await records.turns(each)}
    finally:
        await records.close()


def _versions(config: Path | None) -> tuple[Settings, Versions]:
    from assistant.routing.versions import Versions

    settings = load_settings(config, level="error").settings
    return settings, Versions(settings.data)


def _row(version: Version) -> dict[str, Any]:
    return {
        "name": version.name,
        "made": version.card.get("made"),
        "kind": version.card.get("kind"),
        "turns": version.card.get("turns"),
        "figures": version.card.get("figures"),
        "shipped": version.shipped,
        "in_use": version.in_use,
        "shadow": version.shadow,
        "problem": version.problem,
    }


def _figures(version: Version) -> dict[str, Any] | None:
    """Of the shipped turns held apart, which all versions have in common."""
    found = version.card.get("figures", {})
    part = found.get("shipped") if isinstance(found, dict) else None
    return part if isinstance(part, dict) else None


def _turns(version: Version) -> str:
    turns = version.card.get("turns", "–")
    if isinstance(turns, dict):
        return ", ".join(f"{count:,} {name}" for name, count in turns.items())
    return f"{turns:,}" if isinstance(turns, int) else str(turns)
