"""``assistant config get``, ``set`` and ``unset``: one key of the settings file."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from assistant.cli.common import FAILED, console, load_settings, stop
from assistant.config_edit import Keys, NotEditable, set_value, unset_value, written
from assistant.config_errors import ConfigError, Problem, schema_at
from assistant.config_file import DEFAULT_FILE, load
from assistant.config_schema import explain
from assistant.config_types import did_you_mean, mask_url
from assistant.config_value import read_value

if TYPE_CHECKING:
    from assistant.config_schema import Row

RESTART = frozenset({"access", "data", "log_format", "log_level", "server", "store", "records", "sync"})
REBUILD = frozenset({"embedder", "chunking"})
"""Sections that a running server cannot take over as it runs; a test compares them with what it does take over."""
TAKEN_OVER = ("access.roles", "access.sign_in")
"""What of such a section it does take over."""
_REFERENCE = re.compile(r"\$\{(?:file:[^{}]+|\w+)\}")


@dataclass(frozen=True, slots=True)
class _State:
    """What a settings file amounts to: the rows of ``config explain``, or what is wrong with it."""

    rows: dict[str, Row] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def wrong(self) -> set[tuple[str, str]]:
        return {(problem.key, problem.message) for problem in self.problems}


def get_key(config: Path | None, key: str) -> None:
    """Print the value in force of a key, or of every key of a section, with secrets masked."""
    rows = {row.key: row.value for row in explain(load_settings(config)) if _within(row.key, key)}
    if not rows:
        stop(f"{key} is not set. {_meant(key, config)}".rstrip())
    for name, value in rows.items():
        print(value if name == key else f"{name}: {value}")


def set_key(config: Path | None, key: str, text: str, plain: bool) -> None:
    """Write a key; the file stays as it is unless the result is valid."""
    loc = _keys(key)
    value = read_value(text, schema_at(loc))
    if not plain and (secret := next(_secrets(loc, value), None)):
        stop(
            f"{secret} would be a secret in plain text, so nothing was changed. Put it into the environment and write "
            "'${OPENAI_API_KEY}', by its name there, in single quotes; or '${file:/run/secrets/key}'. "
            "With --plain it is written all the same"
        )
    _edit(config, key, loc, lambda before: set_value(before, loc, value))


def unset_key(config: Path | None, key: str) -> None:
    """Take a key out of the file, so that its default counts."""
    loc = _keys(key)

    def without(before: str) -> str:
        if written(before, loc) is None:
            stop(f"{key} is not set in the file. {_meant(key, config)}".rstrip())
        return unset_value(before, loc)

    _edit(config, key, loc, without)


def _edit(config: Path | None, key: str, loc: Keys, change: Callable[[str], str]) -> None:
    file = (config or Path(DEFAULT_FILE)).expanduser()
    target = file.resolve()
    before = _read(target, asked_for=config is not None)
    was = _state(file, file) if target.exists() else _State()
    if any(not problem.key for problem in was.problems):
        stop("\n".join(["the file cannot be read, so nothing was changed:", *map(str, was.problems)]))
    try:
        after = change(before)
    except (NotEditable, yaml.YAMLError) as error:
        stop(f"nothing was changed: {error}")
    if after == before:
        console().print(f"{key} is that already; {file} stays as it is", markup=False)
        return
    now = _put_in_place(target, file, before, after, was)
    _report(file, key, was, now, written(after, loc))


def _read(target: Path, *, asked_for: bool) -> str:
    try:
        return target.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if not asked_for:
            return ""
        stop(f"there is no file {target}. Correct the path, or copy assistant/assistant.example.yaml there")
    except UnicodeDecodeError:
        stop(f"{target} is not UTF-8, so nothing was changed. Save it as UTF-8")
    except OSError as error:
        stop(f"{target} cannot be read: {error.strerror}")


def _state(path: Path, named: Path) -> _State:
    """What the file at ``path`` says, in words that name another."""
    try:
        return _State({row.key: row for row in explain(load(path))})
    except ConfigError as error:
        found = []
        for problem in error.problems:
            in_file = problem.where.source in (path.name, str(path))
            found.append(replace(problem, where=replace(problem.where, source=named.name)) if in_file else problem)
        return _State(problems=tuple(found))


def _put_in_place(target: Path, named: Path, before: str, after: str, was: _State) -> _State:
    """Write the text beside the file, check it there, and rename it: what was checked is what counts."""
    fresh: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{named.name}.", dir=named.absolute().parent)
        fresh = Path(name)
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            kept = _take_over(file.fileno(), target)
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        now = _state(fresh, named)
        if new := [problem for problem in now.problems if (problem.key, problem.message) not in was.wrong()]:
            stop("\n".join(["nothing was changed, because that would be wrong:", *map(str, new)]))
        if target.exists() and target.read_bytes().decode("utf-8") != before:
            stop(f"{named} was changed by somebody else just now, so nothing was written. Run this again", FAILED)
        _exchange(fresh, target, after, in_place=not kept)
        return now
    except OSError as error:
        stop(f"{named} cannot be written: {error.strerror}. Allow it, or change the file by hand", FAILED)
    finally:
        if fresh is not None:
            fresh.unlink(missing_ok=True)


def _take_over(descriptor: int, target: Path) -> bool:
    """Give a file mode and owner of the one that it replaces; a new one is for its owner alone. False if that may not
    be done here."""
    try:
        found = target.stat()
        if (os.geteuid(), os.getegid()) != (found.st_uid, found.st_gid):
            os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, found.st_mode & 0o7777)
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    return True


def _exchange(fresh: Path, target: Path, text: str, *, in_place: bool) -> None:
    """Rename the file. One that a container mounts, or that is linked to on another disk, is written in place."""
    from assistant.files import sync_folder

    try:
        if not in_place:
            os.replace(fresh, target)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        in_place = True
    if in_place:
        with target.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
    sync_folder(target.parent)


def _report(file: Path, key: str, was: _State, now: _State, raw: Any) -> None:
    """Old → new, who else has a say, and when it counts."""
    out = console()
    for name in dict.fromkeys((*was.rows, *now.rows)):
        old, new = was.rows.get(name), now.rows.get(name)
        leaf = name == key
        added = old is None and new is not None and new.origin == "default"
        if not _within(name, key) or not (leaf or ((old and old.value) != (new and new.value) and not added)):
            continue
        shown = raw if leaf and isinstance(raw, str) and _REFERENCE.fullmatch(raw) else new and new.value
        out.print(f"{name}: {old.value if old else 'not set'} → {shown or 'not set'}", markup=False)
        if new and new.origin.startswith("environment"):
            out.print(f"  but {new.origin} is set here and wins over the file", markup=False)
    out.print(f"{file} is written. {_when(key)}", markup=False)
    for problem in now.problems:
        print(f"still to repair, or set only where the server runs: {problem}", file=sys.stderr)


def _when(key: str) -> str:
    section = key.partition(".")[0]
    if section in REBUILD:
        return "It counts from the next rebuild on: assistant ingest --rebuild"
    if section in RESTART and not key.startswith(TAKEN_OVER):
        return "A running server takes it over when it is started again."
    return "A running server takes it over with its next turn."


def _keys(key: str) -> Keys:
    if "[" in key:
        stop(f"{key}: the entries of a list cannot be changed one by one. Give the whole list: '[one, two]'")
    loc = tuple(key.split("."))
    if not all(loc):
        stop(f"{key!r} is no key. Write for example roles.main")
    return loc


def _within(name: str, key: str) -> bool:
    return name == key or name.startswith(f"{key}.")


def _meant(key: str, config: Path | None) -> str:
    try:
        return did_you_mean(key, load(config).origins)
    except ConfigError:
        return ""


def _secrets(loc: Keys, value: Any) -> Iterator[str]:
    """The keys of plain secrets in a value: keys, passwords of addresses, and what looks like a key in options."""
    from connectors.errors import redact

    if isinstance(value, dict):
        for name, item in value.items():
            yield from _secrets((*loc, str(name)), item)
    elif isinstance(value, str) and value and "${" not in value:
        is_secret = schema_at(loc).get("format") == "password"
        models = loc[0] == "models" and redact(value) != value
        if is_secret or models or mask_url(value) != value:
            yield ".".join(loc)
