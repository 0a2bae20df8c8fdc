"""Answers as OpenAI words them: one completion, or the chunks of a stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from assistant.conversation.events import Checked, Event, Finished, Retrieved, Routed
from assistant.conversation.lexing import Lexer
from assistant.conversation.wire import encode

DONE = b"data: [DONE]\n\n"
_PIECE = 1_000
"""Characters that the lexer reads at once: it copies what it has not read yet."""
_TEXT = "\x00"


@dataclass(slots=True)
class Heard:
    """What is known of a turn so far; it takes every event but the text."""

    routed: Routed | None = None
    retrieved: Retrieved | None = None
    checked: Checked | None = None

    def take(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case Routed():
                self.routed = event
            case Retrieved():
                self.retrieved = event
            case Checked():
                self.checked = event

    def begun(self) -> dict[str, Any]:
        """The extension of a stream's first chunk: where the answer belongs and which way it goes."""
        assert self.routed is not None
        told = encode(self.routed)
        named = ("conversation", "turn", "route", "requested", "scores", "reasons", "query")
        return {name: told[name] for name in named}

    def ended(self, finished: Finished) -> dict[str, Any]:
        """The extension of a whole answer: the same, what it rests on, how it was checked and what it cost."""
        told = encode(finished)
        checked = encode(self.checked) if self.checked else {}
        cited = set(checked.get("cited", ()))
        found = encode(self.retrieved) if self.retrieved else {}
        sources = [each | {"cited": each["number"] in cited} for each in found.get("passages", ())]
        return {
            **self.begun(),
            "evidence": found.get("evidence"),
            "evidence_score": found.get("evidence_score"),
            "why": found.get("why", []),
            "searched": found.get("searched", []),
            "sources": sources,
            **{name: checked.get(name, []) for name in ("marks", "invented", "lost", "added")},
            "estimated": bool(finished.usage.get("estimated")),
            **{name: told[name] for name in ("model", "backend", "faults", "note", "cost", "timings")},
        }

    def annotations(self, answer: str) -> list[dict[str, Any]]:
        """OpenAI's ``url_citation`` of every marker in the answer that cites a page of the web."""
        passages = self.retrieved.passages if self.retrieved else ()
        pages = {
            each.number: each.chunk for each in passages if each.chunk.document.startswith(("https://", "http://"))
        }
        found: list[dict[str, Any]] = []
        if not pages:
            return found
        lexer, start = Lexer(pages.__contains__), 0
        pieces = [answer[at : at + _PIECE] for at in range(0, len(answer), _PIECE)]
        for token in (token for piece in (*pieces, "") for token in lexer.feed(piece, final=not piece)):
            end = start + len(token.raw)
            for number in token.numbers:
                if isinstance(number, int) and number in pages:
                    page = pages[number]
                    place = {"start_index": start, "end_index": end, "title": page.title, "url": page.document}
                    found.append({"type": "url_citation", "url_citation": place})
            start = end
        return found


def usage(finished: Finished) -> dict[str, Any]:
    """The tokens; ``estimated`` in the extension says that the provider did not count them."""
    read, written = finished.usage.get("input_tokens", 0), finished.usage.get("output_tokens", 0)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": finished.usage.get("cached_tokens", 0)},
    }


def finish(finished: Finished) -> str:
    """OpenAI's finish_reason."""
    return "length" if finished.cut else "stop"


def completion(identity: str, created: int, model: str, heard: Heard, finished: Finished) -> bytes:
    """A whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": finished.answer, "refusal": None}
    message["annotations"] = heard.annotations(finished.answer)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(finished)}
    return json.dumps(
        {
            "id": identity,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [choice],
            "usage": usage(finished),
            "switchyard": heard.ended(finished),
        }
    ).encode("ascii")


@dataclass(slots=True)
class Chunks:
    """The chunks of one answer as frames of an event stream. All but the text of a chunk is made once: of each token
    only its text is encoded."""

    identity: str
    created: int
    model: str
    with_usage: bool = False
    _before: str = field(init=False)
    _after: str = field(init=False)

    def __post_init__(self) -> None:
        self._before, self._after = self._chunk(self._choices({"content": _TEXT})).split(quoted(_TEXT))

    def first(self, heard: Heard) -> bytes:
        """The chunk before the text."""
        delta = {"role": "assistant", "content": "", "refusal": None}
        return self._chunk(self._choices(delta), switchyard=heard.begun()).encode("ascii")

    def text(self, piece: str) -> bytes:
        """The next piece of the answer."""
        return (self._before + quoted(piece) + self._after).encode("ascii")

    def last(self, heard: Heard, finished: Finished) -> bytes:
        """What ends the stream: why it ended with our extension, the usage if it is wanted, and OpenAI's last word."""
        annotations = heard.annotations(finished.answer)
        delta = {"annotations": annotations} if annotations else {}
        ended = self._chunk(self._choices(delta, finish(finished)), switchyard=heard.ended(finished))
        counted = self._chunk([], usage=usage(finished)) if self.with_usage else ""
        return (ended + counted).encode("ascii") + DONE

    def _choices(self, delta: Mapping[str, Any], reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> str:
        head = {"id": self.identity, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        counted = {"usage": None} if self.with_usage else {}
        return f"data: {json.dumps({**head, 'choices': choices, **counted, **more}, separators=(',', ':'))}\n\n"


def broken(body: Mapping[str, Any]) -> bytes:
    """A failure in the middle of a stream, which then ends without the last word."""
    return f"data: {json.dumps(body)}\n\n".encode("ascii")
