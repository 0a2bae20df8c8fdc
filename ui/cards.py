"""The passages that an answer rests on, as cards below it: what each is, how near it comes, and its text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from assistant.knowledge.supporting import Highlight
from ui.highlighting import highlighted_html
from ui.rendering import in_line
from ui.route_card import bar
from ui.words import Words

Wire = Mapping[str, Any]
Support = Callable[[Wire], Iterable[Highlight]]
"""What of a passage's text supports the answer."""
CLOSE, NEAR = 0.55, 0.35
"""Cosine from which a passage is called a close match, as the router does, and related."""


def nothing(_: Wire) -> tuple[Highlight, ...]:
    """Nothing is highlighted."""
    return ()


def sources(
    passages: Sequence[Wire],
    turn: str,
    cited: set[int] | None,
    words: Words,
    support: Support = nothing,
    lost: bool = False,
) -> str:
    """The passages as cards that open to the quoted text: those the answer cites, and the rest behind a fold; all of
    them until it is known what it cites. ``lost`` says that none answers: then they are the nearest that there is."""
    if not passages:
        return ""
    first = [each for each in passages if cited and each["number"] in cited]
    rest = [each for each in passages if each not in first]
    cards = "".join(source(each, turn, words, support) for each in first)
    more = "".join(source(each, turn, words) for each in rest)
    if more:
        label = words("sources.more" if first else "sources.passages", count=len(rest))
        cards += f'<details class="more"><summary>{escape(label)}</summary>{more}</details>'
    title, kind = ("sources.nearest", " nearest") if lost else ("sources.sources", "")
    return f'<div class="sources{kind}"><p class="sources-title">{escape(words[title])}</p>{cards}</div>'


def source(found: Wire, turn: str, words: Words, support: Support = nothing) -> str:
    """One passage as a card: number, title, section, page or line, as-of date, how near it comes; opened, its text,
    code as it stands. Beside it the way to the passage in its document, which the page's script makes a button."""
    number = found["number"]
    facts = "".join(f'<span dir="auto">{in_line(fact)}</span>' for fact in _facts(found, words))
    newer, same = found.get("newer"), found.get("duplicates") or ()
    older = f'<span class="older">{escape(words("sources.older", newer=newer))}</span>' if newer else ""
    listed = ", ".join(same)
    also = f'<p class="also" dir="auto">{in_line(words("sources.same", documents=listed))}</p>' if same else ""
    line = found.get("line")
    quote = highlighted_html(found["text"], support(found), code=bool(line), line=line)
    which = escape(words("sources.open_which", number=number))
    return (
        f'<div class="card"><details class="src src-{turn}-{number}"><summary><b>{number}</b>'
        f'<em dir="auto">{in_line(found["title"])}</em>{facts}{relevance(found, words)}{older}</summary>'
        f'<div class="quote" dir="auto" tabindex="0">{quote}</div>{also}</details>'
        f'<span class="open-source turn-{turn} n-{number}">{escape(words["sources.open"])}'
        f'<span class="unseen"> {which}</span></span></div>'
    )


def relevance(found: Wire, words: Words) -> str:
    """How near a passage comes to the question, as a small bar and in words; nothing where it was not measured."""
    similarity = found.get("similarity")
    if not similarity:
        return ""
    name = "close" if similarity >= CLOSE else "near" if similarity >= NEAR else "far"
    return f'<span class="relevance">{bar(similarity)}{escape(words["sources." + name])}</span>'


def _facts(found: Wire, words: Words) -> Iterator[str]:
    if section := " › ".join(found["section"]):
        yield section
    if found["page"]:
        yield words("sources.page", page=found["page"])
    elif found.get("line"):
        yield words("sources.line", line=found["line"])
    if found["date"]:
        yield words.date(found["date"])
