"""What ``assistant models list`` and ``test`` print for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from assistant.cli.common import console

if TYPE_CHECKING:
    from assistant.model_health import Answer, Health

STYLES = {"ok": "green", "wrong": "bold red", "unclear": "yellow"}
INDENT = "    "
ANSWER_CHARACTERS = 160


def print_health(found: Sequence[Health]) -> None:
    """A block for each model: first those that are asked first, last those that play no role."""
    from rich.markup import escape

    out = console()
    for each in sorted(found, key=_place):
        plays = "; ".join(each.roles) or "no role"
        out.print(f"[bold]{escape(each.name)}[/]  [{STYLES[each.state]}]{each.state}[/]  [dim]{escape(plays)}[/]")
        _lines(_joined(each.connector, each.model, each.address))
        _lines(each.says)
        if figures := _joined(_window(each), _price(each)):
            _lines(figures)


def print_answer(found: Answer) -> None:
    """What came, how fast, and at what price; or what is wrong."""
    from rich.markup import escape

    out = console()
    state = "wrong" if found.error else "ok"
    out.print(f"[bold]{escape(found.name)}[/]  [{STYLES[state]}]{state}[/]  [dim]{escape(found.model or '')}[/]")
    if found.error:
        _lines(found.error)
        return
    _lines(f"“{textwrap.shorten(found.text, ANSWER_CHARACTERS, placeholder='…')}”")
    _lines(_joined(*_times(found)))
    if found.usage:
        counted = "about " if found.usage.estimated else ""
        tokens = f"{counted}{found.usage.input_tokens:,} tokens read, {found.usage.output_tokens:,} written"
        cost = f"{found.cost.amount:.6f} {found.cost.currency}" if found.cost else None
        _lines(_joined(tokens, cost))


def _times(found: Answer) -> Iterator[str]:
    if found.first_token is not None:
        yield f"first token after {found.first_token:.2f} s"
    if found.total is not None:
        yield f"all after {found.total:.2f} s"
    if found.tokens_per_second is not None:
        yield f"{found.tokens_per_second:,.0f} tokens/s"


def _place(each: Health) -> tuple[bool, bool]:
    return not each.roles, all("fallback" in role for role in each.roles)


def _window(each: Health) -> str | None:
    return f"window {each.context_window:,} tokens" if each.context_window else None


def _price(each: Health) -> str | None:
    price = each.price
    if price is None:
        return None
    cached = f", {price['cached_input']:g} read again" if price["cached_input"] is not None else ""
    since = f" (list price of {each.price_date})" if each.price_date else ""
    amounts = f"{price['input']:g} read{cached}, {price['output']:g} written"
    return f"{price['currency']} for a million tokens: {amounts}{since}"


def _joined(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part)


def _lines(text: str) -> None:
    """A paragraph below the name, as wide as the terminal."""
    out = console()
    wrapped = textwrap.wrap(text, max(out.width, 40), initial_indent=INDENT, subsequent_indent=INDENT,
                            break_long_words=False, break_on_hyphens=False)  # fmt: skip
    for line in wrapped:
        out.print(line, markup=False, soft_wrap=True)
