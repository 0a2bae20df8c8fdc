"""Labelled turns: what the router learns from and is measured on, one JSON object a line.

``information`` says whether something must be looked up to answer well, ``voice`` whether the answer carries the
organisation's voice; the second counts only where the first is true. docs/router.md says how to label.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from assistant.conversation.turn import Message

FORM = 'a labelled turn has "turn", "history" [{"role", "content"}], "information" and, where that is true, "voice"'
ROLES = ("user", "assistant")


class LabelsError(Exception):
    """A file of labelled turns cannot be used; the message names it, the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class LabelledTurn:
    """A turn with the messages before it, oldest first. ``voice`` is None where nothing has to be looked up.
    ``conversation`` keeps turns together that must not be split between training and test. ``ask`` says whether the
    turn is too vague to go on without asking back, None where nobody said."""

    turn: str
    history: tuple[Message, ...]
    information: bool
    voice: bool | None = None
    kind: str = ""
    domain: str = ""
    conversation: str = ""
    id: str = ""
    ask: bool | None = None

    @property
    def language(self) -> str:
        """The suffix of ``kind`` ("follow_up:de"), English without one."""
        return self.kind.partition(":")[2] or "en"

    def to_json(self) -> dict[str, Any]:
        """The object of its line."""
        return {
            "id": self.id,
            "conversation": self.conversation,
            "domain": self.domain,
            "history": [{"role": each.role, "content": each.content} for each in self.history],
            "turn": self.turn,
            "information": self.information,
            "voice": self.voice,
            "kind": self.kind,
        } | ({} if self.ask is None else {"ask": self.ask})


def read(path: Path) -> list[LabelledTurn]:
    """The turns of a file, or of all files of a folder; a turn without ``conversation`` is one of its own. Raises
    LabelsError."""
    if path.is_dir():
        return read_all(sorted(path.glob("*.jsonl"))) or _nothing(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    turns = [_turn(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    return turns or _nothing(path)


def _nothing(path: Path) -> NoReturn:
    raise LabelsError(f"{path} holds no turns")


def read_all(paths: Iterable[Path]) -> list[LabelledTurn]:
    """The turns of several files, each (history, turn) once. Raises LabelsError."""
    found: dict[tuple[tuple[Message, ...], str], LabelledTurn] = {}
    for path in paths:
        for each in read(path):
            found.setdefault((each.history, each.turn.strip().casefold()), each)
    return list(found.values())


def data_hash(turns: Iterable[LabelledTurn]) -> str:
    """SHA-256 over the turns with their labels, in their order."""
    lines = (json.dumps(each.to_json(), ensure_ascii=False, sort_keys=True) for each in turns)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write(path: Path, turns: Sequence[LabelledTurn]) -> None:
    """One line a turn."""
    lines = [json.dumps(each.to_json(), ensure_ascii=False) + "\n" for each in turns]
    path.write_text("".join(lines), encoding="utf-8")


def _turn(line: str, place: str) -> LabelledTurn:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise LabelsError(f"{place}: this line is not JSON ({error})") from error
    if not isinstance(row, dict):
        raise LabelsError(f"{place}: this line is not a JSON object; {FORM}")
    text, information, voice = row.get("turn"), row.get("information"), row.get("voice")
    if not isinstance(text, str) or not text.strip():
        raise LabelsError(f'{place}: "turn" is missing or empty; {FORM}')
    if not isinstance(information, bool):
        raise LabelsError(f'{place}: "information" must be true or false; {FORM}')
    if not isinstance(voice, bool | None):
        raise LabelsError(f'{place}: "voice" must be true, false or null; {FORM}')
    ask = row.get("ask")
    if not isinstance(ask, bool | None):
        raise LabelsError(f'{place}: "ask" must be true or false where it is given; {FORM}')
    named = {name: str(row.get(name) or "") for name in ("kind", "domain", "conversation", "id")}
    named["conversation"] = named["conversation"] or place
    history = _history(row.get("history"), place)
    return LabelledTurn(text, history, information, voice if information else None, ask=ask, **named)


def _history(found: object, place: str) -> tuple[Message, ...]:
    if not isinstance(found, list | None):
        raise LabelsError(f'{place}: "history" must be a list; {FORM}')
    messages = []
    for each in found or []:
        if not isinstance(each, dict) or each.get("role") not in ROLES or not isinstance(each.get("content"), str):
            raise LabelsError(f'{place}: each message of "history" has a role (user or assistant) and a content')
        messages.append(Message(each["role"], each["content"]))
    return tuple(messages)
