"""Turns as CSV for a spreadsheet and as JSON Lines for a program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC
from typing import Any

from assistant.desk.answers import Answers, Found, Wanted
from assistant.desk.answers_turn import whole
from assistant.records.repository import Repository

HEADS = (
    "turn", "conversation", "asked_at", "surface", "person", "question", "answer", "route", "route_chosen_by_person",
    "evidence", "unsupported_claims", "partly_supported_claims", "status", "model", "first_token_seconds", "seconds",
    "input_tokens", "output_tokens", "cost", "currency", "thumb", "comment", "corrected",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(value: object) -> object:
    """A value of a spreadsheet that no spreadsheet takes for a formula: text that begins like one gets a ``'`` before
    it (OWASP, "CSV Injection")."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.lstrip(" ").startswith(FORMULA) or value.startswith(FORMULA) else value


def table(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, with safe cells."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


async def as_csv(records: Repository, wanted: Wanted) -> AsyncIterator[str]:
    """The turns that are wanted, in pieces, below their heads. Raises RecordsError."""
    yield "\ufeff" + table([HEADS])  # without it Excel reads UTF-8 as something else
    async for batch in Answers(records).all(wanted):
        yield table(_row(each) for each in batch)


async def as_json_lines(records: Repository, wanted: Wanted) -> AsyncIterator[str]:
    """The turns that are wanted with their events as on the wire, in pieces. Raises RecordsError."""
    async for batch in whole(records, wanted):
        yield "".join(json.dumps(_line(each, events), ensure_ascii=False) + "\n" for each, events in batch)


def _row(turn: Found) -> list[object]:
    return [
        turn.id, turn.conversation, _time(turn), turn.surface, turn.person, turn.text, turn.answer, turn.route,
        turn.requested, turn.evidence, turn.unsupported, turn.partly, turn.status, turn.model, turn.first, turn.seconds,
        *turn.tokens, turn.cost, turn.currency, turn.thumb, turn.comment, turn.corrected,
    ]  # fmt: skip


def _line(turn: Found, events: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "turn": turn.id,
        "conversation": turn.conversation,
        "asked_at": _time(turn),
        "surface": turn.surface,
        "person": turn.person,
        "question": turn.text,
        "answer": turn.answer,
        "status": turn.status,
        **events,
        "feedback": {"thumb": turn.thumb, "comment": turn.comment} if turn.thumb else None,
        "corrected": turn.corrected,
    }


def _time(turn: Found) -> str:
    return turn.made_at.astimezone(UTC).isoformat(timespec="seconds")
