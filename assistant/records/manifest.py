"""What is known of the sources: which there are, how their last syncs ended, and the versions that were read.

The versions are a cache. The index says what is there; losing this costs a re-read, never a document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from assistant.knowledge.sources import SourceSpec
from assistant.records.models import SourceRow, VersionRow, now
from assistant.records.repository import Repository

Origin = Literal["settings", "command"]
SyncOutcome = Literal["", "ok", "failed", "refused"]

_AT_ONCE = 500
"""Keys in one statement; SQLite takes some thousands of parameters."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source of a collection: who named it first, and how its last sync ended (``outcome`` is "" before it).

    ``report`` are the numbers of the last sync that got as far as having some.
    """

    collection: str
    spec: SourceSpec
    origin: Origin
    added_at: datetime
    synced_at: datetime | None
    outcome: SyncOutcome
    message: str
    report: Mapping[str, Any] | None


class Manifest:
    """Reads and writes it in the records database, which must be open. All methods raise RecordsError."""

    def __init__(self, repository: Repository) -> None:
        self._records = repository

    async def sources(self, collection: str | None = None) -> list[SourceState]:
        """Those of all collections or of one, in the order in which they were added."""
        query = select(SourceRow).order_by(SourceRow.id)
        if collection is not None:
            query = query.where(SourceRow.collection == collection)
        async with self._records.session() as session:
            return [_state(row) for row in (await session.execute(query)).scalars()]

    async def add(self, collection: str, spec: SourceSpec, origin: Origin) -> None:
        """Remember a source. A known one keeps its place and its origin, unless the settings come to name it. Of one
        of the settings no key is written down: the settings hold it."""
        kept = spec.without_secrets() if origin == "settings" else spec
        row = SourceRow(
            collection=collection,
            source=spec.id,
            kind=kept.kind,
            location=kept.location,
            options=dict(kept.options),
            origin=origin,
        )
        known = and_(SourceRow.collection == collection, SourceRow.source == spec.id)
        try:
            async with self._records.session() as session:
                if (await session.execute(select(SourceRow.id).where(known))).first() is None:
                    session.add(row)
                elif origin == "settings":
                    await session.execute(update(SourceRow).where(known).values(origin=origin))
        except IntegrityError:  # another process added it in between: now it is a known one
            await self.add(collection, spec, origin)

    async def forget(self, collection: str, source_id: str | None = None) -> None:
        """Forget a source of a collection, or all of them, with what was read of it."""
        async with self._records.session() as session:
            for table in (SourceRow, VersionRow):
                query = delete(table).where(table.collection == collection)
                await session.execute(query if source_id is None else query.where(table.source == source_id))

    async def note(
        self,
        collection: str,
        source_id: str,
        outcome: SyncOutcome,
        message: str = "",
        report: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down how a sync ended just now; without a ``report`` the one before stays."""
        values: dict[str, Any] = {"synced_at": now(), "outcome": outcome, "message": message}
        if report is not None:
            values["report"] = dict(report)
        query = update(SourceRow).where(SourceRow.collection == collection, SourceRow.source == source_id)
        async with self._records.session() as session:
            await session.execute(query.values(**values))

    async def versions(self, index_name: str, collection: str, source_id: str) -> dict[str, str]:
        """The version remembered of each document, by uri."""
        query = select(VersionRow.uri, VersionRow.version).where(_of(index_name, collection, source_id))
        async with self._records.session() as session:
            return {uri: version for uri, version in await session.execute(query)}

    async def remember(
        self,
        index_name: str,
        collection: str,
        source_id: str,
        versions: Mapping[str, str],
        gone: Collection[str] = (),
    ) -> None:
        """Note versions that the index now holds, and forget those of documents that are gone."""
        keys = {_key(uri): uri for uri in versions}
        place = {"index_name": index_name, "collection": collection, "source": source_id}
        rows = [{**place, "key": key, "uri": uri, "version": versions[uri]} for key, uri in keys.items()]
        try:
            async with self._records.session() as session:
                for some in _parts([*keys, *map(_key, gone)]):
                    known = and_(_of(index_name, collection, source_id), VersionRow.key.in_(some))
                    await session.execute(delete(VersionRow).where(known))
                if rows:
                    await session.execute(insert(VersionRow), rows)
        except IntegrityError:  # another process noted the same documents in between: its word is as good
            return

    async def drop_index(self, index_name: str) -> None:
        """Forget what an index that was dropped held."""
        async with self._records.session() as session:
            await session.execute(delete(VersionRow).where(VersionRow.index_name == index_name))


def _of(index_name: str, collection: str, source_id: str) -> ColumnElement[bool]:
    return and_(
        VersionRow.index_name == index_name, VersionRow.collection == collection, VersionRow.source == source_id
    )


def _key(uri: str) -> str:
    return hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))


def _state(row: SourceRow) -> SourceState:
    return SourceState(
        collection=row.collection,
        spec=SourceSpec(row.kind, row.location, row.options),
        origin=row.origin,  # type: ignore[arg-type]  # only `add` writes it
        added_at=_in_utc(row.added_at),
        synced_at=row.synced_at and _in_utc(row.synced_at),
        outcome=row.outcome,  # type: ignore[arg-type]  # only `note` writes it
        message=row.message,
        report=row.report,
    )


def _in_utc(moment: datetime) -> datetime:
    """SQLite gives times back without their zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
