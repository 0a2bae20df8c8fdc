"""``assistant router eval`` and ``assistant router explain``."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.common import console, friendly, load_settings, prepare_data, stop

if TYPE_CHECKING:
    from assistant.conversation.turn import Message, Turn
    from assistant.knowledge.retrieve import Found
    from assistant.routing.router import Decision, Router
    from assistant.settings import Settings

HISTORY_FORM = 'a history is a JSON list of {"role": "user" or "assistant", "content": "…"}, oldest first'
SERVED = "the running server holds the documents, so this is the decision without them"


def evaluate(config: Path | None, file: Path, as_json: bool) -> None:
    """Measure and print; exits with 2 if the file cannot be used."""
    from assistant.cli.router_output import show_report
    from assistant.routing.labelled import LabelsError, read

    settings = load_settings(config, level="error").settings
    try:
        turns = read(file)
    except LabelsError as error:
        stop(str(error))
    with friendly():
        found = asyncio.run(_measure(settings, turns))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        show_report(found)


def explain(config: Path | None, text: str, history: Path | None, surface: str, as_json: bool) -> None:
    """Decide one turn and say why; exits with 2 for a turn, a history or a surface that cannot be used."""
    from assistant.cli.router_output import show_explanation

    settings = load_settings(config, level="error").settings
    if surface not in settings.surfaces:
        stop(f"there is no surface '{surface}'. There is: {', '.join(settings.surfaces)}")
    if not text.strip():
        stop("the turn is empty")
    if not _is_text(text):
        stop("the turn holds something that is not text")
    messages = read_history(history) if history is not None else ()
    prepare_data(settings.data)
    with friendly():
        found = asyncio.run(_explained(settings, text.strip(), messages, surface))
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        show_explanation(found)


def read_history(file: Path) -> tuple[Message, ...]:
    """The messages of a JSON list, or of one JSON object a line; ``-`` is what is piped in. Ends the program if they
    cannot be read."""
    from assistant.conversation.turn import Message
    from assistant.routing.labelled import ROLES

    name = "the piped history" if str(file) == "-" else str(file)
    try:
        given = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = given.decode("utf-8-sig")
        rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(x) for x in text.splitlines() if x]
    except OSError as error:
        stop(f"{name} cannot be read: {error.strerror}")
    except ValueError as error:
        stop(f"{name} is not JSON ({error}); {HISTORY_FORM}")
    for row in rows:
        if not isinstance(row, dict) or row.get("role") not in ROLES or not _is_text(row.get("content")):
            stop(f"{name}: {HISTORY_FORM}")
    return tuple(Message(row["role"], row["content"]) for row in rows)


def _is_text(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(value.encode() or True)
    except UnicodeEncodeError:
        return False


async def _measure(settings: Settings, turns: list[Any]) -> dict[str, Any]:
    from rich.progress import Progress

    from assistant.knowledge.embedder import FastEmbedder
    from assistant.parts import make_router
    from assistant.routing import evaluation
    from assistant.routing.router import Costs

    costs = settings.router.costs
    router = make_router(settings, FastEmbedder(cores=1))
    with Progress(console=console(stderr=True), transient=True) as bar:
        asking = bar.add_task("Turns", total=len(turns))
        judged = await evaluation.run(router, turns, lambda n: bar.update(asking, completed=n))
    return evaluation.report(judged, Costs(costs.missed_lookup, costs.needless_lookup))


@dataclass(frozen=True, slots=True)
class _Setting:
    """Where a turn is decided: what it is, and what was found for it, with a note where that is not all."""

    router: Router
    turn: Turn
    found: Found
    note: str | None = None


async def _explained(settings: Settings, text: str, history: tuple[Message, ...], surface: str) -> dict[str, Any]:
    from assistant.conversation.routes import ROUTES
    from assistant.knowledge.evidence import commissioned
    from assistant.routing import occlusion

    at = await _searched(settings, text, history, surface)
    policy = settings.surfaces[surface].voice
    scores = await at.router.scores(at.turn)
    decision = await at.router.route(at.turn, scores, policy, at.found)
    searched = bool(at.found.passages)
    evidence = commissioned(at.found.evidence) if decision.route == "both" else at.found.evidence
    looks_up = ROUTES[decision.route].looks_up
    words = await occlusion.parts(at.router.scores, at.turn, scores, voice=looks_up)
    alone = await occlusion.without_history(at.router.scores, at.turn)
    return {
        "turn": text,
        **_as_json(decision),
        "title": ROUTES[decision.route].title,
        "surface": surface,
        "policy": policy,
        "voice_threshold": settings.router.voice_threshold,
        "cues": dict(scores.cues),
        "evidence": {**asdict(evidence), "similarity": _rounded(at.found.similarity)} if searched else None,
        "words": [asdict(each) | {"information": _rounded(each.information), "voice": _rounded(each.voice)}
                  for each in words],
        "without_history": {"information": _rounded(alone.information), "voice": _rounded(alone.voice)}
        if alone else None,
        "note": at.note,
    }  # fmt: skip


async def _searched(settings: Settings, text: str, history: tuple[Message, ...], surface: str) -> _Setting:
    """As the engine searches. Where the documents cannot be searched the decision is made without them."""
    from assistant.app import build_assistant
    from assistant.backends import CurrentModel
    from assistant.conversation.turn import Turn
    from assistant.knowledge.embedder import EmbedderError, FastEmbedder
    from assistant.knowledge.retrieve import Found
    from assistant.knowledge.store import StoreError, StoreLocked
    from assistant.parts import make_router

    turn = Turn(text, history, surface)
    try:
        async with build_assistant(settings) as assistant:
            router = make_router(settings, assistant.router_embedder, CurrentModel(assistant.backends))
            turn = Turn(text, history, surface, await assistant.readable(surface, ()))
            try:
                return _Setting(router, turn, await assistant.base.search(turn, await router.embed(turn)))
            except (StoreError, EmbedderError) as error:
                return _Setting(router, turn, Found(text), f"the search failed: {error}")
    except StoreLocked:
        return _Setting(make_router(settings, FastEmbedder(cores=1)), turn, Found(text), SERVED)


def _as_json(decision: Decision) -> dict[str, Any]:
    return {
        "route": decision.route,
        "scores": {"information": decision.information, "voice": decision.voice},
        "threshold": decision.threshold,
        "reasons": list(decision.reasons),
        "query": decision.query,
        "version": decision.version,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
