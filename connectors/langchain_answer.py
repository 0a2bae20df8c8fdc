"""What the chunks of one LangChain stream add up to: text, tokens, and why it ended, under every provider's names."""

from __future__ import annotations

from typing import Any, Literal

from connectors import errors
from connectors.base import Delta, Usage
from connectors.reasoning import Thoughts

Finish = Literal["stop", "length", "filter"]
_REASONS = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_LENGTH = {"length", "max_tokens", "model_length", "max_output_tokens", "model_context_window_exceeded"}
_FILTER = (
    "content_filter content_filtered refusal safety recitation blocklist prohibited_content spii guardrail_intervened "
    "error_toxic language"
).split()


class Answer:
    """What the chunks of one stream add up to; every chunk counts only its own tokens."""

    def __init__(self, *, must_end: bool) -> None:
        self._must_end = must_end
        self._thoughts = Thoughts()
        self._wordless = True
        self._usage: Usage | None = None
        self._model: str | None = None
        self._finish: Finish | None = None

    def take(self, chunk: Any) -> str:
        """The text of a chunk; thoughts, tool calls and citations have blocks of their own, which are left out."""
        facts = chunk.response_metadata or {}
        if counted := chunk.usage_metadata:
            cached = (counted.get("input_token_details") or {}).get("cache_read") or 0
            before = self._usage or Usage(0, 0)
            self._usage = Usage(
                before.input_tokens + counted["input_tokens"],
                before.output_tokens + counted["output_tokens"],
                before.cached_tokens + cached,
            )
        self._model = facts.get("model_name") or facts.get("model") or self._model
        self._finish = _finish(facts) or self._finish
        shown = self._thoughts.feed(str(chunk.text))
        self._wordless = self._wordless and not shown
        return shown

    def last(self, name: str) -> Delta:
        """The closing facts. Raises ConnectorError for an answer that was cut off, or has no word in it."""
        if self._finish is None and self._must_end:
            raise errors.ProtocolError(f"{name}: the stream ended before the answer did. Ask again")
        text = self._thoughts.rest()
        if self._wordless and not text.strip():
            raise self._empty(name)
        return Delta(text=text, usage=self._usage, model=self._model, finish=self._finish or "stop")

    def _empty(self, name: str) -> errors.ConnectorError:
        if self._finish == "filter":
            return errors.ContentFiltered(
                f"{name}: the provider's content filter stopped this turn. Put the question in other words"
            )
        if self._finish == "length":
            return errors.EmptyAnswer(
                f"{name} used up its tokens before the first word, perhaps by thinking. Raise models.{name}.max_tokens"
            )
        return errors.EmptyAnswer(f"{name} answered without a word. Try again, or put it in other words")


def _finish(facts: dict[str, Any]) -> Finish | None:
    """By the providers' names; of OpenAI's Responses, ``status`` and ``incomplete_details`` say it."""
    said = next((facts[name] for name in _REASONS if facts.get(name)), None)
    said = said or (facts.get("incomplete_details") or {}).get("reason")
    said = said or ("stop" if facts.get("status") == "completed" else None)
    if said is None:
        return None
    word = str(said).rpartition(".")[2].lower()
    return "length" if word in _LENGTH else "filter" if word in _FILTER else "stop"
