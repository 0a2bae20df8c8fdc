"""What produced an answer, in words: the model, those that failed before it, time, tokens and cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ui.words import Words

Wire = Mapping[str, Any]


def fell_back(ended: Wire, words: Words) -> str:
    """Which model answered, and why those before it did not. The reason is in general words: a provider's own are for
    whoever runs this, and stand in the log."""
    failed = ", ".join(f"{fault['model']} {_why(fault['code'], words)}" for fault in ended["faults"])
    return words("route.fell_back", backend=ended["backend"], failed=failed)


def answered(ended: Wire, words: Words) -> Iterator[tuple[str, str]]:
    """Rows for the route card of a finished turn, also of one recorded before there were all of these facts: the key of
    its name, and its text."""
    timings, model, backend = ended["timings"], ended["model"], ended.get("backend", "")
    yield "route.answered_by", f"{backend}: {model}" if backend and backend != model else model
    if ended.get("faults"):
        yield "route.instead_of", ", ".join(fault["model"] for fault in ended["faults"])
    first, finished = timings.get("first_token", timings["finished"]), timings["finished"]
    yield (
        "route.time",
        words("route.time_is", first=words.number(first, 2), finished=words.number(finished, 2)),
    )
    usage = ended.get("usage") or {}
    if usage.get("output_tokens"):
        key = "route.tokens_about" if usage.get("estimated") else "route.tokens_are"
        read, written = (words.number(usage[name]) for name in ("input_tokens", "output_tokens"))
        yield "route.tokens", words(key, read=read, written=written)
    if ended.get("cost"):
        yield "route.cost", words.price(ended["cost"]["amount"], ended["cost"]["currency"])
    yield "route.prompt", ended["prompt_version"]


def _why(code: str, words: Words) -> str:
    known = f"fault.{code}"
    return words[known] if known in words else words["fault.any"]
