"""``assistant router retrain``, ``train-heads`` and ``train``: new versions of the router."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.common import FAILED, console, friendly, load_settings, prepare_data, stop

if TYPE_CHECKING:
    from assistant.records.repository import Repository
    from assistant.routing.judging import Rule
    from assistant.routing.labelled import LabelledTurn
    from assistant.routing.retrain import Bench, Outcome, Say
    from assistant.settings import Settings

NO_TORCH = 'training the encoder needs torch, which is not installed here: pip install "switchyard[finetune]"'
FIGURES = {
    "right": "information right", "missed": "missed lookups", "needless": "needless lookups", "f1": "F1 of lookups",
    "cost": "cost a turn", "log_loss": "log loss", "voice_right": "voice right",
}  # fmt: skip
PERCENT = ("right", "missed", "needless", "voice_right")


def retrain(config: Path | None, dry_run: bool, shadow: bool, accepted: list[str], as_json: bool) -> None:
    """Fit to the corrections; exits with 1 if the new heads are not better and with 2 if there are no corrections."""
    from assistant.routing.retrain import retrain as fit

    settings = _settings(config)
    with learning(), friendly():
        corrections = asyncio.run(_corrections(settings))
        if not corrections:
            stop(
                "nobody has corrected a route yet, so there is nothing to learn from. People do it in the chat, or by "
                "`assistant router correct`"
            )
        _run(settings, lambda bench: fit(bench, corrections), dry_run, shadow, accepted, as_json)


def train_heads(
    config: Path | None, file: Path, name: str | None, dry_run: bool, shadow: bool, accepted: list[str], as_json: bool
) -> None:
    """Fit to labelled turns of a file; exits as ``retrain``."""
    from assistant.routing.labelled import read
    from assistant.routing.retrain import train_heads as fit

    settings = _settings(config)
    with learning(), friendly():
        turns = read(file)
        _run(settings, lambda bench: fit(bench, turns, file, name), dry_run, shadow, accepted, as_json)


def train(config: Path | None, files: list[Path], name: str | None, as_json: bool) -> None:
    """Fine-tune encoder and heads on the shipped turns and those of the files; what falls is told, and then the new
    version is installed without being used."""
    settings = _settings(config)
    try:
        from assistant.routing import finetune
    except ImportError as error:
        stop(f"{NO_TORCH} ({error.name} is missing)", FAILED)
    from assistant.routing.labelled import read_all
    from assistant.routing.retrain import EXAMPLES, HELD_APART, Bench
    from assistant.routing.versions import Versions

    versions, out = Versions(settings.data), console(stderr=True)
    with learning(), friendly(), tempfile.TemporaryDirectory() as work:
        own = read_all(files) if files else []
        apart = {(each.history, each.turn) for each in read_all([HELD_APART])}
        turns = [each for each in read_all([*files, *sorted(EXAMPLES.glob("*.jsonl"))])]
        turns = [each for each in turns if (each.history, each.turn) not in apart]
        bench = Bench(versions, _embedder(), rule_of(settings))
        made = finetune.train(
            turns, Path(work), finetune.Plan(), bench.embedder, lambda text: out.print(text, markup=False)
        )
        card = {**made.card, "command": "assistant router train", "turns": {"all": len(turns), "own": len(own)}}
        version = versions.install(replace(made, card=card), "trained", encoder=Path(work), name=name)
        from assistant.cli.router_versions import compared_on

        found = compared_on(versions, bench, versions.load_current().name, version, None)
        if not found["fallen"] and not found["objections"]:
            versions.use(version)
    found["in_use"] = versions.current() == version
    if as_json:
        print(json.dumps({"version": version, **found}, ensure_ascii=False))
        return
    show_figures({"shipped": found["before"]}, {"shipped": found["after"]})
    for each in found["objections"]:
        console().print(f"[yellow]{each}[/]")
    _now(version if found["in_use"] else None, f"{version} is installed and not in use: assistant router use {version}")


@contextmanager
def learning() -> Iterator[None]:
    """Turns the errors of learning into a message and an exit code."""
    from assistant.routing.encoder import EncoderError
    from assistant.routing.heads import HeadsError
    from assistant.routing.labelled import LabelsError
    from assistant.routing.versions import VersionError

    try:
        yield
    except (LabelsError, HeadsError, VersionError) as error:
        stop(str(error))
    except (EncoderError, OSError) as error:
        stop(str(error), FAILED)


@contextmanager
def telling() -> Iterator[Say]:
    """A bar on a terminal, for what is read and fitted."""
    from assistant.cli.progress import progress_bar

    with progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def say(what: str, done: int, of: int) -> None:
            if what not in tasks:
                for task in tasks.values():
                    bar.update(task, visible=False)
                tasks[what] = bar.add_task("", total=of or None, phase=what, rate="")
            bar.update(tasks[what], completed=done, total=of or None)

        yield say


def rule_of(settings: Settings) -> Rule:
    """How scores become decisions by the settings."""
    from assistant.routing.judging import Rule
    from assistant.routing.router import Costs

    costs = settings.router.costs
    return Rule(Costs(costs.missed_lookup, costs.needless_lookup), settings.router.voice_threshold)


def records_of(settings: Settings) -> Repository:
    """The records, which several processes may read at once; not opened."""
    from assistant.records.repository import Repository

    return Repository(settings.records.url or f"sqlite+aiosqlite:///{settings.data / 'records.db'}")


def show_figures(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Figures by part, before and after."""
    from rich.table import Table

    for part, new in after.items():
        old = before[part]
        table = Table(f"{part}, {new['n']:,} turns held apart", "before", "after", box=None, pad_edge=False)
        for name, label in FIGURES.items():
            if new[name] is not None:
                table.add_row(label, _value(name, old[name]), _value(name, new[name]))
        console().print(table)
        console().print()


def _run(
    settings: Settings,
    fit: Callable[[Bench], Outcome],
    dry_run: bool,
    shadow: bool,
    accepted: list[str],
    as_json: bool,
) -> None:
    from assistant.routing import shadow as shadowing
    from assistant.routing.retrain import Bench
    from assistant.routing.versions import Versions

    versions = Versions(settings.data)
    with telling() as say:
        bench = Bench(versions, _embedder(), rule_of(settings), say, install=not dry_run, accepted=accepted)
        outcome = fit(bench)
    if outcome.version is not None and shadow:
        shadowing.start(versions, outcome.version)
    elif outcome.version is not None:
        versions.use(outcome.version)
    if as_json:
        print(json.dumps({**outcome.to_json(), "in_use": versions.current() == outcome.version}, ensure_ascii=False))
    else:
        _show(outcome, dry_run, shadow)
    if outcome.objections and not dry_run:
        raise SystemExit(FAILED)


def _show(outcome: Outcome, dry_run: bool, shadow: bool) -> None:
    out = console()
    out.print(f"learnt from {outcome.learned:,} turns, {outcome.held_apart:,} of yours held apart; from {outcome.base}")
    out.print(f"in {outcome.seconds:.1f} s\n")
    show_figures(dict(outcome.before), dict(outcome.after))
    for fall in outcome.fallen:
        out.print(f"{fall.slice}: {fall.before} right before, {fall.after} after, of {fall.n}", markup=False)
    for each in outcome.objections:
        out.print(f"not better: {each}", markup=False, style="yellow")
    if any(" falls: " in each for each in outcome.objections):
        out.print('If your organisation wants it so, let a slice fall: --accept "kind doubt"', markup=False)
    if outcome.objections:
        out.print(f"{outcome.current} stays in use", markup=False)
    elif dry_run:
        out.print("better; nothing was installed (--dry-run)", markup=False)
    elif shadow:
        out.print(f"{outcome.version} runs as the shadow: assistant router shadow report", markup=False)
    else:
        _now(outcome.version, "")


def _now(version: str | None, otherwise: str) -> None:
    if version is None:
        console().print(otherwise, markup=False)
    else:
        console().print(
            f"{version} is in use, by a running server from its next turn on. Back: assistant router rollback",
            markup=False,
        )


def _settings(config: Path | None) -> Settings:
    settings = load_settings(config, level="warning").settings
    prepare_data(settings.data)
    return settings


def _embedder() -> Any:
    from assistant.knowledge.embedder import FastEmbedder

    return FastEmbedder()


async def _corrections(settings: Settings) -> list[LabelledTurn]:
    from assistant.records.corrections import labelled

    records = records_of(settings)
    await records.open()
    try:
        return await labelled(records)
    finally:
        await records.close()


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if name in PERCENT else f"{value:.3f}"
