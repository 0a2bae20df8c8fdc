"""Files as bytes: what can be read, and why something cannot, in words for the person who put it there."""

from __future__ import annotations

import io
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import RLock
from xml.etree import ElementTree

from assistant.knowledge.properties import parse_date, stated_title

IMPORTING = RLock()
"""Held while LlamaIndex is imported: its modules import each other in circles, and of two threads that begin at
different ends of one, one gets modules that are not finished."""
MAX_BYTES = 50 * 2**20
MAX_EXPANDED = 200 * 2**20
"""Bytes that one Office file may unpack to: few are above 60 MB, a zip bomb is above a thousand."""

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_LOCKED = "EncryptedPackage".encode("utf-16-le")
_DUBLIN = "{http://purl.org/dc/elements/1.1/}"
_TERMS = "{http://purl.org/dc/terms/}"
_MAGIC = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP or Office file"),
    (_OLE, "an old Office file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format", "a database"),
)


class ReadError(Exception):
    """A file that cannot be read; ``reason`` says why in plain words, without its path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def load(path: Path) -> bytes:
    """The bytes of a regular, not empty file of at most ``MAX_BYTES``."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise ReadError("unreadable: not a file")
        if state.st_size > MAX_BYTES:
            raise ReadError(f"larger than {MAX_BYTES >> 20} MB")
        data = path.read_bytes()
    except PermissionError as error:
        raise ReadError("unreadable: permission denied") from error
    except FileNotFoundError as error:
        raise ReadError("unreadable: no such file") from error
    except (OSError, ValueError) as error:
        raise ReadError(f"unreadable: {getattr(error, 'strerror', None) or error}") from error
    return checked(data)


def checked(data: bytes) -> bytes:
    """Bytes from anywhere that are not blank and at most ``MAX_BYTES``."""
    if len(data) > MAX_BYTES:
        raise ReadError(f"larger than {MAX_BYTES >> 20} MB")
    if not data.strip():
        raise ReadError("empty file")
    return data


@contextmanager
def as_file(data: bytes, suffix: str) -> Iterator[Path]:
    """The bytes as a file, for the libraries that take nothing but a path."""
    with tempfile.TemporaryDirectory(prefix="switchyard-") as folder:
        path = Path(folder) / f"document{suffix}"
        path.write_bytes(data)
        yield path


def looks_like(data: bytes) -> str:
    """What a file that is not text seems to be."""
    kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    return f"it looks like {kind}" if kind else "it holds binary data"


def office(data: bytes, kind: str) -> zipfile.ZipFile:
    """The ZIP archive that a modern Office file is, checked before anything is unpacked."""
    if data.startswith(_OLE):
        if _LOCKED in data:
            raise ReadError(f"password-locked {kind} file")
        raise ReadError(f"not a valid {kind} file: it is from Office before 2007, save it as {kind}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (
        zipfile.BadZipFile,
        ValueError,
        NotImplementedError,
    ) as error:  # the last: a ZIP of a kind unknown to Python
        raise ReadError(f"not a valid {kind} file") from error
    if sum(member.file_size for member in archive.infolist()) > MAX_EXPANDED:
        raise ReadError(f"{kind} file expands to more than {MAX_EXPANDED >> 20} MB")
    return archive


def office_properties(archive: zipfile.ZipFile) -> tuple[str | None, date | None]:
    """Title and last change as written in the file.

    The Office libraries invent both (a default title, this very moment) where a file does not state them.
    """
    try:
        core = ElementTree.fromstring(archive.read("docProps/core.xml"))
    except (KeyError, ElementTree.ParseError, zipfile.BadZipFile):
        return None, None
    title, modified = core.findtext(f"{_DUBLIN}title"), core.findtext(f"{_TERMS}modified")
    return stated_title(title), parse_date(modified)
