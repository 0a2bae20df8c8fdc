"""OpenAI's Responses on the wire: a request as its body, its events as deltas."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from connectors.base import ChatMessage, Delta
from connectors.openai_chat import DECLINED, Answer, Interface, messages, rendered, used
from connectors.openai_errors import Refusal

# The names in the SDK's list of models (openai 3.52, types/shared/all_models.py) that are not among its chat models,
# and those that OpenAI's model pages give to Responses alone. Of any other the server itself says it, with a 404.
_ONLY_HERE = re.compile(r"-pro\b|codex|deep-research|computer-use|-cyber\b|-daybreak-|rosalind")


def needed_by(model: str) -> bool:
    """Whether a model of OpenAI's is known to be had through this interface alone; a fine-tuned one never is."""
    return not model.startswith("ft:") and _ONLY_HERE.search(model) is not None


def _body(model: str, found: tuple[ChatMessage, ...]) -> dict[str, Any]:
    """The leading system messages are the instructions; nothing of a request is kept by the provider."""
    talk = list(found)
    system = []
    while talk and talk[0].role == "system":
        system.append(rendered(talk.pop(0)))
    told = {"instructions": "\n\n".join(system)} if system else {}
    return {"model": model, **told, "input": messages(tuple(talk)), "stream": True, "store": False}


async def _deltas(events: AsyncIterator[Any], answer: Answer) -> AsyncGenerator[Delta]:
    """Reasoning and tool calls are left out; pieces of different parts are set apart."""
    place: tuple[Any, Any] | None = None
    async for event in events:
        kind = event["type"]
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            here = (event.get("output_index"), event.get("content_index"))
            gap = "" if place in (None, here) else "\n\n"
            place = here
            if kind == "response.refusal.delta":
                answer.note = DECLINED
            delta = answer.said(gap + event["delta"])
            if delta is not None:
                yield delta
        elif kind == "error":
            raise answer.explainer.refused(Refusal.inside(event.get("error") or event))
        elif response := event.get("response"):
            _note(response, answer)
    yield answer.closing()


def _note(response: Any, answer: Answer) -> None:
    answer.model = response.get("model") or answer.model
    if counted := response.get("usage"):
        answer.usage = used(counted, "input_tokens", "output_tokens")
    status = response.get("status")
    if status in ("failed", "cancelled"):
        raise answer.explainer.refused(Refusal.inside(response.get("error") or {"message": f"it was {status}"}))
    if status == "incomplete":
        reason = (response.get("incomplete_details") or {}).get("reason")
        answer.finish = "filter" if reason == "content_filter" else "length"
    elif status == "completed":
        answer.finish = "stop"


RESPONSES = Interface("/responses", _body, _deltas)
