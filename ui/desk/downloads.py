"""What can be downloaded from the desk: plain addresses below ``/desk``, behind its guard."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from assistant.app import Assistant
from assistant.desk.answers import Wanted
from assistant.desk.answers_export import as_csv, as_json_lines
from assistant.desk.gaps import Gaps
from assistant.desk.gaps_export import Form, exported
from assistant.knowledge.embedder import EmbedderError
from assistant.records.repository import RecordsError

log = logging.getLogger(__name__)
TURNS, GAPS = "export/turns", "export/gaps"
CSV, LINES, MARKDOWN = "text/csv", "application/x-ndjson", "text/markdown"


def add_download_routes(app: FastAPI, assistant: Assistant) -> None:
    """``/export/turns.csv``, ``.jsonl``: the turns that the parameters of ``Wanted`` describe; ``/export/gaps.csv``,
    ``.md``: the gaps since ``since``, with ``done`` also those that are done, masked unless ``mask=no``."""

    @app.get(f"/{TURNS}.csv", include_in_schema=False)
    async def turns_csv(request: Request) -> Response:
        return await _streamed(as_csv(assistant.records, Wanted.read(request.query_params)), "turns.csv", CSV)

    @app.get(f"/{TURNS}.jsonl", include_in_schema=False)
    async def turns_lines(request: Request) -> Response:
        wanted = Wanted.read(request.query_params)
        return await _streamed(as_json_lines(assistant.records, wanted), "turns.jsonl", LINES)

    @app.get(f"/{GAPS}.csv", include_in_schema=False)
    async def gaps_csv(request: Request) -> Response:
        return await _gaps(assistant, request, "csv", CSV)

    @app.get(f"/{GAPS}.md", include_in_schema=False)
    async def gaps_markdown(request: Request) -> Response:
        return await _gaps(assistant, request, "markdown", MARKDOWN)


async def _gaps(assistant: Assistant, request: Request, form: Form, kind: str) -> Response:
    asked = request.query_params
    try:
        found = await Gaps(assistant.records, assistant.router_embedder).found(Wanted.read(asked).since)
    except (RecordsError, EmbedderError) as error:
        return _broken(error)
    shown = [gap for gap in found if gap.open or asked.get("done") == "yes"]
    text = exported(shown, form, mask=asked.get("mask") != "no")
    name = "gaps.csv" if form == "csv" else "gaps.md"
    return Response(_bytes(text), media_type=f"{kind}; charset=utf-8", headers=_headers(name))


async def _streamed(pieces: AsyncIterator[str], name: str, kind: str) -> Response:
    """The first piece is made before anything is answered, so that a fault is said and not cut off."""
    try:
        first = await anext(pieces, "")
        second = await anext(pieces, "")
    except RecordsError as error:
        return _broken(error)

    async def sent() -> AsyncGenerator[bytes]:
        rest: Any = pieces
        async with aclosing(rest):
            yield _bytes(first + second)
            async for piece in rest:
                yield _bytes(piece)

    return StreamingResponse(sent(), media_type=f"{kind}; charset=utf-8", headers=_headers(name))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _headers(name: str) -> dict[str, str]:
    stem, _, ending = name.rpartition(".")
    dated = f"{stem}-{datetime.now(UTC):%Y-%m-%d}.{ending}"
    return {
        "Content-Disposition": f'attachment; filename="{dated}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def _broken(error: Exception) -> Response:
    log.error("an export failed: %s", error)
    return PlainTextResponse("The records cannot be read right now. It has been logged.", 503)
