"""The embedded engine: Qdrant Edge in this process, one folder per index, one process at a time."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from assistant.files import sync_folder, write_atomically
from assistant.knowledge.store import StoreError
from assistant.knowledge.store.embedded_index import EmbeddedIndex, uninterrupted
from assistant.knowledge.store.files import (
    create_folder,
    is_index,
    take_lock,
)
from assistant.knowledge.store.payload import check_dimension, checked_name

EXACT_UP_TO_KB = 64_000
"""Size of vectors compared one by one (43,000 of 384 dimensions take 3 ms); above, graphs are built."""

_SCRATCH = ".switchyard-"
"""Folders being made or deleted; what a crash left of them goes when the store is opened next."""


class EmbeddedStore:
    """Indexes in ``path/<name>/`` and aliases in ``path/aliases.json``.

    ``exact_up_to_kb`` is the size of an index's vectors from which searches become approximate.
    """

    def __init__(self, path: Path, *, exact_up_to_kb: int = EXACT_UP_TO_KB) -> None:
        self._path = path
        self._exact_up_to_kb = exact_up_to_kb
        self._lock: int | None = None
        self._loaded: dict[str, EmbeddedIndex] = {}
        self._aliases: dict[str, str] = {}
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        if self._lock is None:
            self._changing = asyncio.Lock()
            await uninterrupted(self._open)

    async def close(self) -> None:
        async with self._changing:
            for index in self._loaded.values():
                await index.close()
            self._loaded.clear()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    async def create(self, name: str, dimension: int) -> EmbeddedIndex:
        async with self._changing:
            folder = self._folder(name)
            if name in self._aliases:
                raise StoreError(f"{name!r} is an alias; choose another name for the index")
            if not is_index(folder):
                await uninterrupted(self._create, folder, dimension)
            index = await self._load(name)
            check_dimension(name, index.dimension, dimension)
            return index

    async def index(self, name_or_alias: str) -> EmbeddedIndex:
        name = self._aliases.get(name_or_alias, name_or_alias)
        if name in self._loaded:
            return self._loaded[name]
        async with self._changing:
            if not is_index(self._folder(name)):
                raise StoreError(f"there is no index {name!r} in {self._path}; run `assistant ingest`")
            return await self._load(name)

    async def indexes(self) -> list[str]:
        self._check_open()
        folders = await asyncio.to_thread(lambda: list(filter(is_index, self._path.glob("[!.]*"))))
        return sorted(folder.name for folder in folders)

    async def drop(self, name: str) -> None:
        async with self._changing:
            folder = self._folder(name)
            held_by = sorted(alias for alias, target in self._aliases.items() if target == name)
            if held_by:
                raise StoreError(f"index {name!r} is live as {held_by[0]!r}; switch that alias first")
            if not is_index(folder):
                raise StoreError(f"there is no index {name!r} in {self._path}")
            index = self._loaded.pop(name, None)
            if index is not None:
                await index.close()
            await uninterrupted(self._remove, folder)

    async def aliases(self) -> Mapping[str, str]:
        self._check_open()
        return MappingProxyType(dict(self._aliases))

    async def switch(self, alias: str, name: str) -> None:
        async with self._changing:
            if is_index(self._folder(alias)):
                raise StoreError(f"{alias!r} is an index; choose another name for the alias")
            if not is_index(self._folder(name)):
                raise StoreError(f"there is no index {name!r} to switch {alias!r} to")
            switched = {**self._aliases, alias: name}
            await uninterrupted(self._write_aliases, switched)
            self._aliases = switched

    def _check_open(self) -> None:
        if self._lock is None:
            raise StoreError(f"the document base in {self._path} is not open; call open() first")

    def _folder(self, name: str) -> Path:
        self._check_open()
        return self._path / checked_name(name)

    def _open(self) -> None:
        lock = take_lock(self._path)
        try:
            self._aliases = self._read_aliases()
            for leftover in self._path.glob(f"{_SCRATCH}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    async def _load(self, name: str) -> EmbeddedIndex:
        if name not in self._loaded:
            arguments = (name, self._path / name, self._exact_up_to_kb)
            self._loaded[name] = await uninterrupted(EmbeddedIndex, *arguments)
        return self._loaded[name]

    def _create(self, folder: Path, dimension: int) -> None:
        scratch = self._path / f"{_SCRATCH}{uuid.uuid4().hex}"
        try:
            create_folder(scratch, dimension, self._exact_up_to_kb)
            os.rename(scratch, folder)
            sync_folder(self._path)
        except Exception as error:  # the engine raises plain Exception, the system OSError
            shutil.rmtree(scratch, ignore_errors=True)
            raise StoreError(f"{folder} cannot be made ({error}); move away what is there, or free space") from error

    def _remove(self, folder: Path) -> None:
        scratch = self._path / f"{_SCRATCH}{uuid.uuid4().hex}"
        os.rename(folder, scratch)
        sync_folder(self._path)
        shutil.rmtree(scratch, ignore_errors=True)

    def _read_aliases(self) -> dict[str, str]:
        file = self._path / "aliases.json"
        try:
            return {str(alias): str(name) for alias, name in json.loads(file.read_text("utf-8")).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise StoreError(f"{file} cannot be read ({error}); restore it, or delete it and switch again") from error

    def _write_aliases(self, aliases: Mapping[str, str]) -> None:
        file = self._path / "aliases.json"
        try:
            write_atomically(file, json.dumps(aliases, indent=1, sort_keys=True))
        except OSError as error:
            raise StoreError(f"{file} cannot be written ({error.strerror}); the alias stays as it was") from error
