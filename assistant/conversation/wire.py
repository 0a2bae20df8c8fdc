"""Events as plain JSON: the one shape that pages, the API, the CLI and the records share.

Each event is an object with ``type`` (routed, retrieved, text_delta, checked, finished, failed) and its fields.
A passage is flat and holds what a reader may see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from assistant.conversation.events import Checked, Event, Failed, Finished, Retrieved, Routed, TextDelta
from assistant.knowledge.documents import Passage


def encode(event: Event) -> dict[str, Any]:
    """The event as JSON values."""
    kind, fields = _ENCODERS[type(event)]
    return {"type": kind, **fields(event)}


def passage(found: Passage) -> dict[str, Any]:
    """A passage as JSON values; ``date`` is its as-of date (ISO 8601) or None, ``section`` its headings
    below the title, in code its symbols; ``line`` is the first line of code in its file, else None. ``found`` is where
    in the text the best match stands; ``newer`` the number of a passage of a newer document that states other values;
    ``duplicates`` name documents that say the same."""
    chunk = found.chunk
    return {
        "number": found.number,
        "collection": chunk.collection,
        "document": chunk.document,
        "title": chunk.title,
        "section": list(chunk.below_title),
        "page": chunk.page,
        "line": chunk.line,
        "date": chunk.modified.isoformat() if chunk.modified else None,
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "score": round(found.score, 5),
        "similarity": round(found.similarity, 4),
        "found": list(found.found or (0, len(chunk.text))),
        "newer": found.newer,
        "duplicates": list(found.duplicates),
    }


def _routed(event: Routed) -> dict[str, Any]:
    decision = event.decision
    return {
        "turn": event.turn,
        "conversation": event.conversation,
        "route": decision.route,
        "scores": {"information": decision.information, "voice": decision.voice},
        "threshold": decision.threshold,
        "reasons": list(decision.reasons),
        "query": decision.query,
        "requested": decision.requested,
        "router_version": decision.version,
    }


def _retrieved(event: Retrieved) -> dict[str, Any]:
    return {
        "query": event.query,
        "searched": list(event.searched),
        "fresh": event.fresh,
        "evidence": event.evidence.state,
        "evidence_score": event.evidence.score,
        "why": list(event.evidence.why),
        "passages": [passage(found) for found in event.passages],
    }


def _checked(event: Checked) -> dict[str, Any]:
    return {
        "evidence": event.evidence,
        "cited": list(event.cited),
        "invented": list(event.invented),
        "marks": [asdict(mark) | {"passages": list(mark.passages)} for mark in event.marks],
        "lost": list(event.lost),
        "added": list(event.added),
    }


_ENCODERS: dict[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    Routed: ("routed", _routed),
    Retrieved: ("retrieved", _retrieved),
    TextDelta: ("text_delta", lambda event: {"text": event.text}),
    Checked: ("checked", _checked),
    Finished: ("finished", lambda event: asdict(event) | {"faults": [asdict(fault) for fault in event.faults]}),
    Failed: ("failed", asdict),
}
KINDS = tuple(kind for kind, _ in _ENCODERS.values())
