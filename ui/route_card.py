"""The line above an answer that says which way the turn went and why, and that opens to the particulars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from ui.answered import answered
from ui.rendering import in_line
from ui.words import Words

Wire = Mapping[str, Any]
QUOTED_REASONS = 2


def route_card(
    routed: Wire,
    retrieved: Wire | None,
    ended: Wire | None,
    words: Words,
    collections: Mapping[str, str],
    corrected: str = "",
    more: str = "",
) -> str:
    """``corrected`` is what was done because a person asked for it, ``more`` is HTML for the card's end."""
    why = words("route.corrected_to", done=corrected) if corrected else words.joined(routed["reasons"][:QUOTED_REASONS])
    rows = [*_decided(routed, words, corrected), *_looked_up(routed, retrieved, words, collections)]
    if ended and ended["type"] == "finished":
        rows += [(key, in_line(text)) for key, text in answered(ended, words)]
    rows.append(("route.router", in_line(routed.get("router_version") or "")))
    table = "".join(f"<dt>{escape(words[key])}</dt><dd>{html}</dd>" for key, html in rows if html)
    kind = f"route route-{routed['route']}{' corrected' if corrected else ''}"
    return (
        f'<details class="{kind}"><summary><b>{escape(words["route." + routed["route"]])}</b>'
        f'<span dir="auto">{in_line(why)}</span></summary><dl>{table}</dl>{more}</details>'
    )


def bar(share: float, tick: float | None = None) -> str:
    """A share of one as a small bar, with a tick where something begins. It shows what a text beside it says."""
    at = f'<span class="bar-tick" style="left:{_percent(tick)}%"></span>' if tick is not None else ""
    return f'<span class="bar"><span class="bar-fill" style="width:{_percent(share)}%"></span>{at}</span>'


def _percent(share: float) -> int:
    return round(100 * min(max(share, 0.0), 1.0))


def _decided(routed: Wire, words: Words, corrected: str) -> Iterator[tuple[str, str]]:
    if corrected:
        yield "route.corrected", in_line(corrected)
    yield "route.why", in_line(words.joined(routed["reasons"]))
    scores, threshold = routed["scores"], routed["threshold"]
    says = words(
        "route.information_is", score=words.number(scores["information"], 2), threshold=words.number(threshold, 2)
    )
    yield "route.information", bar(scores["information"], threshold) + escape(says)
    yield "route.voice_score", bar(scores["voice"]) + escape(words.number(scores["voice"], 2))


def _looked_up(
    routed: Wire, retrieved: Wire | None, words: Words, collections: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    yield "route.query", f'<span dir="auto">{in_line(routed["query"])}</span>' if routed["query"] else ""
    if retrieved:
        yield (
            "route.searched",
            in_line(", ".join(collections.get(name) or words.say(name) for name in retrieved["searched"])),
        )
