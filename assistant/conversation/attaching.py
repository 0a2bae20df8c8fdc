"""What a file must be to be attached, where its original is kept, and what people read where that fails."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from assistant.conversation.accepting import TurnRejected
from assistant.files import sync_folder
from assistant.knowledge.readers import supported
from assistant.records.attachments import StoredAttachment

MEGABYTE = 1_000_000


State = Literal["reading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a conversation. ``passages`` are those that are embedded by now, of ``of``, which is 0 until the file
    has been read; ``message`` says why it failed and what to do."""

    id: str
    conversation: str
    name: str
    bytes: int
    state: State
    message: str = ""
    passages: int = 0
    of: int = 0


def shown(row: StoredAttachment) -> Attachment:
    """An attachment as recorded, for people."""
    state: State = "failed" if row.state == "gone" else row.state
    of = row.passages if state == "ready" else 0
    return Attachment(row.id, row.conversation, row.name, row.bytes, state, row.message, row.passages, of)


class AttachmentRejected(TurnRejected):
    """A file that is not attached: ``code`` is stable (one of ``SAYS``); the message says what to do."""


SAYS = {
    "unknown_conversation": "There is no such conversation of yours. Start a new one.",
    "unknown_attachment": "There is no such file in a conversation of yours.",
    "too_many_attachments": "A conversation holds at most {most} files. Remove one, or start a new conversation.",
    "attachment_too_large": "The file is larger than {most} MB. Attach a part of it.",
    "attachment_format": "Files of this kind cannot be read. Save it as PDF, DOCX, XLSX, Markdown or text.",
    "attachment_empty": "There is no text in the file. Attach one that has some.",
    "attachment_scanned": "The PDF holds pictures of pages and no text. Run text recognition (OCR) on it first.",
    "attachment_locked": "The file is protected by a password. Save it without one, and attach that.",
    "attachment_unreadable": "The file cannot be read: {reason}. Open it, save it anew, and attach that.",
    "attachment_failed": "The file could not be read just now. Try again in a moment.",
    "attachment_removed": "The file was removed before it was read.",
}
_REASONS = (
    ("password", "attachment_locked"),
    ("encrypted", "attachment_locked"),
    ("scanned", "attachment_scanned"),
    ("empty file", "attachment_empty"),
    ("no text", "attachment_empty"),
    ("not a format", "attachment_format"),
    ("not text", "attachment_format"),
)
"""Codes, by how a reader's reason begins."""


def rejected(why: str, **values: object) -> AttachmentRejected:
    """The error for a code, or for a reason that a reader gives."""
    code = why if why in SAYS else next((code for start, code in _REASONS if why.startswith(start)), None)
    code = code or "attachment_unreadable"
    return AttachmentRejected(code, SAYS[code].format(reason=why, **values))


class Originals:
    """The files as they were attached, by conversation and id: no name of a person's is a path here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, conversation: str, identity: str) -> Path:
        """Where a file is kept."""
        return self._folder / conversation / identity

    def size(self, path: Path, name: str, most: int) -> int:
        """The bytes of a file that is worth reading. Raises AttachmentRejected."""
        if not supported(PurePath(name)):
            raise rejected("attachment_format")
        try:
            size = path.stat().st_size
        except OSError as error:
            raise rejected("attachment_failed") from error
        if size > most * MEGABYTE:
            raise rejected("attachment_too_large", most=most)
        if not size:
            raise rejected("attachment_empty")
        return size

    def keep(self, row: StoredAttachment, path: Path) -> None:
        """Copy a file to its place, where only this user reads it. Raises OSError."""
        target = self.path(row.conversation, row.id)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("rb") as given, open(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as kept:
            shutil.copyfileobj(given, kept)
            kept.flush()
            os.fsync(kept.fileno())
        sync_folder(target.parent)

    def remove(self, conversation: str, identity: str) -> None:
        """Delete a file, and its folder where it was the last."""
        self.path(conversation, identity).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path(conversation, identity).parent.rmdir()

    def forget(self, conversation: str) -> None:
        """Delete those of a conversation."""
        if conversation.isascii() and conversation.replace("-", "").isalnum():
            shutil.rmtree(self._folder / conversation, ignore_errors=True)

    def present(self) -> set[tuple[str, str]]:
        """What is kept, by conversation and id."""
        return {(file.parent.name, file.name) for folder in self._folder.glob("*") for file in folder.glob("*")}
