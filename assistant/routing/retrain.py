"""New heads from what people said: corrections, or an organisation's own labelled turns. In numpy, in seconds.

The encoder stays. Corrections are fitted from the heads before, together with the shipped turns as those see them; own
turns with shipped ones that count little, since many own ones tell more of the organisation. Nothing that is judged on
is trained on: `held_apart/`, and one conversation in five of what people said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from assistant.knowledge.embedder import FastEmbedder
from assistant.routing.encoder import SHIPPED
from assistant.routing.fitting import beliefs, bucket, fitted, labels, penalty_for
from assistant.routing.heads import Array, Heads
from assistant.routing.judging import Fall, Judged, Rule, falls, judge, objections, outside
from assistant.routing.labelled import LabelledTurn, LabelsError, read, read_all
from assistant.routing.rows import Rows
from assistant.routing.versions import Ready, Versions

HERE = Path(__file__).parent
HELD_APART = HERE / "held_apart"
EXAMPLES = HERE / "examples"
ONE_IN = 5
CORRECTION_COUNTS, PENALTY = (10.0, 3.0, 1.0, 0.3), 30.0
"""As how many shipped turns a correction counts, tried until nothing speaks against it; and how strongly the heads
before hold then."""
HOLDING = 8_000
"""So many shipped turns, of conversations drawn once and for all, hold what is known in place; more take longer."""
SHIPPED_COUNTS = (0.005, 0.0005)
"""What a shipped turn counts beside own turns, so that heads keep what these do not speak of: the first that costs the
own turns held apart nothing, else nothing."""
Say = Callable[[str, int, int], None]
"""Told what is going on, and how much of how much is done."""
Part = tuple[Array, Sequence[LabelledTurn]]
"""Turns with their rows."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. ``objections`` says why it is not installed, and is empty where it is better; ``version`` is
    what it was installed as, None where it was not; figures are by part: shipped, corrections or own, all."""

    base: str
    current: str
    learned: int
    held_apart: int
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    fallen: tuple[Fall, ...]
    objections: tuple[str, ...]
    seconds: float = 0.0
    version: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "version": self.version,
            "better": not self.objections,
            "objections": list(self.objections),
            "fallen": [each.to_json() for each in self.fallen],
            "learned": self.learned,
            "held_apart": self.held_apart,
            "base": self.base,
            "current": self.current,
            "before": self.before,
            "after": self.after,
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions on the same turns: over all, the figures by part, and the slices that fall."""

    old: Judged
    new: Judged
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    fallen: tuple[Fall, ...]


@dataclass(slots=True)
class Bench:
    """What fitting needs: versions, an embedder, the rule that decisions follow, and where the turns are that ship.
    ``install`` False tries it out only; ``accepted`` names slices of the shipped turns that may fall ("kind doubt")."""

    versions: Versions
    embedder: FastEmbedder
    rule: Rule
    say: Say = lambda what, done, of: None
    install: bool = True
    accepted: Collection[str] = ()
    held_apart: Path = field(default_factory=lambda: HELD_APART)
    examples: Path = field(default_factory=lambda: EXAMPLES)
    began: float = field(default_factory=time.perf_counter)

    def rows(self, version: Ready) -> Rows:
        """What turns are for a version's heads."""
        return Rows(version.encoder, self.embedder, self.versions.folder)

    def telling(self, what: str) -> Callable[[int, int], None]:
        """Passes on how far some work is."""
        return lambda done, of: self.say(what, done, of)

    def shipped(self, rows: Rows) -> tuple[Part, Part]:
        """The shipped turns to learn from, and those held apart, both without what may fall. Raises LabelsError."""
        apart = read(self.held_apart)
        known = {_same(each) for each in apart}
        turns = [each for each in read_all(sorted(self.examples.glob("*.jsonl"))) if _same(each) not in known]
        turns = sorted(turns, key=lambda each: bucket(each.conversation, 2**32, salt="hold"))[:HOLDING]
        x = rows.kept([*turns, *apart], self.telling("Reading the shipped turns"))
        return self._left(x[: len(turns)], turns), self._left(x[len(turns) :], apart)

    def _left(self, x: Array, turns: Sequence[LabelledTurn]) -> Part:
        flags = outside(turns, self.accepted)
        return x[flags], _chosen(turns, flags)


def retrain(bench: Bench, corrections: Sequence[LabelledTurn]) -> Outcome:
    """Fit heads to shipped turns and corrections, judge them beside those in use, and install them if they are better
    and no slice falls; they are not taken into use here. Raises VersionError, HeadsError, LabelsError."""
    current, base = _start(bench)
    rows = bench.rows(base)
    learned, apart = parted(corrections)
    given = rows.of([*learned, *apart], bench.telling("Reading the corrections"))
    (x, examples), shipped = bench.shipped(rows)
    targets = beliefs(base.heads, x, examples) + labels(learned)
    bench.say("Fitting", 0, 0)
    parts = {"shipped": shipped, "corrections": (given[len(learned) :], apart)}
    for count in CORRECTION_COUNTS:
        counts = np.concatenate([np.ones(len(examples)), np.full(len(learned), count)])
        new = fitted(base.heads, np.vstack([x, given[: len(learned)]]), targets, PENALTY, counts)
        found = compared(bench.rule, current.heads, new, parts)
        against = objections(found.old.figures, found.new.figures, found.fallen)
        if not against:
            break
    if not apart:
        against = ["no conversation with corrections is held apart to judge on yet: correct some more"]
    card = {
        "kind": "heads fitted to the shipped turns and corrections",
        "command": "assistant router retrain",
        "base": base.name,
        "turns": {"shipped": len(examples), "corrections": len(learned)},
        "fit": {"penalty": PENALTY, "a correction counts": count},
    }
    outcome = _outcome(bench, base, current, found, len(learned), len(apart), against)
    return _installed(bench, base, outcome, lambda: new, card, "retrained")


def train_heads(bench: Bench, turns: Sequence[LabelledTurn], file: Path, name: str | None = None) -> Outcome:
    """Fit heads to an organisation's own turns, which were read from ``file``. Four fifths of the conversations are
    learnt from for the figures, and all of them for what is installed. How the shipped held-apart turns fare is told
    and stops nothing. Raises VersionError, HeadsError, LabelsError."""
    current, base = _start(bench)
    groups = [_group(each, file) for each in turns]
    apart = np.array([_apart(group) for group in groups])
    if apart.all() or not apart.any():
        raise LabelsError(f"{file} holds too few conversations to hold one in {ONE_IN} apart: give some dozen turns")
    rows = bench.rows(base)
    x = rows.of(turns, bench.telling("Reading your turns"))
    (known, examples), shipped = bench.shipped(rows)
    remembered = beliefs(base.heads, known, examples)
    bench.say("Fitting", 0, 0)
    learned, left = _chosen(turns, ~apart), _chosen(turns, apart)
    penalty = penalty_for(base.heads, x[~apart], learned, _chosen(groups, ~apart))

    def fit_to(x: Array, turns: Sequence[LabelledTurn], count: float) -> Heads:
        if not count:
            return fitted(base.heads, x, labels(turns), penalty)
        counts = np.concatenate([np.full(len(examples), count), np.ones(len(turns))])
        return fitted(base.heads, np.vstack([known, x]), remembered + labels(turns), penalty, counts)

    def judged(heads: Heads) -> Comparison:
        return compared(bench.rule, current.heads, heads, {"own": (x[apart], left)})

    count, new, own = _remembering(lambda count: fit_to(x[~apart], learned, count), judged)
    other = compared(bench.rule, current.heads, new, {"shipped": shipped})
    fallen = [each for each in own.fallen if each.slice not in bench.accepted]
    against = objections(own.old.figures, own.new.figures, fallen)
    both = replace(own, before={**own.before, **other.before}, after={**own.after, **other.after})
    card = {
        "kind": "heads fitted to own turns",
        "command": f"assistant router train-heads {file.name}",
        "turns": {"own": len(turns)},
        "fit": {"penalty": penalty, "a shipped turn counts": count},
    }
    outcome = _outcome(bench, base, current, both, len(learned), len(left), against)
    return _installed(bench, base, outcome, lambda: fit_to(x, turns, count), card, "own", name)


def _remembering(
    fit_to: Callable[[float], Heads], judged: Callable[[Heads], Comparison]
) -> tuple[float, Heads, Comparison]:
    """What shipped turns count (``SHIPPED_COUNTS``), the heads fitted so, and how they are judged."""
    alone = fit_to(0.0)
    own = judged(alone)
    for count in SHIPPED_COUNTS:
        mixed = fit_to(count)
        found = judged(mixed)
        if found.new.right.sum() >= own.new.right.sum():
            return count, mixed, found
    return 0.0, alone, own


def compared(rule: Rule, old: Heads, new: Heads, parts: Mapping[str, Part], x_old: Array | None = None) -> Comparison:
    """Old and new heads on the turns of some parts. ``x_old`` are the rows of all of them for the old heads, where they
    have another encoder."""
    parts = {name: part for name, part in parts.items() if part[1]}
    turns = [turn for _, each in parts.values() for turn in each]
    x = np.vstack([rows for rows, _ in parts.values()])
    before, after = judge(old, x if x_old is None else x_old, turns, rule), judge(new, x, turns, rule)
    figures: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    at = 0
    for name, (_, each) in parts.items():
        chosen = slice(at, at + len(each))
        for kept, heads, rows in ((figures[0], old, x if x_old is None else x_old), (figures[1], new, x)):
            kept[name] = judge(heads, rows[chosen], each, rule).figures.to_json()
        at += len(each)
    if len(parts) > 1:
        figures[0]["all"], figures[1]["all"] = before.figures.to_json(), after.figures.to_json()
    return Comparison(before, after, *figures, tuple(falls(turns, before, after)))


def base_of(versions: Versions, name: str) -> str:
    """The version that heads fitted to corrections start from: that of ``name`` before any correction, so that
    retraining twice counts none twice."""
    there = {each.name: each for each in versions.listed() if each.problem is None}
    seen = {name}
    while name in there and (base := there[name].card.get("base")) in there and base not in seen:
        name = str(base)
        seen.add(name)
    return name


def parted(turns: Sequence[LabelledTurn]) -> tuple[list[LabelledTurn], list[LabelledTurn]]:
    """Those to learn from, and those held apart: one conversation in ``ONE_IN``, the same in every run."""
    return [t for t in turns if not _apart(t.conversation)], [t for t in turns if _apart(t.conversation)]


def _start(bench: Bench) -> tuple[Ready, Ready]:
    current = bench.versions.load_current()
    return current, bench.versions.load(base_of(bench.versions, current.name))


def _outcome(
    bench: Bench, base: Ready, current: Ready, found: Comparison, learned: int, apart: int, against: Sequence[str]
) -> Outcome:
    taken = time.perf_counter() - bench.began
    return Outcome(
        base.name, current.name, learned, apart, found.before, found.after, found.fallen, tuple(against), taken
    )


def _installed(
    bench: Bench, base: Ready, outcome: Outcome, made: Callable[[], Heads], card: dict[str, Any], stem: str,
    name: str | None = None,
) -> Outcome:  # fmt: skip
    """The outcome with the version that it became, beside the encoder that its heads were fitted to."""
    if outcome.objections or not bench.install:
        return outcome
    folder = bench.versions.encoder_folder(base.name)
    whole = {**card, "accepted": sorted(bench.accepted), "figures": outcome.after}
    own = folder if folder != SHIPPED else None
    version = bench.versions.install(replace(made(), card=whole), stem, encoder=own, name=name)
    return replace(outcome, version=version, seconds=time.perf_counter() - bench.began)


def _chosen(values: Sequence[Any], flags: Any) -> list[Any]:
    return [value for value, flag in zip(values, flags, strict=True) if flag]


def _apart(conversation: str) -> bool:
    return bucket(conversation, ONE_IN) == 0


def _group(turn: LabelledTurn, file: Path) -> str:
    """What must not be split: a conversation, or turns that begin with the same message where none is named."""
    if not turn.conversation.startswith(f"{file}:"):
        return turn.conversation
    return turn.history[0].content if turn.history else turn.turn


def _same(turn: LabelledTurn) -> tuple[Any, str]:
    return turn.history, turn.turn.strip().casefold()
