"""Turns as the records hold them, for tests of what the desk reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from assistant.records.feedback import Feedback, Feedbacks
from assistant.records.models import TurnRow
from assistant.records.repository import Repository


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def routed(route: str = "retrieve", **more: Any) -> dict[str, Any]:
    fields = {
        "type": "routed", "turn": "t", "conversation": "c", "route": route,
        "scores": {"information": 0.9, "voice": 0.1}, "threshold": 0.2,
        "reasons": ["asks for a fact"], "query": "x", "requested": False, "router_version": "v",
    }  # fmt: skip
    return fields | more


def passage(number: int = 1, title: str = "Travel", similarity: float = 0.62, text: str = "Hotels: 120 EUR.") -> Any:
    return {
        "number": number, "collection": "demo", "document": f"{title.lower()}.md", "title": title,
        "section": ["Nights"], "page": 3, "line": None, "date": "2026-01-05", "text": text,
        "start": 0, "end": len(text), "score": 0.7,
        "similarity": similarity, "found": [0, 5], "newer": None, "duplicates": [],
    }  # fmt: skip


def retrieved(evidence: str, *passages: Any) -> dict[str, Any]:
    return {
        "type": "retrieved", "query": "what was searched", "searched": ["demo"], "fresh": False, "evidence": evidence,
        "evidence_score": 0.4, "why": ["no passage names it"], "passages": list(passages or (passage(),)),
    }  # fmt: skip


def checked(evidence: str | None, *marks: tuple[int, int, str, str]) -> dict[str, Any]:
    told = [{"start": a, "end": b, "state": state, "why": why, "passages": [1]} for a, b, state, why in marks]
    return {
        "type": "checked", "evidence": evidence, "cited": [1], "invented": [], "marks": told, "lost": [], "added": [],
    }  # fmt: skip


def finished(answer: str, *, cost: float | None = None, seconds: float = 2.0, backend: str = "main") -> dict[str, Any]:
    return {
        "type": "finished", "answer": answer, "model": "model-1", "backend": backend, "prompt_version": "p1",
        "usage": {"input_tokens": 1200, "output_tokens": 90, "cached_tokens": 0}, "faults": [], "note": None,
        "timings": {"routed": 0.01, "first_token": seconds / 4, "finished": seconds}, "cut": False,
        "cost": None if cost is None else {"amount": cost, "currency": "EUR"},
    }  # fmt: skip


async def said(
    records: Repository,
    text: str,
    answer: str = "An answer.",
    *,
    route: str = "retrieve",
    evidence: str | None = "supported",
    marks: Sequence[tuple[int, int, str, str]] = (),
    passages: Sequence[Any] = (),
    status: str = "finished",
    conversation: str | None = None,
    person: str = "guest-1",
    surface: str = "portal",
    at: datetime | None = None,
    thumb: str = "",
    comment: str = "",
    ended: dict[str, Any] | None = None,
) -> tuple[str, str]:
    """A turn that went so; its conversation and its id."""
    if conversation is None:
        conversation, turn = await records.begin(person, surface, text)
    else:
        turn = await records.start_turn(conversation, text)
    events = {"routed": routed(route), "checked": checked(evidence, *marks), "ended": ended or finished(answer)}
    if evidence is not None:
        events["retrieved"] = retrieved(evidence, *passages)
    if status == "stopped":
        del events["ended"]
    await records.end_turn(turn, answer=answer, status=status, events=events)
    at = at or ago(minutes=5)
    async with records.session() as session:
        await session.execute(update(TurnRow).where(TurnRow.id == turn).values(created_at=at))
    if thumb:
        await Feedbacks(records).note(Feedback(turn, conversation, person, thumb, comment, at))  # type: ignore[arg-type]
    return conversation, turn
