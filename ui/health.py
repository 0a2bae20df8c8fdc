"""Whether the server lives, and whether it can answer: for those who watch it, and for whatever sends it traffic."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from assistant.app import VERSION, Assistant
from assistant.knowledge.store import StoreError
from assistant.records.repository import RecordsError
from ui.uploads import MEGABYTE

log = logging.getLogger(__name__)
SECONDS = 5.0
"""That a check may take."""
KEPT = 1.0
"""Seconds for which an answer holds: anybody may ask, as often as they like."""
PATIENCE = 1.0
"""Seconds that changed settings are waited for; they go on being taken over."""
LEAST_SPACE = 100 * MEGABYTE
Check = Callable[[], Awaitable[str]]


def add_health_routes(app: FastAPI, assistant: Assistant) -> None:
    """Add them. They say nothing of what there is: anybody may ask."""
    ready = Ready(assistant)

    @app.get("/healthz", tags=["health"])
    async def healthz() -> JSONResponse:
        """Whether the server can look things up."""
        checks = await ready.checks()
        if checks["documents"] != "ok":
            text = "The document base does not answer. It has been logged."
            return JSONResponse({"error": {"code": "unavailable", "message": text}}, 503)
        settings = "invalid" if assistant.problem else "ok"  # as of now, where a turn has just found out
        return JSONResponse({"status": "ok", "version": VERSION, "settings": settings})

    @app.get("/readyz", tags=["health"])
    async def readyz() -> JSONResponse:
        """Whether it should get traffic, with what keeps it from being ready."""
        checks = await ready.checks()
        good = all(found != "failed" for found in checks.values())
        return JSONResponse({"status": "ready" if good else "not_ready", "checks": checks}, 200 if good else 503)


class Ready:
    """Looks at everything that an answer needs; each check is ``ok``, ``failed``, or a word for what is no reason to
    send people elsewhere."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._found: dict[str, str] = {}
        self._at = -KEPT
        self._looking = asyncio.Lock()

    async def checks(self) -> dict[str, str]:
        """All of them, by name."""
        async with self._looking:
            if time.monotonic() - self._at >= KEPT:
                named: dict[str, Check] = {
                    "documents": self._documents,
                    "records": self._records,
                    "settings": self._settings,
                    "models": self._models,
                    "disk": self._disk,
                }
                found = await asyncio.gather(*(_look(name, check) for name, check in named.items()))
                self._found, self._at = dict(zip(named, found, strict=True)), time.monotonic()
            return self._found

    async def _documents(self) -> str:
        await self._assistant.index.count()
        return "ok"

    async def _records(self) -> str:
        await self._assistant.records.surface_of("", "")
        return "ok"

    async def _settings(self) -> str:
        # Nobody may have asked anything since the file was changed. If it is wrong, the earlier ones still count.
        with suppress(RecordsError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._assistant.follow()
        return "invalid" if self._assistant.problem else "ok"

    async def _models(self) -> str:
        # A provider that is down is down for every replica: sending people elsewhere would leave them nowhere.
        resting: dict[str, Any] = dict(self._assistant.backends.resting())
        return "resting" if resting and all(resting.values()) else "ok"

    async def _disk(self) -> str:
        space = await asyncio.to_thread(shutil.disk_usage, self._assistant.settings.data)
        return "ok" if space.free >= LEAST_SPACE else "failed"


async def _look(name: str, check: Check) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            return await check()
    except (StoreError, RecordsError, OSError) as error:  # a TimeoutError is an OSError
        log.error("not ready: %s: %s", name, error or type(error).__name__)
        return "failed"
