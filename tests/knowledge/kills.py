"""Syncs of a changing folder, killed at random moments, and what they left."""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path

from assistant.knowledge.sources import Fetched, Listed, Listing, SourceSpec
from assistant.knowledge.sources.local import FolderSource
from assistant.knowledge.sync import Progress
from tests.knowledge.syncing import COLLECTION, Base, opened, page

DOCUMENTS = 60


class HashedFolder(FolderSource):
    """A folder whose files have a version at once, not only when they have been quiet for a while."""

    async def list(self) -> Listing:
        listing = await super().list()
        root = Path(self.spec.location)
        return replace(listing, documents=tuple(replace(e, version=_digest(root / e.uri)) for e in listing.documents))

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        fetched = await super().fetch(listed, known)
        return replace(fetched, version=fetched.document.content_hash)


@dataclass(slots=True)
class Found:
    """Of all kills: how many hit a sync, and what they broke."""

    kills: int = 0
    hits: int = 0
    acknowledged: int = 0
    lost: int = 0
    half: int = 0
    orphans: int = 0
    untrue: int = 0


class Kills:
    """A folder and a base below ``place``."""

    def __init__(self, place: Path, seed: int) -> None:
        self._place, self._documents = place, place / "documents"
        self._documents.mkdir(parents=True)
        self._random = random.Random(seed)
        self._number = 0
        for _ in range(DOCUMENTS):
            self._add()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, "llama_index.core.ingestion", "alembic.command"])
        self.found = Found()

    def round(self) -> None:
        """Change the folder, kill a sync of it, look, let another one finish, look again."""
        self._edit()
        before = _hashes(self._documents)
        acknowledged = self._killed()
        asyncio.run(self._look(acknowledged, before))
        self.found.kills += 1

    def _killed(self) -> list[tuple[str, str]]:
        said = self._place / "said"
        said.unlink(missing_ok=True)
        child = self._context.Process(target=_child, args=(self._place, self._random.random() < 0.5))
        child.start()
        while not said.exists() and child.is_alive():
            time.sleep(0.001)
        time.sleep(self._random.uniform(0, self._random.choice([0.1, 0.5, 1.0])))
        self.found.hits += child.is_alive()
        child.kill()
        child.join()
        lines = said.read_text().split("\n")[:-1]
        return [(uri, outcome) for uri, outcome in (line.split("\t") for line in lines)]

    async def _look(self, acknowledged: list[tuple[str, str]], files: dict[str, str]) -> None:
        async with opened(self._place) as base:
            source = FolderSource(SourceSpec("folder", str(self._documents)))
            stored = await base.index.documents(COLLECTION)
            self.found.half += sum(not each.whole for each in stored)
            held = {(each.document, each.content_hash) for each in stored if each.whole}
            named = {uri for uri, _ in held}
            for uri, outcome in acknowledged:
                self.found.acknowledged += 1
                safe = uri not in named if outcome == "deleted" else (uri, files[uri]) in held
                self.found.lost += not safe
            report = await base.sync.run(COLLECTION, source, lambda _: None, force=True)
            await self._compare(base, files)
            assert not report.failed

    async def _compare(self, base: Base, files: dict[str, str]) -> None:
        stored = await base.index.documents(COLLECTION)
        self.found.half += sum(not each.whole for each in stored)
        held = [(each.document, each.content_hash) for each in stored]
        self.found.orphans += len(set(held) - set(files.items()))
        self.found.untrue += len(set(files.items()) - set(held)) + len(held) - len(set(held))
        points = sum(each.chunks for each in stored)
        self.found.orphans += abs(await base.index.count() - points)

    def _edit(self) -> None:
        files = sorted(self._documents.rglob("*.md"))
        self._random.shuffle(files)
        for file in files[:20]:
            file.write_text(self._text())
        for file in files[20:24]:
            file.unlink()
        for file in files[24:30]:
            folder = self._documents / f"folder{self._random.randrange(4)}"
            folder.mkdir(exist_ok=True)
            file.rename(folder / f"{self._next()}.md")
        for _ in range(4):
            self._add()

    def _add(self) -> None:
        (self._documents / f"{self._next()}.md").write_text(self._text())

    def _text(self) -> str:
        return page(*(f"word{self._next()}" for _ in range(self._random.randrange(1, 6))))

    def _next(self) -> int:
        self._number += 1
        return self._number


def _child(place: Path, hashed: bool) -> None:
    asyncio.run(_sync(place, hashed))


async def _sync(place: Path, hashed: bool) -> None:
    said = os.open(place / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def acknowledge(progress: Progress) -> None:
        os.write(said, f"{progress.uri}\t{progress.outcome}\n".encode())

    kind = HashedFolder if hashed else FolderSource
    async with opened(place) as base:
        base.embedder.seconds = 0.005
        await base.sync.run(COLLECTION, kind(SourceSpec("folder", str(place / "documents"))), acknowledge)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _hashes(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): _digest(file) for file in folder.rglob("*.md")}
