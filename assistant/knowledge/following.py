"""One sync of one source: list, compare, read, write, and last of all delete."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TypeVar

from assistant.knowledge.documents import Document
from assistant.knowledge.loading import ReadError
from assistant.knowledge.outcome import OnProgress, Outcome, Report, SyncRefused, Tally
from assistant.knowledge.pipeline import Budget, Transform
from assistant.knowledge.plan import Held, Plan, Vanished, alarming, compared, held
from assistant.knowledge.sources import Fetched, Gone, Listed, NotModified, Source
from assistant.knowledge.store import Index
from assistant.records.manifest import Manifest

READING = 4
"""Documents being fetched at once; sources read in threads, and Python's threads mostly take turns."""
NOTED_AT_ONCE = 100
OPTIMIZED_AFTER = 20_000
TOLD_AT_ONCE = 500

_NO_TEXT = "no text in it"
_NOT_UNICODE = "its name or text is not valid Unicode: rename it, or save it as UTF-8"
_UNASKED = "its source says that it has not changed, but it is not in the document base: sync again"

T = TypeVar("T")


class Following:
    """Good for one run."""

    def __init__(
        self,
        index: Index,
        manifest: Manifest,
        transform: Transform,
        collection: str,
        source: Source,
        on_progress: OnProgress,
    ) -> None:
        self._index, self._manifest, self._transform = index, manifest, transform
        self._source, self._place = source, (collection, source.spec.id)
        self._tally = Tally(on_progress)
        self._reading, self._room = asyncio.Semaphore(READING), Budget(transform.characters_at_once)
        self._stored: dict[str, Held] = {}
        self._by_content: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._read: dict[str, str] = {}
        self._gone: list[str] = []
        self._vanished = Vanished((), {})
        self._not_optimized = 0

    async def run(self, force: bool) -> Report:
        """Do it all. Raises SyncRefused unless ``force``."""
        listing = await self._source.list()
        remembered = await self._look_up()
        plan = compared(listing, self._stored, self._tokens)
        offered = len(listing.documents)
        if not force:
            await self._refuse_loss(plan, offered)
        self._vanished = Vanished(plan.vanished, self._stored)
        self._tally.total = plan.size
        await self._tell_known(plan)
        await each(plan.read, self._follow, self._transform.documents_at_once)
        await self._remember()
        await self._delete(self._vanished.moved)
        if not force:
            self._refuse(self._vanished.lost(self._stored) + len(self._gone), offered - len(self._gone))
        await self._delete([*self._vanished.left, *self._gone], told=True)
        await self._forget(set(remembered) - {listed.uri for listed in listing.documents}, plan)
        if self._not_optimized:
            await self._index.optimize()
        return self._tally.report

    async def _look_up(self) -> dict[str, str]:
        """What the index holds, and the versions remembered of it; a version counts with the content it was read
        with only, so that an index put back from a backup is not taken for newer than it is."""
        self._stored = held(await self._index.documents(*self._place))
        self._by_content = {digest: uri for uri, each in self._stored.items() for digest in each.contents}
        remembered = await self._manifest.versions(self._index.name, *self._place)
        for uri, version in remembered.items():
            content, _, token = version.partition(" ")
            if uri in self._stored and self._stored[uri].settled == content:
                self._tokens[uri] = token
        return remembered

    async def _refuse_loss(self, plan: Plan, offered: int) -> None:
        """Raise SyncRefused where too much would go, before anything is written. If all may only have moved, the new
        documents are read to know."""
        vanished = Vanished(plan.vanished, self._stored)
        lost, new = vanished.lost(self._stored), [each for each in plan.read if each.uri not in self._stored]
        if not alarming(lost, len(self._stored), offered):
            return
        self._refuse(lost - len(new), offered)
        await each(new, lambda listed: self._claim(listed, vanished), READING)
        self._refuse(vanished.lost(self._stored), offered)

    async def _claim(self, listed: Listed, vanished: Vanished) -> None:
        try:
            vanished.claim((await self._source.fetch(listed, None)).document.content_hash)
        except (ReadError, Gone, NotModified):
            return

    def _refuse(self, lost: int, offered: int) -> None:
        if alarming(lost, len(self._stored), offered):
            raise SyncRefused(
                f"{self._source.spec.label} offers {offered or 'no'} documents, and {lost} of the {len(self._stored)} "
                "that are stored of it would be deleted. Nothing was: check the source, or, if that is right, sync "
                "it with --force"
            )

    async def _tell_known(self, plan: Plan) -> None:
        outcomes: list[tuple[str, Outcome, str]] = [(listed.uri, "unchanged", "") for listed in plan.unchanged]
        outcomes += [(uri, "failed", reason) for uri, reason in plan.failed]
        for number, outcome in enumerate(outcomes, start=1):
            self._tally.tell(*outcome)
            if not number % TOLD_AT_ONCE:
                await asyncio.sleep(0)

    async def _follow(self, listed: Listed) -> None:
        async with AsyncExitStack() as room:
            async with self._reading:
                fetched = await self._fetched(listed)
                if fetched is None:
                    return
                await room.enter_async_context(self._room.holding(len(fetched.document.text)))
            await self._take(replace(fetched.document, uri=listed.uri), fetched.version)

    async def _fetched(self, listed: Listed) -> Fetched | None:
        """The document, or None when nothing is left to do for it now."""
        known = self._tokens.get(listed.uri)
        try:
            fetched = await self._source.fetch(listed, known)
            f"{listed.uri}{fetched.document.title}{fetched.document.text}".encode()
            return fetched
        except NotModified:
            self._tally.tell(listed.uri, *(("unchanged",) if known is not None else ("failed", _UNASKED)))
        except Gone:
            if listed.uri in self._stored:
                self._gone.append(listed.uri)
            else:
                self._tally.total -= 1
        except ReadError as error:
            self._tally.tell(listed.uri, "failed", error.reason)
        except UnicodeEncodeError:
            self._tally.tell(listed.uri, "failed", _NOT_UNICODE)
        return None

    async def _take(self, document: Document, version: str | None) -> None:
        before = self._stored.get(document.uri, Held(()))
        if before.settled == document.content_hash:
            self._tally.tell(document.uri, "unchanged")
        elif document.content_hash in before.contents:
            # An earlier sync was stopped before it removed the old version.
            await self._delete_versions(document.uri, keep=document.content_hash)
            self._tally.tell(document.uri, "changed")
        elif not await self._write(document, before):
            return
        if version is not None:
            self._read[document.uri] = f"{document.content_hash} {version}"
        if len(self._read) >= NOTED_AT_ONCE:
            await self._remember()

    async def _write(self, document: Document, before: Held) -> bool:
        """Write the new version, remove the old ones; False for a document without text."""
        made = await self._transform.points(document, await self._vectors(document))
        if not made.points:
            self._tally.tell(document.uri, "failed", _NO_TEXT)
            return False
        if before.broken(document.content_hash):
            await self._delete_versions(document.uri, keep=next(iter(before.contents), None))
        await self._index.upsert(made.points)
        if before.versions:
            await self._delete_versions(document.uri, keep=document.content_hash)
        outcome: Outcome = "changed" if before.contents else "added"
        if outcome == "added" and self._vanished.claim(document.content_hash):
            outcome = "moved"
            self._tally.total -= 1
        self._tally.tell(document.uri, outcome, chunks=len(made.points), reused=made.reused)
        self._not_optimized += len(made.points)
        if self._not_optimized >= OPTIMIZED_AFTER:
            self._not_optimized = 0
            await self._index.optimize()
        return True

    async def _vectors(self, document: Document) -> dict[str, Sequence[float]]:
        """Those stored of this document and of one with the same content, by embedding text."""
        places = {document.uri} & self._stored.keys()
        if document.content_hash in self._by_content:
            places.add(self._by_content[document.content_hash])
        stored = [point for uri in places for point in await self._index.points(*self._place, uri)]
        return {point.chunk.embedding_text(): point.vector for point in stored}

    async def _delete_versions(self, uri: str, *, keep: str | None = None) -> None:
        await self._index.delete_document(*self._place, uri, keep_hash=keep)

    async def _delete(self, uris: Sequence[str], *, told: bool = False) -> None:
        for uri in uris:
            await self._delete_versions(uri)
            self._not_optimized += 1
            if told:
                self._tally.tell(uri, "deleted")

    async def _remember(self) -> None:
        read, self._read = self._read, {}
        if read:
            await self._manifest.remember(self._index.name, *self._place, read)

    async def _forget(self, unlisted: set[str], plan: Plan) -> None:
        """Forget the versions of what is neither listed nor stored now."""
        kept = self._stored.keys() - set(plan.vanished)
        gone = [uri for uri in {*unlisted, *self._gone} if uri not in kept or uri in self._gone]
        if gone:
            await self._manifest.remember(self._index.name, *self._place, {}, gone)


async def each(items: Sequence[T], work: Callable[[T], Awaitable[None]], at_once: int) -> None:
    """Work on all items, so many at once; the first failure stops the others and is raised as it is."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(items))):
                group.create_task(worker())
    except ExceptionGroup as failures:  # callers know single errors; the first one stopped the others
        failure = failures.exceptions[0]
    if failure is not None:
        raise failure
