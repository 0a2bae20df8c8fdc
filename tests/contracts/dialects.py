"""What providers of chat models put on the wire, one dialect each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

Heard = list[tuple[str, str]]
LISTED = ("m-1", "m-2")
KEY = "sk-planted-secret-0123456789"


class Dialect:
    """How one kind of provider puts things on the wire."""

    refusals: ClassVar[dict[str, tuple[int, dict[str, Any]]]]

    def begin(self) -> Iterator[str]:
        """What comes before the first piece."""
        return iter(())

    def piece(self, text: str) -> str:
        """One piece of the answer."""
        raise NotImplementedError

    def end(self, finish: str) -> Iterator[str]:
        """What comes after the last piece: why it ended, and 7 tokens in, 3 of them cached, 5 out."""
        raise NotImplementedError

    def broken(self) -> str:
        """An error in the middle of a stream."""
        raise NotImplementedError

    def heard(self, body: dict[str, Any]) -> Heard:
        """The messages of a request, as (role, text)."""
        return [(each["role"], each["content"]) for each in body["messages"]]

    def limit(self, body: dict[str, Any]) -> int | None:
        """The most tokens that the answer may have."""
        found: int | None = body.get("max_tokens", body.get("max_completion_tokens"))
        return found

    def listing(self) -> dict[str, Any]:
        return {"object": "list", "data": [{"id": name, "object": "model", "created": 1} for name in LISTED]}


def _sse(body: dict[str, Any]) -> str:
    name = f"event: {body['type']}\n" if "type" in body else ""
    return f"{name}data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _openai_refusals() -> dict[str, tuple[int, dict[str, Any]]]:
    said = f"no, not with {KEY}"
    rows = {
        "authentication": (401, "invalid_api_key"),
        "permission": (403, None),
        "rate_limit": (429, "rate_limit_exceeded"),
        "quota": (429, "insufficient_quota"),
        "context": (400, "context_length_exceeded"),
        "filter": (400, "content_filter"),
        "bad_request": (400, None),
        "no_model": (404, "model_not_found"),
        "down": (503, None),
    }
    return {
        fault: (status, {"error": {"message": said, "code": code, "type": None}})
        for fault, (status, code) in rows.items()
    }


class OpenAIChat(Dialect):
    refusals = _openai_refusals()

    def _chunk(self, delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> str:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return _sse(
            {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": choices} | more
        )

    def piece(self, text: str) -> str:
        return self._chunk({"content": text})

    def end(self, finish: str) -> Iterator[str]:
        yield self._chunk({}, {"filter": "content_filter"}.get(finish, finish))
        details = {"prompt_tokens_details": {"cached_tokens": 3}}
        yield self._chunk(None, usage={"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12} | details)
        yield "data: [DONE]\n\n"

    def broken(self) -> str:
        return 'data: {"error": {"message": "the server had an error", "type": "server_error", "code": null}}\n\n'


class OpenAIResponses(Dialect):
    refusals = _openai_refusals()

    def __init__(self) -> None:
        self._number = 0

    def _event(self, kind: str, **facts: Any) -> str:
        self._number += 1
        return _sse({"type": kind, "sequence_number": self._number} | facts)

    def _response(self, status: str, **facts: Any) -> dict[str, Any]:
        fixed = {"id": "r", "object": "response", "created_at": 1, "model": "m-1", "output": [], "tools": []}
        unset = {"parallel_tool_calls": True, "tool_choice": "auto", "error": None, "incomplete_details": None}
        return fixed | unset | {"status": status} | facts

    def begin(self) -> Iterator[str]:
        yield self._event("response.created", response=self._response("in_progress"))

    def piece(self, text: str) -> str:
        place = {"item_id": "i", "output_index": 0, "content_index": 0, "logprobs": []}
        return self._event("response.output_text.delta", delta=text, **place)

    def end(self, finish: str) -> Iterator[str]:
        counted = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
        details = {"input_tokens_details": {"cached_tokens": 3}, "output_tokens_details": {"reasoning_tokens": 0}}
        facts: dict[str, Any] = {"usage": counted | details}
        if finish == "stop":
            yield self._event("response.completed", response=self._response("completed", **facts))
        else:
            reason = {"length": "max_output_tokens", "filter": "content_filter"}[finish]
            facts["incomplete_details"] = {"reason": reason}
            yield self._event("response.incomplete", response=self._response("incomplete", **facts))

    def broken(self) -> str:
        return self._event("error", code="server_error", message="the server had an error", param=None)

    def heard(self, body: dict[str, Any]) -> Heard:
        told = [("system", body["instructions"])] if body.get("instructions") else []
        return told + [(each["role"], _joined(each["content"])) for each in body["input"]]

    def limit(self, body: dict[str, Any]) -> int | None:
        found: int | None = body.get("max_output_tokens")
        return found


class Anthropic(Dialect):
    refusals: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {
        fault: (status, {"type": "error", "error": {"type": kind, "message": said}})
        for fault, status, kind, said in (
            ("authentication", 401, "authentication_error", f"invalid x-api-key {KEY}"),
            ("permission", 403, "permission_error", "your key may not use this model"),
            ("rate_limit", 429, "rate_limit_error", "too many tokens a minute"),
            ("quota", 400, "invalid_request_error", "Your credit balance is too low to access the API"),
            ("context", 400, "invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"),
            ("bad_request", 400, "invalid_request_error", f"messages: bad, with {KEY}"),
            ("no_model", 404, "not_found_error", "model: m-1"),
            ("down", 529, "overloaded_error", "Overloaded"),
        )
    }

    def begin(self) -> Iterator[str]:
        message = {"id": "m", "type": "message", "role": "assistant", "model": "m-1", "content": []}
        counted = {"input_tokens": 4, "output_tokens": 1, "cache_read_input_tokens": 3}
        ends = {"stop_reason": None, "stop_sequence": None}
        yield _sse({"type": "message_start", "message": message | ends | {"usage": counted}})
        yield _sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})

    def piece(self, text: str) -> str:
        return _sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})

    def end(self, finish: str) -> Iterator[str]:
        reason = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal"}[finish]
        counted = {"input_tokens": 4, "output_tokens": 5, "cache_read_input_tokens": 3}
        yield _sse({"type": "content_block_stop", "index": 0})
        ends = {"stop_reason": reason, "stop_sequence": None}
        yield _sse({"type": "message_delta", "delta": ends, "usage": counted})
        yield _sse({"type": "message_stop"})

    def broken(self) -> str:
        return _sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})

    def heard(self, body: dict[str, Any]) -> Heard:
        told = [("system", _joined(body["system"]))] if body.get("system") else []
        return told + [(each["role"], _joined(each["content"])) for each in body["messages"]]

    def listing(self) -> dict[str, Any]:
        rows = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in LISTED
        ]
        return {"data": rows, "has_more": False, "first_id": LISTED[0], "last_id": LISTED[-1]}


def _joined(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block["text"] for block in content)
