"""The answer of a server that speaks OpenAI's two interfaces, event by event."""

from __future__ import annotations

import json
from typing import Any

MODEL = "upstream-1"
USAGE = (11, 7, 3)
"""Tokens read, written, and read before."""


def answer_frames(path: str, answer: str) -> list[bytes]:
    """The whole answer as server-sent events, for ``chat/completions`` or ``responses``."""
    make = _responses if path == "responses" else _chat
    return [f"{name}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode() for name, data in make(answer)]


def without_words(frames: list[bytes]) -> list[bytes]:
    """The same answer without its text."""
    return [frame for frame in frames if b'"content": "' not in frame and b"output_text" not in frame]


def _pieces(text: str) -> list[str]:
    """Word by word, each with the blank before it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def _chat(answer: str) -> list[tuple[str, dict[str, Any]]]:
    """Chat Completions: a role, words, an end, and usage in an event of its own."""
    read, written, cached = USAGE
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    usage |= {"prompt_tokens_details": {"cached_tokens": cached}}

    def event(delta: dict[str, Any], finish: str | None = None) -> tuple[str, dict[str, Any]]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return "", {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}

    words = [event({"content": word}) for word in _pieces(answer)]
    last = event({})[1] | {"choices": [], "usage": usage}
    return [event({"role": "assistant", "content": ""}), *words, event({}, "stop"), ("", last)]


def _responses(answer: str) -> list[tuple[str, dict[str, Any]]]:
    """Responses: it was created, words, and the whole with usage."""
    read, written, cached = USAGE
    usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    usage |= {"input_tokens_details": {"cached_tokens": cached}, "output_tokens_details": {"reasoning_tokens": 0}}
    response = {"id": "r1", "object": "response", "model": MODEL, "output": [], "error": None}

    def event(kind: str, **facts: Any) -> tuple[str, dict[str, Any]]:
        return f"event: {kind}\n", {"type": kind, **facts}

    place = {"item_id": "m1", "output_index": 0, "content_index": 0}
    words = [event("response.output_text.delta", delta=word, **place) for word in _pieces(answer)]
    return [
        event("response.created", response=response | {"status": "in_progress", "usage": None}),
        *words,
        event("response.output_text.done", text=answer, **place),
        event("response.completed", response=response | {"status": "completed", "usage": usage}),
    ]
