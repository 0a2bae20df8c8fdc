"""Files that people attach to a conversation: read for it alone, found by its turns, gone with it.

The original stays below ``folder`` under names of ours; its chunks are in the conversation's hidden collection.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from assistant.conversation.attaching import Attachment, AttachmentRejected, Originals, rejected, shown
from assistant.conversation.files import meaning
from assistant.conversation.turn import Turn
from assistant.knowledge.attached import (
    AttachedFile,
    Stopped,
    collection_of,
    conversation_of,
    file_name,
    is_attached,
    unless,
)
from assistant.knowledge.base import Build
from assistant.knowledge.loading import ReadError
from assistant.knowledge.private import PrivateCollections
from assistant.knowledge.readers import SUFFIXES
from assistant.knowledge.store import Index, StoreError
from assistant.records.attachments import LONGEST, AttachmentRecords, StoredAttachment
from assistant.records.repository import RecordsError, Repository

__all__ = ["PER_CONVERSATION", "Attachment", "AttachmentRejected", "Attachments"]

log = logging.getLogger(__name__)
PER_CONVERSATION = 10
AT_ONCE = 2
"""Files being read at once; more wait, and are listed as being read."""
REMEMBERED, SECONDS = 10_000, 2.0
"""Conversations of which is remembered whether they have files, and for how long: another process may attach one."""
UNSAID = timedelta(days=1)
"""Whoever attaches a file and says nothing for so long has left: nobody sees such a conversation."""
INTERRUPTED = "Reading it was interrupted. Remove it and attach it again."
OnStep = Callable[[Attachment], None]


class Attachments:
    """Usable between ``open`` and ``close``. ``alone`` says that no other process uses the same records and index;
    ``most_megabytes`` how large a file may be."""

    def __init__(
        self,
        private: PrivateCollections,
        records: Repository,
        folder: Path,
        most_megabytes: Callable[[], int],
        *,
        alone: bool = True,
    ) -> None:
        self._private, self._records = private, records
        self._rows, self._originals = AttachmentRecords(records), Originals(folder)
        self._most_megabytes, self._alone = most_megabytes, alone
        self._reading: dict[str, asyncio.Task[Attachment | AttachmentRejected]] = {}
        self._stops: dict[str, asyncio.Event] = {}
        self._closing = asyncio.Event()
        self._steps: dict[str, Attachment] = {}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._known: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()
        self._changes = 0
        self._mending: asyncio.Task[None] | None = None

    @property
    def formats(self) -> tuple[str, ...]:
        """The suffixes of the files that can be read."""
        return tuple(sorted(SUFFIXES))

    @property
    def megabytes(self) -> int:
        """How large a file may be."""
        return self._most_megabytes()

    async def open(self) -> None:
        """Finish what a killed process has left, and begin to read again what the index lacks."""
        self._closing.clear()
        await self._settle()
        self._mending = asyncio.create_task(self._mend())

    async def close(self) -> None:
        """Stop what is being read; it is listed as failed then."""
        for stop in (self._closing, *self._stops.values()):
            stop.set()
        await asyncio.gather(*self._reading.values(), *([self._mending] if self._mending else []))

    async def add(
        self,
        path: Path | str,
        name: str,
        *,
        person: str,
        conversation: str | None,
        surface: str,
        tell: OnStep = lambda attachment: None,
    ) -> Attachment:
        """Read a file for a conversation, or for one that this begins; it is ready when this returns. ``tell`` is
        called with each step. Whoever stops waiting does not stop the reading.

        Raises AttachmentRejected, and then leaves nothing.
        """
        name = file_name(name)
        size = await asyncio.to_thread(self._originals.size, Path(path), name, self.megabytes)
        begun = conversation is None
        if conversation is None:
            conversation = await self._records.start_conversation(person, surface)
        elif not conversation.isascii() or await self._records.surface_of(conversation, person) is None:
            raise rejected("unknown_conversation")
        attachment = Attachment(str(uuid.uuid4()), conversation, name, size, "reading")
        if not await self._rows.add(attachment.id, conversation, name, size, PER_CONVERSATION):
            raise rejected("too_many_attachments", most=PER_CONVERSATION)
        self._stops[attachment.id] = asyncio.Event()
        task = asyncio.create_task(self._read(attachment, Path(path), tell))
        self._reading[attachment.id] = task
        task.add_done_callback(lambda _: self._reading.pop(attachment.id, None))
        outcome = await asyncio.shield(task)
        if isinstance(outcome, Attachment):
            return outcome
        if self._closing.is_set():
            raise outcome
        await self._remove(attachment.id, conversation)
        if begun:
            await self._rows.delete_unsaid(conversation)
        raise outcome

    async def there(self, conversation: str, person: str) -> bool:
        """Whether there is such a conversation of theirs."""
        return await self._records.surface_of(conversation, person) is not None

    async def listed(self, conversation: str, person: str) -> list[Attachment]:
        """Those of a conversation, in the order in which they were attached; none of somebody else's."""
        rows = await self._rows.of_person(conversation, person) if conversation.isascii() else []
        return [self._steps.get(row.id) or shown(row) for row in rows if row.state != "gone"]

    async def remove(self, attachment: str, *, person: str) -> None:
        """Delete a file with all that was made of it. Raises AttachmentRejected where there is none of this person."""
        row = await self._rows.one(attachment, person) if attachment.isascii() else None
        if row is None:
            raise rejected("unknown_attachment")
        await self._rows.gone(row.id)
        await self._stop(row.id)
        await self._remove(row.id, row.conversation)

    async def forget(self, conversation: str) -> None:
        """Delete all that is attached to a conversation, which may be deleted itself by now."""
        rows = await self._rows.of(conversation)
        for row in rows:
            await self._rows.gone(row.id)
        for row in rows:
            await self._stop(row.id)
        self._changed(conversation)
        await self._private.forget(collection_of(conversation))
        await asyncio.to_thread(self._originals.forget, conversation)
        for row in rows:
            await self._rows.delete(row.id)

    async def searchable(self, conversation: str) -> frozenset[str]:
        """The hidden collection of a conversation, if turns can find anything in it."""
        at, found = self._known.get(conversation, (0.0, frozenset[str]()))
        if not at or time.monotonic() - at >= SECONDS:
            changes = self._changes
            ready = await self._rows.is_ready(conversation)
            found = frozenset({collection_of(conversation)} if ready else ())
            if changes == self._changes:
                self._known[conversation] = time.monotonic(), found
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found

    async def of_turn(self, turn: Turn) -> Turn:
        """The turn with the files that it can find."""
        collection = next(filter(is_attached, turn.collections), None)
        if collection is None or conversation_of(collection) != turn.conversation:
            return turn
        return meaning(turn, collection, await self._rows.before(turn.id, turn.conversation))

    async def carry(self, index: Index, build: Build) -> None:
        """Read into an index what is ready and not in it. Raises EmbedderError and StoreError."""
        for row in await self._rows.all("ready"):
            path, collection = self._originals.path(row.conversation, row.id), collection_of(row.conversation)
            file = AttachedFile(row.id, path, row.name, self._closing)
            if await self._private.holds(index, file, collection):
                continue
            try:
                async with self._places:
                    passages = await self._private.into(index, build, file, collection)
            except ReadError as error:
                log.warning("the attached file %s could not be read again: %s", row.id, error)
            else:
                if not await self._rows.reread(row.id, passages):
                    await self._remove(row.id, row.conversation)

    async def _mend(self) -> None:
        try:
            if self._private.live is not None:
                await self.carry(*self._private.live)
        except Stopped:
            return
        except Exception:  # the chat goes on without them, and the next start tries again
            log.warning("attached files could not be read again", exc_info=True)

    async def _read(self, attachment: Attachment, path: Path, tell: OnStep) -> Attachment | AttachmentRejected:
        """The whole life of a file until it is ready, or why it is not: listed as failed, unless whoever waits for it
        hears of it."""
        row = StoredAttachment(attachment.id, attachment.conversation, attachment.name, attachment.bytes, "reading")

        def step(now: Attachment) -> Attachment:
            self._steps[row.id] = now
            tell(now)
            return now

        def on_chunks(done: int, total: int) -> None:
            step(replace(attachment, passages=done, of=total))

        stop = self._stops[row.id]
        try:
            step(attachment)
            await asyncio.to_thread(self._originals.keep, row, path)
            await unless(stop, self._places.acquire())
            try:
                file = AttachedFile(row.id, self._originals.path(row.conversation, row.id), row.name, stop)
                passages = await self._private.into_live(file, collection_of(row.conversation), on_chunks)
            finally:
                self._places.release()
            if not await self._rows.ready(row.id, passages):  # with its conversation
                await self._clear(row.id, row.conversation)
                return rejected("attachment_removed")
            self._changed(row.conversation)
            return step(replace(attachment, state="ready", passages=passages, of=passages))
        except ReadError as error:
            failure = rejected(error.reason)
            await self._fail(row, str(failure))
            return failure
        except Stopped:
            await self._fail(row, INTERRUPTED)
            return rejected("attachment_failed" if self._closing.is_set() else "attachment_removed")
        except Exception:  # an embedder that is away, a full disk
            log.exception("the attached file %s could not be read", row.id)
            failure = rejected("attachment_failed")
            await self._fail(row, str(failure))
            return failure
        finally:
            self._steps.pop(row.id, None)
            self._stops.pop(row.id, None)

    async def _stop(self, identity: str) -> None:
        task, stop = self._reading.get(identity), self._stops.get(identity)
        if stop is not None:
            stop.set()
        if task is not None:
            await asyncio.wait([task])

    async def _remove(self, identity: str, conversation: str) -> None:
        """Chunks, then file, then row: what is left when this is stopped is found by the next ``open``."""
        await self._rows.gone(identity)
        await self._clear(identity, conversation)
        await self._rows.delete(identity)

    async def _fail(self, row: StoredAttachment, message: str) -> None:
        """List it as failed, with nothing of it stored."""
        try:
            await self._rows.failed(row.id, message)
            await self._clear(row.id, row.conversation)
        except (StoreError, RecordsError):
            log.exception("what is stored of the attached file %s stays until the next start", row.id)

    async def _clear(self, identity: str, conversation: str) -> None:
        self._changed(conversation)
        await self._private.remove(AttachedFile(identity, Path(), ""), collection_of(conversation))
        await asyncio.to_thread(self._originals.remove, conversation, identity)

    def _changed(self, conversation: str) -> None:
        self._changes += 1
        self._known.pop(conversation, None)

    async def _settle(self) -> None:
        """What a killed process has left half done is finished, or taken back and listed as failed."""
        reading = await self._rows.all("reading") if self._alone else await self._rows.abandoned(LONGEST)
        for row in reading:
            await self._fail(row, INTERRUPTED)
        for row in await self._rows.all("gone"):
            await self._remove(row.id, row.conversation)
        for conversation in await self._rows.unsaid(UNSAID):
            await self.forget(conversation)
            await self._rows.delete_unsaid(conversation)
        # What is stored is listed before the rows: another process remembers a file before it stores anything of it.
        collections, files = await self._private.present(), await asyncio.to_thread(self._originals.present)
        rows = await self._rows.all()
        for stray in collections - {collection_of(row.conversation) for row in rows}:
            await self._private.forget(stray)
        for conversation, identity in files - {(row.conversation, row.id) for row in rows}:
            await asyncio.to_thread(self._originals.remove, conversation, identity)
