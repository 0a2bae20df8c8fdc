"""An app that is made as somebody first asks for it, so that the start of the server does not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send


class Lazily:
    """Stands for the app that ``make`` builds, in a thread, so that others are answered meanwhile. What it needs as it
    starts and ends is done in one task of its own; ``aclose`` ends it."""

    def __init__(self, make: Callable[[], FastAPI]) -> None:
        self._make = make
        self._ready: asyncio.Future[FastAPI] | None = None
        self._task: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._live(self._ready))
        # Whoever goes away while it is being built must not stop it for the others.
        app = await asyncio.shield(self._ready)
        await app(scope, receive, send)

    async def aclose(self) -> None:
        """End the app if there is one."""
        self._over.set()
        if self._task is not None:
            await self._task

    async def _live(self, ready: asyncio.Future[FastAPI]) -> None:
        try:
            app = await asyncio.to_thread(self._make)
        except Exception as error:  # whoever asked hears of it; the next one tries again
            self._ready = None
            ready.set_exception(error)
            return
        try:
            async with app.router.lifespan_context(app):
                ready.set_result(app)
                await self._over.wait()
        except Exception as error:
            if ready.done():
                raise
            self._ready = None
            ready.set_exception(error)
