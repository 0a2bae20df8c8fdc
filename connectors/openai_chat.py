"""OpenAI's Chat Completions on the wire: a request as its body, its events as deltas."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

from connectors import errors
from connectors.base import ChatMessage, Delta, DocumentPart, Usage
from connectors.openai_errors import Explainer, Refusal
from connectors.reasoning import Thoughts

Finish = Literal["stop", "length", "filter"]
DECLINED = "The model declined to answer this."
_FINISH: dict[str, Finish] = {"length": "length", "content_filter": "filter"}


@dataclass(slots=True)
class Answer:
    """What is known of an answer so far; ``closing`` is what ends its stream."""

    explainer: Explainer
    thoughts: Thoughts = field(default_factory=Thoughts)
    model: str | None = None
    usage: Usage | None = None
    finish: Finish | None = None
    note: str | None = None
    wordless: bool = True

    def said(self, text: str) -> Delta | None:
        """A piece of the answer as far as it is meant for the reader."""
        shown = self.thoughts.feed(text)
        if not shown:
            return None
        self.wordless = False
        return Delta(shown, model=self.model)

    def closing(self) -> Delta:
        """The last delta. Raises ConnectorError for an answer that never ended, or that ended without a word."""
        name, setting = self.explainer.name, self.explainer.setting
        if self.finish is None:
            raise errors.ProtocolError(
                f"{name}: the stream ended before the answer did. Try again; if it stays so, see the server's log, and "
                f"whether {setting}.base_url is the address of an OpenAI-compatible interface"
            )
        text = self.thoughts.rest()
        if self.wordless and not text.strip():
            if self.finish == "filter":
                raise self.explainer.refused(Refusal(None, frozenset({"content_filter"}), ""))
            if self.finish == "length":
                raise errors.EmptyAnswer(
                    f"{name} used up its tokens before the first word, perhaps by thinking. Raise {setting}.max_tokens"
                )
            raise errors.EmptyAnswer(f"{name} answered without a word. Try again, or put it in other words")
        return Delta(text, usage=self.usage, model=self.model, finish=self.finish, note=self.note)


@dataclass(frozen=True, slots=True)
class Interface:
    """One of OpenAI's two: its path, the body of a request for a model and its messages, and how events become deltas,
    each piece of text as it comes, usage and finish once, at the end."""

    path: str
    body: Callable[[str, tuple[ChatMessage, ...]], dict[str, Any]]
    deltas: Callable[[AsyncIterator[Any], Answer], AsyncGenerator[Delta]]


def messages(found: tuple[ChatMessage, ...]) -> list[dict[str, str]]:
    """Messages as both interfaces take them."""
    return [{"role": message.role, "content": rendered(message)} for message in found]


def rendered(message: ChatMessage) -> str:
    """Text and documents in their order."""
    pieces = [render_document(part) if isinstance(part, DocumentPart) else part.text for part in message.parts]
    return "\n\n".join(pieces)


def render_document(part: DocumentPart) -> str:
    """A passage fenced as XML; its text is escaped, so that it can never close the fence."""
    facts = {"number": str(part.number), "title": part.title, "section": part.section}
    facts |= {"date": part.date or "", "page": part.page or "", "note": part.note or ""}
    attributes = " ".join(f"{key}={quoteattr(value)}" for key, value in facts.items() if value)
    return f"<document {attributes}>\n{escape(part.text)}\n</document>"


def _body(model: str, found: tuple[ChatMessage, ...]) -> dict[str, Any]:
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    return {"model": model, "messages": messages(found), **streamed}


async def _deltas(events: AsyncIterator[Any], answer: Answer) -> AsyncGenerator[Delta]:
    """Servers send usage and finish in whichever event they like, some in each."""
    async for event in events:
        answer.model = event.get("model") or answer.model
        if counted := event.get("usage"):
            answer.usage = used(counted, "prompt_tokens", "completion_tokens")
        for choice in (event.get("choices") or ())[:1]:
            said = choice.get("delta") or {}
            if said.get("refusal"):
                answer.note = DECLINED
            delta = answer.said(_text(said.get("content")) or said.get("refusal") or "")
            if delta is not None:
                yield delta
            if reason := choice.get("finish_reason"):
                answer.finish = _FINISH.get(reason, "stop")
    yield answer.closing()


def _text(content: Any) -> str:
    """Most servers send a string; Mistral's send parts, of which some are thoughts."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""


def used(counted: Any, read: str, written: str) -> Usage:
    """The tokens that a server counted, under the names that its interface has for them."""
    details = counted.get(f"{read}_details") or {}
    return Usage(counted.get(read) or 0, counted.get(written) or 0, details.get("cached_tokens") or 0)


CHAT = Interface("/chat/completions", _body, _deltas)
