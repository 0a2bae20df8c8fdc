"""Files that people drop on the desk: kept below ``data/uploads/<collection>/``, a folder source of the collection.

So a sync, a rebuild or a kill treats them like any other documents. Names are made safe; a name that is taken is
replaced only where that was asked for.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.app import Assistant
from assistant.desk.knowledge import known_source
from assistant.files import sync_folder
from assistant.knowledge.happenings import Mistake, Tell
from assistant.knowledge.loading import MAX_BYTES
from assistant.knowledge.sources import SourceSpec
from assistant.knowledge.sources.names import is_document

COLLECTION = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NAME_BYTES = 200
"""Longest name, in bytes of UTF-8: file systems take 255, and a copy in the making has a longer one."""
MOST_FILES = 500
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Offered:
    """A file that was dropped: under which name it would be kept, whether a file is there that it would replace, and
    what speaks against it."""

    path: Path
    name: str
    replaces: bool = False
    trouble: str = ""


def folder(data: Path, collection: str) -> Path:
    """Where the files of a collection are kept, absolute. Raises Mistake for what cannot name a collection."""
    if not COLLECTION.fullmatch(collection):
        raise Mistake(
            f"'{collection[:80]}' cannot name a collection: use small letters, digits, - and _, as in my-docs"
        )
    return Path(os.path.abspath(data)) / "uploads" / collection


def is_uploads(data: Path, collection: str, kind: str, location: str) -> bool:
    """Whether a source is the uploads of its collection."""
    return kind == "folder" and bool(COLLECTION.fullmatch(collection)) and location == str(folder(data, collection))


def safe_name(given: str) -> str:
    """The name under which a file is kept: no path, nothing invisible, nothing that is hidden or special anywhere."""
    name = unicodedata.normalize("NFC", given).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c if c.isprintable() else " " for c in name if unicodedata.category(c) not in ("Cf", "Cs", "Co"))
    name = re.sub(r"\s+", " ", _FORBIDDEN.sub("_", name)).strip().lstrip("._~ ").rstrip(". ")
    if _DEVICES.fullmatch(name):
        name = f"file {name}"
    stem, suffix = os.path.splitext(name)
    room = max(NAME_BYTES - len(suffix.encode()), 1)
    return (stem.encode()[:room].decode(errors="ignore").rstrip() or "file") + suffix


def offered(data: Path, collection: str, files: Sequence[tuple[Path, str]]) -> list[Offered]:
    """What would become of files, each with the name that it came with. Raises Mistake for the collection's name, for
    none and for too many."""
    place, found, taken = folder(data, collection), list[Offered](), set[str]()
    if not files:
        raise Mistake("choose the files first")
    if len(files) > MOST_FILES:
        raise Mistake(f"at most {MOST_FILES} files at a time: for more, make their folder a source of the collection")
    for path, given in files:
        name = safe_name(given)
        trouble = _trouble(path, name)
        if not trouble and name in taken:
            trouble = "another file of this drop has the same name"
        taken.add(name)
        found.append(Offered(path, name, not trouble and (place / name).exists(), trouble))
    return found


def _trouble(path: Path, name: str) -> str:
    if not is_document(name):
        return f"files of the kind '{Path(name).suffix or 'without a suffix'}' cannot be read"
    size = path.stat().st_size
    if not size:
        return "it is empty"
    return f"larger than {MAX_BYTES >> 20} MB" if size > MAX_BYTES else ""


def keep(data: Path, collection: str, files: Sequence[Offered], *, replace: bool) -> list[str]:
    """Copy the files to where they are kept, each whole or not at all; the names of those that are now there. Raises
    Mistake where the disk refuses."""
    place, kept = folder(data, collection), list[str]()
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        for each in files:
            if not each.trouble and (replace or not (place / each.name).exists()):
                _copy(each.path, place / each.name)
                kept.append(each.name)
        sync_folder(place)
    except OSError as error:
        raise Mistake(
            f"the files cannot be kept in {place}: {error.strerror or error}. "
            f"{len(kept)} of {len(files)} are there; free space or allow it, then drop the others again"
        ) from error
    return kept


def _copy(path: Path, target: Path) -> None:
    fresh = target.with_name(f".{secrets.token_hex(8)}.new")
    try:
        with path.open("rb") as given, open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(given, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)


async def take_in(assistant: Assistant, collection: str, tell: Tell) -> None:
    """Make the uploads of a collection a source of it, and sync it. Raises Mistake."""
    place = folder(assistant.settings.data, collection)
    spec = SourceSpec("folder", str(place))
    await assistant.collections.add(collection, [spec])
    await assistant.sync(tell, collection=collection, source=[spec.id])


async def delete_document(assistant: Assistant, collection: str, source: str, uri: str) -> None:
    """Delete an uploaded document, the file first: with the last one goes the source. Raises Mistake for one that was
    not uploaded, which would come back."""
    place = await _uploads(assistant, collection, source)
    if Path(uri).name != uri or uri in (".", ".."):
        raise Mistake("there is no uploaded file of this name")
    collections, index = assistant.collections, assistant.index
    async with collections.alone(lambda _: None):
        await asyncio.to_thread(_unlink, [place / uri])
        await index.delete_document(collection, source, uri)
        await collections.manifest.remember(index.name, collection, source, {}, gone=[uri])
        collections.changes += 1
    if not await index.documents(collection, source) and not await asyncio.to_thread(_holds_files, place):
        await collections.remove(collection, [source])


async def remove_source(assistant: Assistant, collection: str, source: str) -> int:
    """Take a source out with its documents, uploaded files too; the number of documents. Raises Mistake for one of
    the settings."""
    known = await known_source(assistant, collection, source)
    spec = known.state.spec
    removed = await assistant.collections.remove(collection, [source])
    # Last: where the passages cannot be taken out, nothing is gone that people still find.
    if is_uploads(assistant.settings.data, collection, spec.kind, spec.location):
        await asyncio.to_thread(_clear, folder(assistant.settings.data, collection))
    return removed.documents


async def drop(assistant: Assistant, collection: str) -> None:
    """Delete a collection that commands or uploads have made, files included. Raises Mistake for one of the
    settings."""
    if collection in assistant.settings.collections:
        raise Mistake(f"{collection} is in the settings: take collections.{collection} out of assistant.yaml first")
    await assistant.collections.drop(collection)
    if COLLECTION.fullmatch(collection):
        await asyncio.to_thread(_clear, folder(assistant.settings.data, collection))


async def _uploads(assistant: Assistant, collection: str, source: str) -> Path:
    spec = (await known_source(assistant, collection, source)).state.spec
    if not is_uploads(assistant.settings.data, collection, spec.kind, spec.location):
        raise Mistake(
            f"this document comes from the {spec.label} and would be back with the next sync: delete it there, or "
            "remove the whole source"
        )
    return folder(assistant.settings.data, collection)


def _unlink(paths: Collection[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Mistake(f"{path.name} cannot be deleted: {error.strerror or error}") from error


def _holds_files(place: Path) -> bool:
    return place.is_dir() and any(is_document(each.name) for each in place.iterdir())


def _clear(place: Path) -> None:
    try:
        if place.is_dir():
            shutil.rmtree(place)
    except OSError as error:
        raise Mistake(f"{place} cannot be deleted: {error.strerror or error}") from error
