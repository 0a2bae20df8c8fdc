"""Requests and answers as the OpenAPI document shows them, by the id of their operation. A test holds them against the
shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ui.encode import sse

CONVERSATION = "0b9e6a58-5a0e-4b52-9f5d-3f6f0f7f8f1a"
TURN = "7d1f1f0e-2a53-4f5e-8a0e-6f7d3b1c9a42"
FILE = "c2a7c3f4-9f0b-4a3e-8b55-0a3f9e6f1d20"
QUESTION = "What is the hotel cap in London?"
ANSWER = "The cap is £165 per night [1]."
AT = "2026-11-02T09:30:00+00:00"

REQUESTS: Mapping[str, Any] = {
    "chat": {"message": QUESTION, "surface": "portal"},
    "run_again": {"route": "retrieve"},
    "edit": {"message": "And in Paris?"},
    "correct": {"verdict": "look_up", "rerun": False},
    "give_feedback": {"thumb": "up", "comment": "Just what I needed"},
    "change_conversation": {"title": "Hotels", "pinned": True},
    "search": {"query": "hotel cap London", "limit": 5},
    "ingest": {"paths": ["https://wiki.example/handbook"], "collection": "handbook"},
    "sync": {"collection": "handbook"},
    "remove_source": {"collection": "handbook", "source": ["https://wiki.example/handbook"]},
    "rebuild": {"force": False},
    "begin_session": {"surface": "portal"},
}

_CONVERSATION: dict[str, Any] = {
    "id": CONVERSATION,
    "surface": "portal",
    "title": QUESTION,
    "pinned": False,
    "created_at": AT,
    "updated_at": AT,
}
_PASSAGE: dict[str, Any] = {
    "number": 1,
    "collection": "demo",
    "document": "travel.md",
    "title": "Travel",
    "section": ["Hotels"],
    "page": None,
    "line": None,
    "date": "2026-03-01",
    "text": "London: £165 per night.",
    "start": 410,
    "end": 433,
    "score": 1.21,
    "similarity": 0.71,
    "found": [0, 23],
    "newer": None,
    "duplicates": [],
}
_LOOKED: dict[str, Any] = {
    "query": QUESTION,
    "searched": ["demo"],
    "fresh": False,
    "evidence": "supported",
    "evidence_score": 0.93,
    "why": [],
    "passages": [_PASSAGE],
}
_ROUTED: dict[str, Any] = {
    "type": "routed",
    "turn": TURN,
    "conversation": CONVERSATION,
    "route": "retrieve",
    "scores": {"information": 0.97, "voice": 0.04},
    "threshold": 0.2,
    "reasons": ["asks for a fact"],
    "query": QUESTION,
    "requested": False,
    "router_version": "shipped-4",
}
_CHECKED: dict[str, Any] = {
    "type": "checked",
    "evidence": "supported",
    "cited": [1],
    "invented": [],
    "marks": [{"start": 0, "end": 27, "state": "supported", "why": "", "passages": [1]}],
    "lost": [],
    "added": [],
}
_FINISHED: dict[str, Any] = {
    "type": "finished",
    "answer": ANSWER,
    "model": "gpt-5-mini",
    "backend": "main",
    "faults": [],
    "prompt_version": "retrieve-1a2b3c",
    "usage": {"input_tokens": 812, "output_tokens": 14, "cached_tokens": 0, "estimated": False},
    "cost": {"amount": 0.00023, "currency": "USD"},
    "timings": {"routed": 0.004, "retrieved": 0.009, "first_token": 0.41, "finished": 0.62},
    "note": None,
    "cut": False,
}
_TURN: dict[str, Any] = {
    "id": TURN,
    "parent": None,
    "siblings": [TURN],
    "text": QUESTION,
    "collection": None,
    "answer": ANSWER,
    "status": "finished",
    "created_at": AT,
    "routed": _ROUTED,
    "retrieved": {"type": "retrieved", **_LOOKED},
    "checked": _CHECKED,
    "ended": _FINISHED,
    "feedback": {"thumb": "up", "comment": ""},
    "correction": None,
}
_ATTACHED: dict[str, Any] = {
    "id": FILE,
    "conversation": CONVERSATION,
    "name": "offer.pdf",
    "bytes": 48213,
    "state": "ready",
    "message": "",
    "passages": 12,
    "of": 12,
}

RESPONSES: Mapping[str, Any] = {
    "correct": {"corrected": True, "route": "retrieve", "information": True, "voice": False, "refused": None},
    "take_back": {"taken_back": True},
    "show": {"shown": True},
    "give_feedback": {"thumb": "up", "comment": "Just what I needed"},
    "list_conversations": {"conversations": [{**_CONVERSATION, "turns": 1}], "next": None},
    "read_conversation": {**_CONVERSATION, "turns": [_TURN], "earlier": False},
    "change_conversation": {**_CONVERSATION, "title": "Hotels", "pinned": True, "turns": 1},
    "delete_conversation": {"deleted": True},
    "list_attachments": {"attachments": [_ATTACHED], "next": None},
    "attach": _ATTACHED,
    "detach": {"deleted": True},
    "list_corrections": {
        "corrections": [
            {
                "id": TURN,
                "conversation": CONVERSATION,
                "domain": "portal",
                "history": [],
                "turn": QUESTION,
                "information": True,
                "voice": False,
                "kind": "correction",
                "verdict": "look_up",
                "route": "retrieve",
                "decision": {"route": "voice", "threshold": 0.2},
                "person": "sign_in:1f2e3d4c:ada",
                "made_at": AT,
            }
        ],
        "next": None,
    },
    "list_collections": {"collections": [{"name": "demo", "title": "Handbook"}], "next": None},
    "list_documents": {
        "documents": [
            {"collection": "demo", "document": "travel.md", "title": "Travel", "date": "2026-03-01", "passages": 7}
        ],
        "next": "WyJ0cmF2ZWwubWQiXQ==",
    },
    "read_document": {
        "collection": "demo",
        "document": "travel.md",
        "title": "Travel",
        "date": "2026-03-01",
        "text": "# Travel\n\n## Hotels\n\nLondon: £165 per night.",
        "start": 0,
        "above": None,
        "below": None,
        "line": None,
        "headings": [{"level": 1, "text": "Travel", "start": 0}],
        "pages": [],
    },
    "search": _LOOKED,
    "list_sources": {
        "sources": [
            {
                "collection": "demo",
                "id": "b1946ac92492d234",
                "kind": "folder",
                "location": "handbook",
                "origin": "settings",
                "left": False,
                "documents": 12,
                "passages": 84,
                "synced_at": AT,
                "outcome": "ok",
                "message": "",
                "report": {"unchanged": 12},
            }
        ],
        "next": None,
    },
    "remove_source": {"label": "url https://wiki.example/handbook", "documents": 1},
    "drop_collection": {"removed": True},
    "who_am_i": {
        "person": "sign_in:1f2e3d4c:ada",
        "name": "Ada",
        "via": "sign_in",
        "role": "user",
        "groups": ["staff"],
        "expires": 1793620800.0,
        "surfaces": [{"name": "portal", "title": "Switchyard", "collections": ["demo"]}],
        "limits": {
            "turn_characters": 20000,
            "conversation_turns": 200,
            "attachment_megabytes": 20,
            "attachments": 10,
        },
    },
    "delete_mine": {"deleted": 3},
    "list_models": {"models": [{"name": "main", "roles": ["main", "voice"]}], "next": None},
    "read_router": {
        "version": "shipped-4",
        "threshold": 0.2,
        "voice_threshold": 0.5,
        "ask_threshold": None,
        "costs": {"missed_lookup": 4.0, "needless_lookup": 1.0},
    },
}

TURN_EVENTS: tuple[dict[str, Any], ...] = (
    _ROUTED,
    {"type": "retrieved", **_LOOKED},
    {"type": "text_delta", "text": ANSWER},
    _CHECKED,
    _FINISHED,
)
WORK_EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "began", "collection": "handbook", "label": "url https://wiki.example/handbook", "place": 1, "of": 1},
    {
        "type": "progress",
        "done": 1,
        "total": 1,
        "uri": "https://wiki.example/handbook",
        "outcome": "added",
        "reason": "",
        "chunks": 9,
    },
    {
        "type": "ended",
        "collection": "handbook",
        "label": "url https://wiki.example/handbook",
        "outcome": "ok",
        "message": "",
        "report": {"added": 1},
    },
    {"type": "done"},
)
WORKS = frozenset({"ingest", "sync", "rebuild", "roll_back"})
STREAMS: Mapping[str, str] = {"turn": "".join(map(sse, TURN_EVENTS)), "work": "".join(map(sse, WORK_EVENTS))}
