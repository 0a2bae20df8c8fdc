"""API keys: how they are made, known again and ended. The secret is shown once; of it only a hash is kept."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from assistant.access.identity import Identity, Role
from assistant.records.api_keys import ApiKeyRow, KeyTable
from assistant.records.models import now
from assistant.records.repository import RecordsError, Repository

PREFIX = "sy_"
REMEMBERED = 5.0
"""Seconds for which what the database says of a key counts: so long a key lives on that another process revoked."""
MOST_REMEMBERED = 1_000
"""Keys, and apart from them ids of none: whoever makes those up does not have the keys forgotten."""
USED = timedelta(minutes=1)
"""How often it is noted that a key was used."""
_KEY = re.compile(rf"{PREFIX}([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})", re.ASCII)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; ``surfaces`` and ``collections`` are what it is held to, None is no bound. Times are in
    UTC."""

    id: str
    name: str
    surfaces: frozenset[str] | None
    collections: frozenset[str] | None
    groups: frozenset[str]
    role: Role
    made_at: datetime
    expires_at: datetime | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it is revoked or has expired."""
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= now())

    @property
    def identity(self) -> Identity:
        """Whom a request with it comes from."""
        return Identity(
            f"key:{self.id}",
            "key",
            self.name,
            self.groups,
            self.role,
            self.surfaces,
            self.collections,
            key=self.id,
            expires=self.expires_at.timestamp() if self.expires_at else None,
        )


class ApiKeys:
    """The keys in the records database, which must be open. All methods raise RecordsError; ``aclose`` waits for what
    is still being noted."""

    def __init__(self, records: Repository) -> None:
        self._table = KeyTable(records)
        self._remembered: dict[str, tuple[float, ApiKeyRow | None]] = {}
        self._unknown: dict[str, tuple[float, ApiKeyRow | None]] = {}
        self._reading: dict[str, asyncio.Task[ApiKeyRow | None]] = {}
        self._noted: dict[str, datetime] = {}
        self._noting: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Wait until what is being noted is. The records must still be open."""
        while running := [*self._noting, *self._reading.values()]:
            await asyncio.gather(*running, return_exceptions=True)

    async def add(
        self,
        name: str,
        *,
        surfaces: Collection[str] | None = None,
        collections: Collection[str] | None = None,
        groups: Collection[str] = (),
        role: Role = "user",
        days: float | None = None,
    ) -> tuple[str, ApiKey]:
        """A new key, and what is known of it. The key itself is nowhere else."""
        identifier, secret, made = secrets.token_hex(6), secrets.token_urlsafe(32), now()
        row = ApiKeyRow(
            id=identifier,
            name=name,
            hashed=_hashed(secret),
            surfaces=None if surfaces is None else sorted(surfaces),
            collections=None if collections is None else sorted(collections),
            groups=sorted(groups),
            role=role,
            made_at=made,
            expires_at=None if days is None else made + timedelta(days=days),
        )
        found = _known(row)
        await self._table.add(row)
        return f"{PREFIX}{identifier}_{secret}", found

    async def listed(self) -> list[ApiKey]:
        """All keys, also those that have ended, in the order in which they were made."""
        return [_known(row) for row in await self._table.every()]

    async def revoke(self, identifier: str) -> bool:
        """End a key: here at once, in other processes within ``REMEMBERED`` seconds. False where there is none, or it
        is revoked already."""
        try:
            return await self._table.revoke(identifier)
        finally:  # also what was read meanwhile
            self._remembered.pop(identifier, None)
            self._reading.pop(identifier, None)

    async def find(self, key: str) -> ApiKey | None:
        """The key that this is; None where it is none, or one that has ended."""
        if (parts := _KEY.fullmatch(key)) is None:
            return None
        identifier, secret = parts.groups()
        row = await self._row(identifier)
        if not secrets.compare_digest(row.hashed if row else _hashed(""), _hashed(secret)) or row is None:
            return None
        found = _known(row)
        if found.ended:
            return None
        self._note_use(found)
        return found

    async def _row(self, identifier: str) -> ApiKeyRow | None:
        memory = self._remembered if identifier in self._remembered else self._unknown
        until, row = memory.get(identifier, (0.0, None))
        if time.monotonic() < until:
            return row
        if (reading := self._reading.get(identifier)) is None:
            reading = self._reading[identifier] = asyncio.create_task(self._table.one(identifier))
            reading.add_done_callback(lambda task: self._read(identifier, task))
        # All who come meanwhile wait for this one reading, which goes on when one of them leaves.
        return await asyncio.shield(reading)

    def _read(self, identifier: str, reading: asyncio.Task[ApiKeyRow | None]) -> None:
        current = self._reading.get(identifier) is reading
        if current:
            del self._reading[identifier]
        if reading.cancelled() or reading.exception() is not None or not current:
            return
        row = reading.result()
        for memory in (self._remembered, self._unknown):
            memory.pop(identifier, None)
        memory = self._unknown if row is None else self._remembered
        memory[identifier] = (time.monotonic() + REMEMBERED, row)
        while len(memory) > MOST_REMEMBERED:
            del memory[next(iter(memory))]

    def _note_use(self, key: ApiKey) -> None:
        """Beside the request, which does not wait for it."""
        at = now()
        before = self._noted.get(key.id, key.used_at)
        if before is not None and at - before < USED:
            return
        self._noted[key.id] = at
        noting = asyncio.create_task(self._note(key.id, at))
        self._noting.add(noting)
        noting.add_done_callback(self._noting.discard)

    async def _note(self, identifier: str, at: datetime) -> None:
        try:
            await self._table.used(identifier, at, USED)
        except RecordsError as error:
            log.warning("the use of an API key was not noted: %s", error)


def _hashed(secret: str) -> str:
    # The secret is 256 random bits: there is nothing to guess that a slow hash would make slower.
    return hashlib.sha256(secret.encode()).hexdigest()


def _known(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        row.id,
        row.name,
        None if row.surfaces is None else frozenset(row.surfaces),
        None if row.collections is None else frozenset(row.collections),
        frozenset(row.groups),
        cast(Role, row.role),
        _utc(row.made_at),
        _utc(row.expires_at) if row.expires_at else None,
        _utc(row.used_at) if row.used_at else None,
        _utc(row.revoked_at) if row.revoked_at else None,
    )


def _utc(at: datetime) -> datetime:
    """SQLite forgets the zone."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
