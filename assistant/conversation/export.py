"""A conversation as a file that people keep. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from assistant.conversation.accepting import storable
from assistant.conversation.routes import ROUTES
from assistant.records.corrections import Correction
from assistant.records.feedback import Feedback
from assistant.records.stored import StoredTurn

Format = Literal["markdown", "json"]
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")
_LIVE = re.compile(r"!(?=\[)|<(?=[A-Za-z/!?])")
"""What makes a reader of Markdown load an image, or take text for HTML: whoever opens the file must not be reported to
whoever wrote a document."""
_FENCE = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})(.*)$")


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is exported; ``shown`` is the branch that is shown, ``turns`` those of all branches."""

    title: str
    about: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    shown: Sequence[StoredTurn]
    turns: Sequence[StoredTurn]
    feedback: Mapping[str, Feedback]
    corrections: Sequence[Correction]


def export(whole: Whole, form: Format) -> str:
    """The shown branch as Markdown, or everything but who the person is as JSON."""
    return storable(_markdown(whole) if form == "markdown" else _json(whole))


def _markdown(whole: Whole) -> str:
    parts = [f"# {_plain(whole.title)}", f"{whole.created_at:%Y-%m-%d}"]
    for turn in whole.shown:
        parts += _turn(turn)
    return "\n\n".join(parts) + "\n"


def _turn(turn: StoredTurn) -> Iterator[str]:
    yield "---"
    yield "\n".join(f"> {_dead(line)}" for line in _lines(turn.text))
    if turn.routed:
        why = "; ".join(turn.routed["reasons"])
        title = ROUTES[turn.routed["route"]].title if turn.routed["route"] in ROUTES else turn.routed["route"]
        yield f"*{_plain(title)}{': ' if why else ''}{_plain(why)}*"
    if turn.answer.strip():
        yield _answer(turn.answer.strip())
    if turn.status in ("stopped", "failed", "running"):
        yield {"stopped": "*Stopped.*", "failed": "*This answer failed.*", "running": "*Not finished.*"}[turn.status]
    passages = turn.retrieved["passages"] if turn.retrieved else ()
    cited = set(turn.checked["cited"]) if turn.checked else {each["number"] for each in passages}
    lines = [_source(each) for each in passages if each["number"] in cited]
    if lines:
        yield "Sources:"
        yield "\n".join(lines)


def _source(passage: Mapping[str, Any]) -> str:
    place = [_plain(passage["title"]), _plain(" › ".join(passage["section"]))]
    if passage.get("page"):
        place.append(f"page {passage['page']}")
    if passage.get("date"):
        place.append(_plain(str(passage["date"])))
    return f"- [{passage['number']}] {', '.join(each for each in place if each)}"


def _answer(text: str) -> str:
    """The answer's own Markdown, dead but in fenced code. That is left alone only where all fences begin their lines:
    any other one can end where a list or a quotation ends, and readers would not agree on what is code."""
    lines, fence = [], ""
    trusted = all(_FENCE.match(line) for line in _lines(text) if "```" in line or "~~~" in line)
    for line in _lines(text):
        found = _FENCE.match(line) if trusted else None
        lines.append(line if fence or found else _dead(line))
        if not fence:
            fence = found[1] if found else ""
        elif found and found[1].startswith(fence) and not found[2].strip():
            fence = ""
    return "\n".join(lines + ([fence] if fence else []))


def _dead(line: str) -> str:
    # No backslashes: one that stands there already would escape ours.
    return _LIVE.sub(lambda found: "&lt;" if found[0] == "<" else "&#33;", line)


def _lines(text: str) -> list[str]:
    """As Markdown splits them, which is not at all that Unicode calls the end of a line."""
    return re.split(r"\r\n|\r|\n", text)


def _plain(text: str) -> str:
    """One line that is nothing but text."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _json(whole: Whole) -> str:
    shown = {turn.id for turn in whole.shown}
    corrected = {each.question: each for each in whole.corrections}
    turns = [
        turn_row(turn, whole.feedback.get(turn.id), corrected.get(turn.question)) | {"shown": turn.id in shown}
        for turn in whole.turns
    ]
    times = {"created_at": whole.created_at.isoformat(), "updated_at": whole.updated_at.isoformat()}
    return json.dumps({**whole.about, **times, "turns": turns}, ensure_ascii=False, indent=2) + "\n"


def turn_row(turn: StoredTurn, feedback: Feedback | None, correction: Correction | None) -> dict[str, Any]:
    """A turn as JSON, with what was said of it."""
    return {
        "id": turn.id,
        "parent": turn.parent,
        "siblings": list(turn.siblings),
        "text": turn.text,
        "collection": turn.collection,
        "answer": turn.answer,
        "status": turn.status,
        "created_at": turn.created_at.isoformat(),
        "routed": turn.routed,
        "retrieved": turn.retrieved,
        "checked": turn.checked,
        "ended": turn.ended,
        "feedback": {"thumb": feedback.thumb, "comment": feedback.comment} if feedback else None,
        "correction": {"verdict": correction.verdict, "turn": correction.turn} if correction else None,
    }
