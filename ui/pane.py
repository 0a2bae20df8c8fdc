"""The sources pane: the exact passage with what supports the answer marked, and the ways on from it. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from assistant.knowledge.reading_room import Around
from assistant.knowledge.supporting import Resting, resting, supporting
from ui.cards import relevance
from ui.highlighting import highlighted_html, in_line, sendable
from ui.words import Words

Wire = Mapping[str, Any]
DEEPER = 2
"""Levels by which the headings of a passage stand below those of the page."""
UNASKED = Around("same", more_before=True, more_after=True)
"""What is known of what stands around a passage before anybody has asked."""
LONGEST = 160
"""Characters of a sentence of the answer that are shown."""


def passage_view(turn: Wire, number: int, words: Words, around: Around | None = None) -> str:
    """One passage of a recorded turn: what it is, its text as the answer had it, and the sentences that rest on it;
    with ``around``, what stands before and after it now."""
    found = passage_of(turn, number)
    return sendable(
        '<section class="pane pane-passage" aria-labelledby="pane-title">'
        f"{head(turn, found, words, facts(found, words))}"
        f'<div class="pane-main">{_text(turn, found, words, around or UNASKED)}'
        f"{_resting(turn, found, words)}</div>"
        f'<div class="pane-foot">{button("document", turn, number, words["pane.open"])}'
        f"{button('back', turn, number, words['pane.back'], nth=first_link(turn, number))}</div></section>"
    )


def passage_of(turn: Wire, number: int) -> Wire:
    """A passage of a recorded turn. Raises KeyError where it has none of this number."""
    passages = (turn["retrieved"] or {}).get("passages", ())
    found: Wire | None = next((each for each in passages if each["number"] == number), None)
    if found is None:
        raise KeyError(f"the turn has no passage {number}")
    return found


def head(turn: Wire, found: Wire, words: Words, below: str, title: str = "") -> str:
    """The head of the pane: which passage, the title of its document, and facts below it."""
    number = found["number"]
    which = words("pane.passage", number=number, of=len(turn["retrieved"]["passages"]))
    close = escape(words["pane.close"])
    return (
        f'<div class="pane-head"><p class="pane-which">{escape(which)}</p>'
        f'<button type="button" class="pane-close" data-do="close" aria-label="{close}" title="{close}"></button>'
        f'<h2 id="pane-title" tabindex="-1" dir="auto">{in_line(title or found["title"])}</h2>{below}</div>'
    )


def facts(found: Wire, words: Words) -> str:
    """Where the passage stands, of when it is, how near it comes, and whether a newer one differs."""
    spans = "".join(f'<span dir="auto">{in_line(fact)}</span>' for fact in _places(found, words))
    near = relevance(found, words)
    share = round(100 * min(max(found.get("similarity") or 0.0, 0.0), 1.0))
    near = (
        f'<p class="pane-near">{near} <span>{escape(words("pane.relevance", number=share))}</span></p>' if near else ""
    )
    return f'<p class="pane-facts">{spans}</p>{near}' if spans else near


def button(do: str, turn: Wire, number: int, label: str, /, **more: int | None) -> str:
    """A button that the page's script acts on; ``more`` are further things that it is told."""
    told = {"do": do, "turn": turn["id"], "number": number, **{key: value for key, value in more.items()}}
    data = " ".join(f'data-{key}="{escape(str(value))}"' for key, value in told.items() if value is not None)
    return f'<button type="button" {data}>{in_line(label)}</button>'


def first_link(turn: Wire, number: int) -> int | None:
    """Which link to the passage its reader is led back to, None where the answer has none."""
    return next((each.nth for each in resting(turn, number) if each.nth is not None), None)


def quote(turn: Wire, found: Wire) -> str:
    """The passage's text as it was recorded, with what supports the answer marked."""
    marked = supporting(turn, found["number"])
    line = found.get("line")
    return highlighted_html(found["text"], marked, code=bool(line), line=line, deeper=DEEPER)


def _places(found: Wire, words: Words) -> Iterator[str]:
    if section := " › ".join(found["section"]):
        yield section
    if found["page"]:
        yield words("sources.page", page=found["page"])
    elif found.get("line"):
        yield words("sources.line", line=found["line"])
    if found["date"]:
        yield words.date(found["date"])


def _text(turn: Wire, found: Wire, words: Words, around: Around) -> str:
    number, newer, same = found["number"], found.get("newer"), found.get("duplicates") or ()
    older = button("passage", turn, newer, words("sources.older", newer=newer)) if newer else ""
    also = words("sources.same", documents=", ".join(same)) if same else ""
    told = {"gone": "pane.gone", "changed": "pane.changed"}.get(around.state)
    return "".join(
        (
            f'<p class="pane-older">{older}</p>' if older else "",
            f'<p class="pane-told" role="status">{escape(words[told])}</p>' if told else "",
            _side(turn, number, words, around, before=True),
            f'<div class="pane-text pane-exact" role="group" aria-label="{escape(words["pane.text"])}" dir="auto">'
            f"{quote(turn, found)}</div>",
            _side(turn, number, words, around, before=False),
            f'<p class="pane-also" dir="auto">{in_line(also)}</p>' if also else "",
        )
    )


def _side(turn: Wire, number: int, words: Words, around: Around, *, before: bool) -> str:
    """What stands on one side of the passage, and the button for more of it."""
    asked = {"before": around.chunks_before, "after": around.chunks_after}
    side, end = ("before", "starts") if before else ("after", "stops")
    text, more = (around.before, around.more_before) if before else (around.after, around.more_after)
    line = around.line if before else around.line_after
    shown = highlighted_html(text, code=line is not None, line=line, deeper=DEEPER) if text else ""
    shown = f'<div class="pane-text pane-beside" dir="auto">{shown}</div>' if shown else ""
    if around.state in ("gone", "changed"):
        return ""
    way = f'<p class="pane-end">{escape(words["pane." + end])}</p>'
    if more:
        way = button("neighbours", turn, number, words["pane." + side], **{**asked, side: asked[side] + 1})
        way = f'<p class="pane-way">{way}</p>'
    return way + shown if before else shown + way


def _resting(turn: Wire, found: Wire, words: Words) -> str:
    """The sentences of the answer that rest on the passage, each a way back to it."""
    sentences = resting(turn, found["number"])
    if not sentences:
        return f'<p class="pane-none">{escape(words["pane.no_sentence"])}</p>'
    items = "".join(f"<li>{_sentence(turn, found['number'], each, words)}</li>" for each in sentences)
    return f'<h3 class="pane-sub">{escape(words["pane.rests"])}</h3><ul class="pane-rests">{items}</ul>'


def _sentence(turn: Wire, number: int, each: Resting, words: Words) -> str:
    text = each.text if len(each.text) <= LONGEST else f"{each.text[:LONGEST].rstrip()}…"
    said = {"partly": "pane.partly_stated", "unsupported": "pane.not_stated"}.get(each.state)
    state = f' <small class="pane-state">{escape(words[said])}</small>' if said else ""
    return button("back", turn, number, text, nth=each.nth).replace("<button ", '<button dir="auto" ', 1) + state
