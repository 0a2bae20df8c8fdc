"""What produced an answer, in words: the model, those that failed before it, time, tokens and cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Wire = Mapping[str, Any]
WHY = {
    "model_authentication": "does not accept its key",
    "model_configuration": "is not set up rightly",
    "model_context_length": "cannot hold this conversation",
    "model_empty": "said nothing",
    "model_permission": "may not be used with its key",
    "model_quota": "has no credit left",
    "model_rate_limit": "is asked too much just now",
    "model_resting": "has been failing",
    "model_timeout": "took too long",
    "model_unavailable": "cannot be reached",
}
SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}


def fell_back(ended: Wire) -> str:
    """Which model answered, and why those before it did not. The reason is in general words: a provider's own are for
    whoever runs this, and stand in the log."""
    failed = ", ".join(f"{fault['model']} {WHY.get(fault['code'], 'failed')}" for fault in ended["faults"])
    return f"Answered by {ended['backend']}: {failed}."


def answered(ended: Wire) -> list[tuple[str, str]]:
    """Rows for the route card of a finished turn, also of one recorded before there were all of these facts."""
    timings, model, backend = ended["timings"], ended["model"], ended.get("backend", "")
    named = f"{backend}: {model}" if backend and backend != model else model
    rows = [("Answered by", f"{named}, prompt {ended['prompt_version']}")]
    if ended.get("faults"):
        rows.append(("Instead of", ", ".join(fault["model"] for fault in ended["faults"])))
    first = timings.get("first_token", timings["finished"])
    rows.append(("Time", f"first word after {first:.2f} s, done after {timings['finished']:.2f} s"))
    usage = ended.get("usage") or {}
    if usage.get("output_tokens"):
        about = "about " if usage.get("estimated") else ""
        rows.append(("Tokens", f"{about}{usage['input_tokens']:,} read, {usage['output_tokens']:,} written"))
    if ended.get("cost"):
        rows.append(("Cost", price(ended["cost"]["amount"], ended["cost"]["currency"])))
    return rows


def price(amount: float, currency: str) -> str:
    """An amount of money, exact enough to tell cheap turns apart."""
    digits = 2 if amount >= 1 else 4 if amount >= 0.001 else 6
    sign = SIGNS.get(currency)
    return f"{sign}{amount:.{digits}f}" if sign else f"{amount:.{digits}f} {currency}"
