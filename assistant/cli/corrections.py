"""``assistant router correct`` and ``assistant router corrections``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.ask import collect, end, report
from assistant.cli.common import console, friendly
from assistant.cli.remote import Running
from assistant.cli.work import Question, ask, load, opened

if TYPE_CHECKING:
    from assistant.app import Assistant

SHOWN = 60
"""Characters of a turn in the list."""


def run(config: Path | None, turn: str, verdict: str, groups: list[str], as_json: bool) -> None:
    """Keep what is said of a turn and run it that way at once; exits with 1 if it failed then."""
    loaded = load(config, level="error")
    body = {"verdict": verdict, "groups": groups}

    async def corrected() -> list[dict[str, Any]]:
        async with opened(loaded) as worker:
            events = _there(worker, turn, body) if isinstance(worker, Running) else _here(worker, turn, body)
            return await collect(events, as_json)

    with friendly():
        events = asyncio.run(corrected())
    if events[0]["type"] != "kept":
        report(events, as_json)
        end(events)
    elif as_json:
        print(json.dumps(events[0], ensure_ascii=False, indent=2))
    else:
        console().print(f"corrected, not run again: {events[0]['message']}", markup=False)


def take_back(config: Path | None, turn: str) -> None:
    """Forget what was said of a turn."""

    async def here(assistant: Assistant) -> dict[str, Any]:
        from assistant.conversation.service import API_PERSON

        return {"taken_back": await assistant.service.take_back(turn, person=API_PERSON)}

    found = ask(config, Question(here, "DELETE", _path(turn)))
    console().print("taken back" if found["taken_back"] else "nothing had been said of this turn")


def show(config: Path | None, as_jsonl: bool) -> None:
    """What people have said of routes: two lines each, or one labelled turn a line, as the router learns from them."""

    async def here(assistant: Assistant) -> dict[str, Any]:
        from assistant.conversation.correct import row

        return {"corrections": [row(each) for each in await assistant.service.corrections()]}

    found = ask(config, Question(here, "GET", "/api/v1/corrections"))["corrections"]
    if as_jsonl:
        for each in found:
            print(json.dumps({name: value for name, value in each.items() if name in LABELLED}, ensure_ascii=False))
        return
    out = console()
    for each in found:
        text = " ".join(each["turn"].split())
        short = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
        way = f"{each['decision']['route']} → {each['route']}"
        when = each["made_at"][:16].replace("T", " ")
        out.print(f"{when}  {each['verdict']}  {way}  {each['domain']}  {each['id']}", markup=False)
        out.print(f"  {short}", markup=False, style="dim")
    if not found:
        out.print("nothing has been corrected yet")


LABELLED = ("id", "conversation", "domain", "history", "turn", "information", "voice", "kind")
"""Of a correction, what is exported: nobody's name."""


async def _here(assistant: Assistant, turn: str, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    from assistant.conversation.service import TurnRejected, asker
    from assistant.conversation.wire import encode

    service = assistant.service
    person = asker(body["groups"])
    found = await service.label(turn, body["verdict"], person=person)
    try:
        again = await service.again(turn, found.route, person=person, groups=body["groups"])
    except TurnRejected as refused:
        yield {"type": "kept", "route": found.route, "code": refused.code, "message": str(refused)}
        return
    async with aclosing(service.run(again)) as events:
        async for event in events:
            yield encode(event)


async def _there(server: Running, turn: str, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    events = 0
    async for event in server.stream(_path(turn), body):
        events += 1
        yield event
    if not events:  # it is kept and was not run again, and a stream does not say why: that is asked for
        found = await server.call("POST", _path(turn), body)
        yield {"type": "kept", "route": found["route"], **found["refused"]}


def _path(turn: str) -> str:
    from urllib.parse import quote

    return f"/api/v1/turns/{quote(turn, safe='')}/correction"
