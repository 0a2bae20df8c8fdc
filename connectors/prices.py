"""What models cost and how much they read, as far as it is known without asking: ``known_models.json``, with its date
and its source. What the configuration says goes before it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from connectors.base import Cost, Usage
from connectors.tokens import family

_MILLION = 1_000_000
_SNAPSHOT = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$")
_LOCAL = frozenset(
    "builtin scripted ollama vllm llamacpp lmstudio tgi transformers-serve transformers llama-cpp".split()
)
"""Connectors to models on a machine of one's own: a name like one of a provider's means nothing there."""
_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "gemini",
    "google_genai": "gemini",
    "google_vertexai": "gemini",
    "gemini": "gemini",
    "mistral": "mistral",
    "mistralai": "mistral",
}
"""How a provider is written before a model's name, by LangChain and others, and its name in the file."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost: read, written, and read again from the provider's cache (by default as read).

    Raises ValueError where one is negative or no number; ``currency`` is an ISO 4217 code.
    """

    input: float
    output: float
    cached_input: float | None = None
    currency: str = "USD"

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached_input"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"price.{name} is {value}: give the price of a million tokens, 0 or more")

    def cost(self, usage: Usage) -> Cost:
        """The cost of an answer. Tokens from the cache are part of the input tokens."""
        cached = min(max(usage.cached_tokens, 0), usage.input_tokens)
        again = self.input if self.cached_input is None else self.cached_input
        amount = (usage.input_tokens - cached) * self.input + cached * again + usage.output_tokens * self.output
        return Cost(amount / _MILLION, self.currency)


@dataclass(frozen=True, slots=True)
class Known:
    """What is shipped about a model. ``context_window`` is what it reads at most, in tokens; ``price`` is the
    provider's list price, None where others set it; ``date`` is the day on which ``source`` was read."""

    model: str
    context_window: int
    price: Price | None
    family: str
    date: str
    source: str


def known(model: str | None, connector: str = "openai") -> Known | None:
    """What is shipped about ``model``, whose name may carry a provider (``anthropic:claude-sonnet-4-5``), the date of
    a snapshot (``gpt-4.1-mini-2025-04-14``) or a fine-tuning (``ft:gpt-4.1-mini:acme::x``).

    A fine-tuned model has the price of fine-tuned ones or none; a model at another provider than its maker has none.
    """
    name, price = (model or "").strip(), True
    if not name or connector in _LOCAL:
        return None
    if name.startswith("ft:"):
        return _fine_tuned(name)
    provider, _, rest = name.partition(":") if ":" in name else name.partition("/")
    if rest:
        listed = _PROVIDERS.get(provider)
        found = _found(rest, listed) or (None if listed else _found(rest.rpartition("/")[2]))
        name, price = rest, listed is not None
    else:
        found = _found(name)
    return found and _known(model or "", *found, priced=price)


def _fine_tuned(name: str) -> Known | None:
    base = name.split(":")[1]
    tuned = _found(f"ft:{base}", "openai")
    found = tuned or _found(base, "openai")
    return found and _known(name, *found, priced=tuned is not None)


def _found(name: str, provider: str | None = None) -> tuple[Mapping[str, Any], str] | None:
    """A model's row and the page that it is from: by its own name, else by the name without its snapshot's date."""
    for key in (name, _SNAPSHOT.sub("", name)):
        for listed, entry in _file()["providers"].items():
            if provider in (None, listed) and key in entry["models"]:
                return entry["models"][key], entry["page"]
    return None


def _known(model: str, row: Mapping[str, Any], page: str, *, priced: bool) -> Known:
    shipped = _file()
    price = Price(row["input"], row["output"], row.get("cached_input")) if priced else None
    source = f"{page}, by {shipped['source']}"
    return Known(model, row["context_window"], price, family(model).name, shipped["date"], source)


@lru_cache(maxsize=1)
def _file() -> Any:
    return json.loads(Path(__file__).with_name("known_models.json").read_text(encoding="utf-8"))
