"""``assistant ask``: one turn, here or by the running server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.common import FAILED, MISTAKE, console, friendly, load_settings, prepare_data, stop
from assistant.cli.remote import RemoteError, Running

if TYPE_CHECKING:
    from rich.console import Console

NOTHING_READ = (
    "assistant: no documents have been read yet. Run `assistant ingest`, or name the settings that you mean: --config"
)


def run(config: Path | None, text: str, route: str, collection: str | None, groups: list[str], as_json: bool) -> None:
    """Ask and print; exits with 1 if the turn failed."""
    settings = load_settings(config, level="error").settings
    prepare_data(settings.data)
    body: dict[str, Any] = {"message": text, "route": route, "collection": collection, "groups": groups}
    try:
        with friendly():
            events = asyncio.run(collect(_events(settings, body), as_json))
    except RemoteError as error:
        stop(str(error), MISTAKE if error.mistake else FAILED)
    report(events, as_json)
    if any(event["type"] == "retrieved" and not event["searched"] for event in events):
        print(NOTHING_READ, file=sys.stderr)
    end(events)


def report(events: list[dict[str, Any]], as_json: bool) -> None:
    """After a turn's events: all of them as one object, or the turn's id, by which it can be corrected."""
    if as_json:
        print(json.dumps(summary(events), ensure_ascii=False, indent=2))
    else:
        console().print(f"[dim]turn {events[0]['turn']}[/]")


def end(events: list[dict[str, Any]]) -> None:
    """Exit with 1 where the turn failed."""
    if events[-1]["type"] == "failed":
        stop(events[-1]["message"], FAILED)


async def _events(settings: Any, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    from assistant.app import build_assistant
    from assistant.conversation.service import asker
    from assistant.conversation.wire import encode
    from assistant.knowledge.store import StoreLocked

    try:
        async with build_assistant(settings) as assistant:
            turn = await assistant.service.prepare(
                body["message"],
                person=asker(body["groups"]),
                route=body["route"],
                collection=body["collection"],
                groups=body["groups"],
            )
            async with aclosing(assistant.service.run(turn)) as events:
                async for event in events:
                    yield encode(event)
    except StoreLocked:
        running = Running.read(settings.data)
        if running is None:
            raise
        async for encoded in running.stream("/api/v1/chat", body):
            yield encoded


async def collect(events: AsyncIterator[dict[str, Any]], quiet: bool) -> list[dict[str, Any]]:
    """The events of a turn, shown as they come unless ``quiet``."""
    collected = []
    out = console()
    async for event in events:
        collected.append(event)
        if not quiet:
            _show(event, collected, out)
    return collected


def _show(event: dict[str, Any], before: list[dict[str, Any]], out: Console) -> None:
    from rich.markup import escape

    from assistant.conversation.grounding import EVIDENCE
    from assistant.conversation.routes import ROUTES

    if event["type"] == "routed":
        title = ROUTES[event["route"]].title
        out.print(f"[bold]{title}[/] [dim]{escape('; '.join(event['reasons']))}[/]\n")
    elif event["type"] == "retrieved" and EVIDENCE[event["evidence"]]:
        out.print(f"[yellow]{EVIDENCE[event['evidence']]}[/]\n")
    elif event["type"] == "text_delta":
        sys.stdout.write(event["text"])
        sys.stdout.flush()
    elif event["type"] == "finished":
        out.print("\n")
        for each in (each for known in before if known["type"] == "retrieved" for each in known["passages"]):
            place = " › ".join([each["title"], *each["section"]])
            line = f"[{each['number']}] {place} · {each['date'] or 'no date'}"
            out.print(f"[dim]{escape(line)}[/]")
        if event["note"]:
            out.print(f"[dim]{escape(event['note'])}[/]")
        if event["faults"]:
            failed = "; ".join(f"{each['model']}: {each['message']}" for each in event["faults"])
            out.print(f"[dim]{escape(event['backend'])} answered, because others did not. {escape(failed)}[/]")


def summary(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The events of a turn as one object: what ``--json`` prints."""
    by_type = {event["type"]: event for event in events}
    routed, retrieved = by_type.get("routed", {}), by_type.get("retrieved", {})
    finished, failed = by_type.get("finished", {}), by_type.get("failed")
    text = "".join(event["text"] for event in events if event["type"] == "text_delta")
    return {
        "conversation": routed.get("conversation"),
        "turn": routed.get("turn"),
        "route": routed.get("route"),
        "scores": routed.get("scores"),
        "threshold": routed.get("threshold"),
        "reasons": routed.get("reasons", []),
        "query": routed.get("query", ""),
        "sources": retrieved.get("passages", []),
        "answer": text,
        "evidence": retrieved.get("evidence"),
        "cited": by_type.get("checked", {}).get("cited", []),
        "model": finished.get("model"),
        "backend": finished.get("backend"),
        "faults": finished.get("faults", []),
        "prompt_version": finished.get("prompt_version"),
        "router_version": routed.get("router_version"),
        "usage": finished.get("usage", {}),
        "cost": finished.get("cost"),
        "timings": finished.get("timings", {}),
        "note": finished.get("note"),
        "error": {"code": failed["code"], "message": failed["message"]} if failed else None,
    }
