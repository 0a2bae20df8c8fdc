"""A database in a file of SQLite, asked from threads of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session, sessionmaker

READERS = 4
T = TypeVar("T")


class Threads:
    """Runs a transaction as one trip to a thread and back, where an asynchronous driver makes three for each statement,
    each of which waits for the event loop: with 40 people writing one after the other, that was seconds.

    One thread writes, since SQLite lets one write at a time and has the others try again and again; some read.
    """

    def __init__(self, url: URL, prepare: Callable[[Any, Any], None]) -> None:
        self._engine = create_engine(
            url.set(drivername="sqlite"), hide_parameters=True, pool_size=READERS + 1, max_overflow=0
        )
        event.listen(self._engine, "connect", prepare)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        self._writer = ThreadPoolExecutor(1, "records-write")
        self._readers = ThreadPoolExecutor(READERS, "records-read")

    async def write(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a transaction after those that came before it. Whoever stops waiting does not stop it."""
        return await self._there(self._writer, work)

    async def read(self, work: Callable[[Session], T]) -> T:
        """Run ``work``, which only reads, beside others."""
        return await self._there(self._readers, work)

    async def close(self) -> None:
        """End what runs, and let go of the file."""
        await asyncio.to_thread(self._end)

    async def _there(self, threads: ThreadPoolExecutor, work: Callable[[Session], T]) -> T:
        try:
            running = threads.submit(self._run, work)
        except RuntimeError as error:
            raise OSError("it is being closed") from error
        return await asyncio.shield(asyncio.wrap_future(running))

    def _run(self, work: Callable[[Session], T]) -> T:
        with self._sessions() as session, session.begin():
            return work(session)

    def _end(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()


def in_a_file(url: str) -> URL | None:
    """The address, if it is a file of SQLite."""
    found = make_url(url)
    file = found.get_backend_name() == "sqlite" and found.database not in (None, "", ":memory:")
    return found if file and "mode" not in found.query and "uri" not in found.query else None
