"""What learning costs goes into a process of its own, so that the chat keeps its processor: fitting, comparing and
measuring versions of the router, as the commands do it.

One JSON object comes in: the task with what it needs. Lines of JSON go out: how far it is, then what was found or why
it failed. ``python -m assistant.desk.routing_work`` is for ``assistant.desk.routing_learning`` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TextIO

from assistant.conversation.turn import Message
from assistant.knowledge.embedder import EmbedderError, FastEmbedder
from assistant.routing import evaluation, retrain, shadow
from assistant.routing.classifier import LearnedClassifier
from assistant.routing.encoder import EncoderError
from assistant.routing.heads import HeadsError
from assistant.routing.judging import Rule
from assistant.routing.labelled import LabelledTurn, LabelsError, read
from assistant.routing.retrain import Bench, Say
from assistant.routing.router import Costs, Router
from assistant.routing.versions import VersionError, Versions

Wire = Mapping[str, Any]
NICE = 10
"""Whoever chats comes first."""
OFTEN = 0.1
"""Seconds between two lines on how far it is."""


def main() -> None:
    """Do the task of standard input."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
    given = json.loads(sys.stdin.readline())
    try:
        found = TASKS[given["task"]](given, _saying(out))
    except (LabelsError, HeadsError, VersionError, EncoderError, EmbedderError, OSError) as error:
        print(json.dumps({"failed": str(error)}), file=out)
    else:
        print(json.dumps({"found": found}), file=out)


def _saying(out: TextIO) -> Say:
    """Prints how far it is, now and then, and always what is new. It ends the program where nobody reads."""
    last: dict[str, Any] = {"what": None, "at": 0.0}

    def say(what: str, done: int, of: int) -> None:
        now = time.monotonic()
        if what == last["what"] and now - last["at"] < OFTEN and done != of:
            return
        last.update(what=what, at=now)
        print(json.dumps({"what": what, "done": done, "of": of}), file=out)

    return say


def _bench(given: Wire, say: Say, *, install: bool = True, accepted: Collection[str] = ()) -> Bench:
    rule = Rule(Costs(given["missed_lookup"], given["needless_lookup"]), given["voice_threshold"])
    return Bench(
        Versions(Path(given["data"]), threads=1),
        FastEmbedder(cores=1),
        rule,
        say,
        install=install,
        accepted=accepted,
        held_apart=Path(given["held_apart"]),
        examples=Path(given["examples"]),
    )


def _retrain(given: Wire, say: Say) -> dict[str, Any]:
    """``then`` says what becomes of better heads: use, shadow, or try, which installs nothing."""
    bench = _bench(given, say, install=given["then"] != "try", accepted=given["accepted"])
    outcome = retrain.retrain(bench, [_turn(each) for each in given["corrections"]])
    if outcome.version is not None and given["then"] == "shadow":
        shadow.start(bench.versions, outcome.version)
    elif outcome.version is not None:
        bench.versions.use(outcome.version)
    return {**outcome.to_json(), "then": given["then"]}


def _turn(row: Wire) -> LabelledTurn:
    """As ``LabelledTurn.to_json`` gave it."""
    return LabelledTurn(**{**row, "history": tuple(Message(**each) for each in row["history"])})


def _compare(given: Wire, say: Say) -> dict[str, Any]:
    from assistant.cli.router_versions import compared_on

    bench = _bench(given, say)
    found = compared_on(bench.versions, bench, given["old"], given["new"], bench.held_apart)
    return {**found, "old": given["old"], "new": given["new"]}


def _measure(given: Wire, say: Say) -> dict[str, Any]:
    """The report of ``assistant router eval`` on the shipped turns that nothing was trained on."""
    bench = _bench(given, say)
    turns = read(bench.held_apart)
    ready = bench.versions.load(given["version"])
    router = Router(LearnedClassifier(bench.embedder, ready.encoder, ready.heads), bench.rule.costs)
    say("Reading the turns held apart", 0, len(turns))
    judged = asyncio.run(
        evaluation.run(router, turns, lambda done: say("Reading the turns held apart", done, len(turns)))
    )
    found = evaluation.report(judged, bench.rule.costs)
    return {name: found[name] for name in ("n", "threshold", "reliability", "information")} | {"name": ready.name}


TASKS: Mapping[str, Callable[[Wire, Say], dict[str, Any]]] = {
    "retrain": _retrain,
    "compare": _compare,
    "measure": _measure,
}

if __name__ == "__main__":
    main()
