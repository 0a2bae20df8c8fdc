"""What a turn took, as far as that is known: for budgets, not for bills."""

from __future__ import annotations

from typing import Any

from assistant.access.limits import Spent
from assistant.conversation.record import Record
from assistant.conversation.turn import Turn

CHARACTERS = 4
"""Of a token, where nobody has counted: about what OpenAI's tokenizers make of English."""
_INSTRUCTIONS = 500
"""Tokens of our own instructions, which are part of every request."""


class Spending:
    """Models say what they took at the end of an answer. One that was stopped or that broke off is booked by the length
    of what was read and written, at the price of the last answer of its surface."""

    def __init__(self) -> None:
        self._last: dict[str, Spent] = {}

    def of(self, turn: Turn, record: Record) -> Spent:
        """What a turn took that has ended, however it did."""
        if record.status != "finished":
            return self._estimated(turn, record)
        ended = record.columns["ended"]
        usage, cost = ended["usage"], ended["cost"]
        tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        amount, currency = (cost["amount"], cost["currency"]) if cost else (None, "")
        self._last[turn.surface] = spent = Spent(tokens, amount, currency, ended["backend"])
        return spent

    def _estimated(self, turn: Turn, record: Record) -> Spent:
        """Nothing, where no model was asked, where it failed before its first word, and where answers are for free."""
        last = self._last.get(turn.surface)
        written = sum(map(len, record.text))
        failed = record.status == "failed" and not written
        if failed or "routed" not in record.columns or (last is not None and not last.tokens):
            return Spent()
        tokens = (_read(turn, record.columns) + written) // CHARACTERS + _INSTRUCTIONS
        if last is None or last.cost is None:
            return Spent(tokens, model=last.model if last else "")
        return Spent(tokens, last.cost * tokens / last.tokens, last.currency, last.model)


def _read(turn: Turn, columns: dict[str, Any]) -> int:
    """Characters that a model reads for a turn."""
    passages = columns.get("retrieved", {}).get("passages", ())
    return (
        len(turn.text) + sum(len(each.content) for each in turn.history) + sum(len(each["text"]) for each in passages)
    )
