"""Versions of the router below the data folder: made, listed, used, rolled back; the shipped one is always there.

    router/versions/<name>/   heads.npz, card.json; with an encoder of its own also model.onnx and tokenizer.json
    router/in-use.json        names in the order of use, the last is the one in use
    router/shadow.json        the candidate that runs beside it

A version is written beside and renamed, so that half of one is never seen. Several processes may read and write: a
running server looks at the pointer's time before a turn (``current_if_changed``).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from assistant.files import sync_folder, write_atomically
from assistant.knowledge.embedder import SHIPPED as EMBEDDER
from assistant.routing import features, heads
from assistant.routing.encoder import MODEL_FILE, SHIPPED, THREADS, TOKENIZER_FILE, TurnEncoder
from assistant.routing.heads import CARD, WEIGHTS, Heads, HeadsError

log = logging.getLogger(__name__)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
FRESH = ".new-"
REMEMBERED = 50
"""Names that the pointer keeps."""


class VersionError(Exception):
    """What was asked of a version cannot be done; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version with its card; ``problem`` says why this release cannot use it."""

    name: str
    folder: Path
    card: Mapping[str, Any]
    in_use: bool
    shadow: bool
    problem: str | None = None

    @property
    def shipped(self) -> bool:
        """Whether it came with the program."""
        return bool(self.folder == SHIPPED)


@dataclass(frozen=True, slots=True)
class Ready:
    """A version in memory."""

    name: str
    encoder: TurnEncoder
    heads: Heads


class Versions:
    """Those of one data folder. Versions with one encoder share it in memory."""

    def __init__(self, data: Path, *, threads: int = THREADS) -> None:
        self.folder = data / "router"
        self._threads = threads
        self._encoders: dict[Path, TurnEncoder] = {}
        self._seen: tuple[int, ...] | None = None

    @property
    def pointer(self) -> Path:
        """The file that names the version in use; its time changes with it."""
        return self.folder / "in-use.json"

    def listed(self) -> list[Version]:
        """The shipped one, then the others as they were made."""
        current, shadow = self.current(), self.shadow()
        found = []
        for name in [SHIPPED.name, *self._made()]:
            try:
                card, problem = heads.load(self._at(name)).card, self.problem(name)
            except HeadsError as error:
                card, problem = {}, str(error)
            found.append(Version(name, self._at(name), card, name == current, name == shadow, problem))
        return sorted(found, key=lambda each: (not each.shipped, str(each.card.get("made", "")), each.name))

    def find(self, name: str) -> Version:
        """A version by its name. Raises VersionError."""
        for each in self.listed():
            if each.name == name:
                return each
        raise VersionError(f"there is no router version '{name}'. There is: {', '.join([SHIPPED.name, *self._made()])}")

    def current(self) -> str:
        """The name that the pointer gives; the shipped one where it gives none."""
        return self._order()[-1]

    def use(self, name: str) -> None:
        """Take a version into use. Raises VersionError for one that there is not or that does not fit."""
        self._usable(name)
        order = self._order()
        if order[-1] != name:
            self._point([*order, name])

    def rollback(self) -> str:
        """Use the one that was used before, and tell its name. Raises VersionError where there is none."""
        order = self._order()[:-1]
        there = {SHIPPED.name, *self._made()}
        while order and (order[-1] not in there or self.problem(order[-1])):
            order = order[:-1]
        if not order:
            raise VersionError(f"no other version was used before '{self.current()}'")
        self._point(order)
        return order[-1]

    def remove(self, name: str) -> None:
        """Delete a version for good. Raises VersionError for one that is shipped, in use or the shadow."""
        version = self.find(name)
        if version.shipped:
            raise VersionError(f"'{name}' came with the program and stays")
        if version.in_use:
            raise VersionError(f"'{name}' is in use: roll back or use another one first")
        if version.shadow:
            raise VersionError(f"'{name}' runs as the shadow: `assistant router shadow stop` first")
        if name in (order := self._order()):
            self._point(_without_repeats([each for each in order if each != name]))
        gone = Path(tempfile.mkdtemp(prefix=FRESH, dir=version.folder.parent)) / name
        os.replace(version.folder, gone)
        shutil.rmtree(gone.parent)

    def problem(self, name: str) -> str | None:
        """Why this release cannot use a version, and what to do; None where it can."""
        if name == SHIPPED.name:
            return None
        try:
            found = heads.load(self._at(name))
        except HeadsError as error:
            return str(error)
        own = self._at(name) / MODEL_FILE
        read, given = dict(found.card.get("reads", {})), reads(self._encoder_folder(name))
        if found.dimension != heads.load(SHIPPED).dimension or read.get("cues") != given["cues"]:
            why = "it was made for another form of turns"
        elif read.get("embedder") != given["embedder"]:
            why = "it was made for another embedding model"
        elif read.get("encoder") != given["encoder"]:
            why = "its encoder was changed or is damaged" if own.is_file() else "it was made for another encoder"
        else:
            return None
        again = str(found.card.get("command", "assistant router retrain"))
        return f"router version '{name}' does not fit this release ({why}): make it again with `{again}`"

    def load(self, name: str) -> Ready:
        """A version to decide with; the encoder loads on its first turn. Raises VersionError, and HeadsError where the
        shipped one cannot be read."""
        if name != SHIPPED.name:
            self._usable(name)
        folder = self._encoder_folder(name)
        encoder = self._encoders.setdefault(folder, TurnEncoder(folder, threads=self._threads))
        return Ready(name, encoder, heads.load(self._at(name)))

    def load_current(self) -> Ready:
        """The version in use; where that cannot be used, the shipped one with a warning in the log. Raises HeadsError
        where not even that can be read."""
        self._seen = self._stamp()
        name = self.current()
        try:
            return self.load(name)
        except VersionError as error:
            log.warning("%s. The shipped version %s decides meanwhile", error, SHIPPED.name)
        return self.load(SHIPPED.name)

    def current_if_changed(self) -> Ready | None:
        """The version in use if the pointer has changed since ``load_current`` or this was last called, else None:
        one ``stat``, to be called before every turn."""
        return None if self._stamp() == self._seen else self.load_current()

    def install(self, found: Heads, stem: str, *, encoder: Path | None = None, name: str | None = None) -> str:
        """Write a version without using it, and tell its name: ``name``, else ``stem`` with a number. ``encoder`` is a
        folder with an encoder of its own. Raises VersionError for a name that is taken or cannot be one."""
        home = self.folder / "versions"
        home.mkdir(parents=True, exist_ok=True)
        self._sweep(home)
        for chosen in [name] if name is not None else (f"{stem}-{number}" for number in range(1, 100_000)):
            self._free(chosen)
            if chosen == SHIPPED.name or self._at(chosen).exists():
                if name is not None:
                    raise VersionError(f"there is a router version '{name}' already: choose another --name")
                continue
            if self._written(found, chosen, encoder, home):
                return chosen
        raise VersionError(f"no name is free for another version: remove some below {home}")

    def shadow(self) -> str | None:
        """The candidate that runs silently, None without one."""
        found = _read(self.folder / "shadow.json").get("version")
        return found if isinstance(found, str) and (found == SHIPPED.name or found in self._made()) else None

    def set_shadow(self, name: str | None) -> None:
        """Name the candidate, or have none. Raises VersionError for one that there is not or that does not fit."""
        if name is None:
            (self.folder / "shadow.json").unlink(missing_ok=True)
            return
        self._usable(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_atomically(self.folder / "shadow.json", json.dumps({"version": name, "since": since}) + "\n")

    def encoder_folder(self, name: str) -> Path:
        """Where the encoder of a version lies. Raises VersionError."""
        return self._encoder_folder(self.find(name).name)

    def _at(self, name: str) -> Path:
        return SHIPPED if name == SHIPPED.name else self.folder / "versions" / name

    def _encoder_folder(self, name: str) -> Path:
        return self._at(name) if (self._at(name) / MODEL_FILE).is_file() else SHIPPED

    def _made(self) -> list[str]:
        home = self.folder / "versions"
        if not home.is_dir():
            return []
        named = [each for each in home.iterdir() if NAME.fullmatch(each.name) and each.name != SHIPPED.name]
        return sorted(each.name for each in named if (each / CARD).is_file() and (each / WEIGHTS).is_file())

    def _usable(self, name: str) -> None:
        self.find(name)
        if problem := self.problem(name):
            raise VersionError(problem)

    def _order(self) -> list[str]:
        found = _read(self.pointer).get("order")
        named = [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
        if not named:
            return [SHIPPED.name]
        if named[-1] != SHIPPED.name and named[-1] not in self._made():
            log.warning("router version '%s' is gone: the shipped one decides", named[-1])
            return [*named[:-1], SHIPPED.name]
        return named

    def _point(self, order: Sequence[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.pointer, json.dumps({"order": list(order)[-REMEMBERED:]}) + "\n")

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = self.pointer.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _free(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise VersionError(
                f"'{name}' cannot name a version: use small letters, digits, dots, hyphens and underscores"
            )

    def _written(self, found: Heads, name: str, encoder: Path | None, home: Path) -> bool:
        fresh = Path(tempfile.mkdtemp(prefix=FRESH, dir=home))
        try:
            for file in (MODEL_FILE, TOKENIZER_FILE) if encoder is not None else ():
                shutil.copyfile(Path(encoder or "") / file, fresh / file)
            made = datetime.now(UTC).isoformat(timespec="seconds")
            card = {"made": made, **found.card, "reads": reads(encoder or SHIPPED)}
            replace(found, version=name, card=card).save(fresh)
            for written in fresh.iterdir():
                _flush(written)
            fresh.chmod(0o755)
            try:
                os.rename(fresh, home / name)
            except OSError:  # somebody took the name meanwhile
                return False
            sync_folder(home)
            return True
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _sweep(self, home: Path) -> None:
        """Clear away what a killed process has left, a day later."""
        for each in home.glob(f"{FRESH}*"):
            if datetime.now(UTC).timestamp() - each.stat().st_mtime > 86_400:
                shutil.rmtree(each, ignore_errors=True)


def reads(encoder: Path = SHIPPED) -> dict[str, str]:
    """What heads are fitted to read: the hashes of encoder and cues, and the embedder's name."""
    cues = hashlib.sha256("\n".join(features.NAMES).encode()).hexdigest()[:16]
    model = encoder / MODEL_FILE
    found = model.stat()
    return {"encoder": _digest(model, found.st_mtime_ns, found.st_size), "embedder": EMBEDDER.name, "cues": cues}


@lru_cache(maxsize=16)
def _digest(path: Path, changed: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_repeats(order: Sequence[str]) -> list[str]:
    """Neighbours of one name are one use."""
    return [name for at, name in enumerate(order) if not at or order[at - 1] != name] or [SHIPPED.name]
