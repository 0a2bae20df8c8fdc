"""Uncertain turns to label, one after another, with buttons and keys (static/desk-routing.js presses the buttons)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from assistant.desk.routing import QUEUE, RoutingRecords, Threshold, Uncertain
from assistant.desk.routing_labels import Asked, Labels
from assistant.routing.router import Costs
from assistant.settings import Settings
from ui.desk.parts import Desk, empty, html, join, notice, section, since, when
from ui.desk.routing_turns import conversation, decision, way, who

BY = "desk"
"""Whose labels these are, as long as nobody signs in to the desk by name."""
SKIP = "skip"
KEYS = {"voice": "v", "retrieve": "r", "both": "b", SKIP: "s", "undo": "u"}
AT_ONCE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
"""Of the buttons: Gradio's queue loses what is pressed in the moment in which what was pressed before ends."""
ID = re.compile(r"[0-9A-Za-z-]{1,36}")
HELP = (
    ("v", "needs no look-up: our voice answers"),
    ("r", "must be looked up, and is answered plainly"),
    ("b", "must be looked up, and is answered in our voice"),
    ("s or space", "skip it: it comes again another time"),
    ("u", "undo the last one"),
    ("?", "show or hide this"),
)


@dataclass(frozen=True, slots=True)
class Deck:
    """What the page remembers: the turn that is shown, and what was done in this sitting, the last at the end."""

    shown: str = ""
    done: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, text: str) -> Deck:
        """What ``written`` gave; whatever else the page sends is an empty deck."""
        shown, *done = text.split(" ") if text else [""]
        pairs = [(turn, what) for turn, _, what in (each.partition(":") for each in done)]
        if not all(ID.fullmatch(turn) and what in KEYS for turn, what in pairs) or not ID.fullmatch(shown or "-"):
            return cls()
        return cls(shown, tuple(pairs))

    @property
    def written(self) -> str:
        """One line."""
        return " ".join([self.shown, *(f"{turn}:{what}" for turn, what in self.done)])

    @property
    def labelled(self) -> int:
        """Labels given in this sitting."""
        return sum(what != SKIP for _, what in self.done)


class Queue:
    """The handlers of the queue."""

    def __init__(self, desk: Desk) -> None:
        self._assistant = desk.assistant
        self._routing = RoutingRecords(desk.assistant.records)
        self._labels = Labels(desk.assistant.records)

    async def load(self, span: str, deck: str) -> tuple[Markup, str]:
        """The card of the next turn."""
        return await self._next(span, Deck.read(deck))

    def pressed(self, what: str) -> Callable[[str, str], Awaitable[tuple[Markup, str]]]:
        """The handler of a button."""

        async def done(span: str, text: str) -> tuple[Markup, str]:
            deck = Deck.read(text)
            if what == "undo":
                return await self._undone(span, deck)
            asked = await self._labels.asked(deck.shown) if deck.shown else None
            if asked is None:
                return await self._next(span, deck)
            told = f"Skipped: {_short(asked)}"
            if what != SKIP:
                await self._labels.give(asked, what, by=BY)
                told = f"“{way(what)}”: {_short(asked)}"
            return await self._next(span, Deck("", (*deck.done, (deck.shown, what))), told)

        return done

    async def _undone(self, span: str, deck: Deck) -> tuple[Markup, str]:
        if not deck.done:
            return await self._next(span, deck, "There is nothing to undo in this sitting.")
        turn, what = deck.done[-1]
        rest = Deck(turn, deck.done[:-1])
        asked = await self._labels.asked(turn)
        if asked is None:
            return await self._next(span, Deck("", rest.done), "That turn is gone: its conversation was deleted.")
        taken = what == SKIP or await self._labels.take_back(asked, by=BY)
        told = "Taken back." if taken else "Somebody else has said something of this turn since: that stays."
        left = await self._waiting(span, rest)
        return card(asked, left, rest, told, await self._routing.labelled(BY)), rest.written

    async def _next(self, span: str, deck: Deck, told: str = "") -> tuple[Markup, str]:
        """A turn stays on the card while it still waits, so that opening the tab again changes nothing."""
        left = await self._waiting(span, deck)
        ordered = sorted(left, key=lambda each: each.turn != deck.shown)
        for each in ordered:
            asked = await self._labels.asked(each.turn)
            if asked is not None:
                new = Deck(each.turn, deck.done)
                return card(asked, left, new, told, await self._routing.labelled(BY)), new.written
        return nothing_left(deck, told), Deck("", deck.done).written

    async def _waiting(self, span: str, deck: Deck) -> list[Uncertain]:
        skipped = {turn for turn, what in deck.done if what == SKIP}
        at = threshold(self._assistant.settings)
        return await self._routing.uncertain(at, since(span), without=skipped)


def build(desk: Desk, tab: gr.Tab) -> None:
    """The card, its buttons, and what the page remembers."""
    queue = Queue(desk)
    shown = html(elem_id="ro-card")
    deck = gr.Textbox(elem_id="ro-deck", label="Labels of this sitting", visible="hidden", max_lines=1)
    with gr.Row(elem_id="ro-keys"):
        labels = {"voice": "Our voice (v)", "retrieve": "Look it up (r)", "both": "Both (b)", SKIP: "Skip (s)",
                  "undo": "Undo (u)"}  # fmt: skip
        for what, label in labels.items():
            button = gr.Button(
                label, elem_id=f"ro-{what}", size="sm", variant="secondary" if what in (SKIP, "undo") else "primary"
            )
            button.click(queue.pressed(what), [desk.span, deck], [shown, deck], **AT_ONCE)
    html(_help(), elem_id="ro-help")
    desk.refresh(tab, queue.load, [shown, deck], [deck])


def threshold(settings: Settings) -> Threshold:
    """Where decisions tip by the settings in force."""
    costs = Costs(float(settings.router.costs.missed_lookup), float(settings.router.costs.needless_lookup))
    asked = [name for name, surface in settings.surfaces.items() if surface.voice == "on_request"]
    return Threshold(costs.threshold, float(settings.router.voice_threshold), asked)


def card(asked: Asked, left: list[Uncertain], deck: Deck, told: str, ever: int) -> Markup:
    """One turn to label. What the router said is closed, so that it does not talk people into it."""
    here = next((each for each in left if each.turn == asked.stored.id), None)
    nearest = {"information": "whether to look up", "voice": "whether in our voice"}
    about = f"unsure {nearest[here.about]}" if here else ""
    facts = join([each for each in (about, asked.surface, who(asked.person), when(asked.made_at)) if each], " · ")
    return section(
        "Turns to label",
        _progress(left, deck, told, ever),
        Markup(
            '<article id="ro-turn" data-turn="{}" class="ro-turn">{}<p class="ro-said">{}</p><p class="ro-facts">{}</p>'
            "<details><summary>What the router said</summary>{}</details></article>"
        ).format(asked.stored.id, conversation(asked.history), asked.stored.text, facts, decision(asked.decision)),
    )


def nothing_left(deck: Deck, told: str) -> Markup:
    """The end of the queue."""
    hint = "Skipped ones come again when the page is loaded anew." if deck.done else "Choose a longer time above."
    return section("Turns to label", _told(told), empty("No turn of this time waits for a label.", hint))


def _progress(left: list[Uncertain], deck: Deck, told: str, ever: int) -> Markup:
    waiting = f"{QUEUE} or more" if len(left) >= QUEUE else f"{len(left):,}"
    return Markup(
        '<p class="ro-progress"><progress max="{}" value="{}" aria-label="Labelled in this sitting"></progress>'
        " {}</p>{}"
    ).format(
        max(1, deck.labelled + len(left)), deck.labelled,
        f"{deck.labelled:,} labelled now, {waiting} wait; {ever:,} labelled ever", _told(told),
    )  # fmt: skip


def _told(text: str) -> Markup:
    return notice(text, "info") if text else Markup("")


def _short(asked: Asked) -> str:
    text = " ".join(asked.stored.text.split())
    return text if len(text) <= 60 else text[:59] + "…"


def _help() -> Markup:
    rows: list[Any] = [Markup("<dt><kbd>{}</kbd></dt><dd>{}</dd>").format(key, what) for key, what in HELP]
    return Markup("<details><summary>Keys</summary><dl>{}</dl><p>{}</p></details>").format(
        Markup("").join(rows),
        "A label is kept as a correction by the desk, and retraining learns from it. Nothing is run again for the "
        "person who asked, and their own correction wins.",
    )
