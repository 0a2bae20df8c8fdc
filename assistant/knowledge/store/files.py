"""Files of the embedded store: made and written whole or not at all, and one lock for the folder."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import qdrant_edge as edge

from assistant.files import write_atomically
from assistant.knowledge.store import StoreError, StoreLocked
from assistant.knowledge.store import payload as shared

_MANIFEST = "index.json"


def take_lock(folder: Path) -> int:
    """Lock the folder until the descriptor is closed, which the system does when the process dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"the document base cannot be kept in {folder} ({error.strerror}); choose a folder that this "
            "user may write to"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "it gave no pid"
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise StoreError(f"{folder} cannot be locked ({error.strerror}); keep it on a local disk") from error
        raise StoreLocked(
            f"{folder} is in use by another process ({holder}); stop that one, or let the running server do this"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"pid {os.getpid()}\n".encode(), 0)
    return descriptor


def create_folder(folder: Path, dimension: int, exact_up_to_kb: int) -> None:
    """Make the folder of an empty index; it is one once ``index.json`` is there."""
    config = edge.EdgeConfig(
        vectors={shared.DENSE: edge.EdgeVectorParams(size=dimension, distance=edge.Distance.Cosine)},
        sparse_vectors={shared.SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=exact_up_to_kb),
    )
    folder.mkdir()
    shard_name = new_shard_name()
    shard = edge.EdgeShard.create(str(folder / shard_name), config)
    for field in shared.KEYWORDS:
        params = edge.KeywordIndexParams(is_tenant=field == shared.KEYWORDS[0])
        shard.update(edge.UpdateOperation.create_field_index(field, params))
    shard.flush()
    shard.close()
    write_manifest(folder, dimension, shard_name)


def sync_files(folder: Path) -> None:
    """Put what was written below a folder on the disk, mapped pages too; files that go meanwhile are left out."""
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def is_index(folder: Path) -> bool:
    """Whether the folder holds a complete index."""
    return (folder / _MANIFEST).is_file()


def new_shard_name() -> str:
    """A name that no leftover has."""
    return f"shard-{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The index's dimension, the name of the shard folder that counts, and its points when it was compacted."""

    dimension: int
    shard: str
    compacted: int


def write_manifest(folder: Path, dimension: int, shard_name: str, compacted: int = 0) -> None:
    """Make a shard folder the one that counts, atomically."""
    manifest = {"dimension": dimension, "shard": shard_name, "compacted": compacted}
    write_atomically(folder / _MANIFEST, json.dumps(manifest))


def read_manifest(folder: Path) -> Manifest:
    """Raises StoreError where it cannot be read."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        return Manifest(int(manifest["dimension"]), str(manifest["shard"]), int(manifest.get("compacted", 0)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(folder, error) from error


def unreadable(folder: Path, error: Exception) -> StoreError:
    """What to say of an index that is there and cannot be loaded."""
    return StoreError(
        f"the index in {folder} cannot be read ({error}); restore that folder from a backup, or delete it "
        "and run `assistant ingest --rebuild`"
    )
