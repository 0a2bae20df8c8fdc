"""Asking once before something is destroyed: what goes is named, and the same yes counts only once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from markupsafe import Markup

from ui.desk.parts import act

VALID = 600.0
MOST = 100


@dataclass(frozen=True, slots=True)
class Question:
    """What would be done, in markup, the word on the button that does it, and the doing, which returns what is to be
    said of it."""

    title: str
    text: Markup
    yes: str
    do: Callable[[], Awaitable[Markup]]
    other: tuple[str, Callable[[], Awaitable[Markup]]] | None = None
    """A second way to go on, with its word."""


@dataclass(slots=True)
class Asks:
    """The questions that wait for their answer, by a token that is good for one answer."""

    _open: dict[str, tuple[float, Callable[[], Awaitable[Markup]], str]] = field(default_factory=dict)

    def panel(self, question: Question) -> Markup:
        """The question with its buttons, as a dialogue at the edge of the page."""
        group = secrets.token_urlsafe(16)
        buttons = act(question.yes, "kn-yes", self._token(question.do, group), "danger")
        if question.other is not None:
            buttons += act(question.other[0], "kn-yes", self._token(question.other[1], group), "button")
        return Markup(
            '<div class="kn-ask" role="alertdialog" aria-labelledby="kn-ask-title" aria-describedby="kn-ask-text">'
            '<h3 id="kn-ask-title">{}</h3><div id="kn-ask-text">{}</div><p class="kn-buttons">{}{}</p></div>'
        ).format(question.title, question.text, buttons, act("Cancel", "kn-ask", "", "button"))

    def told(self, text: Markup) -> Markup:
        """Why there is nothing to ask, in the same place."""
        return Markup(
            '<div class="kn-ask" role="alertdialog" aria-label="This cannot be done">{}<p class="kn-buttons">{}</p>'
            "</div>"
        ).format(text, act("Close", "kn-ask", "", "button"))

    def take(self, token: str) -> Callable[[], Awaitable[Markup]] | None:
        """What a token stands for, once; None where it has been answered already or was asked too long ago."""
        found = self._open.get(token)
        if found is None or time.monotonic() - found[0] > VALID:
            return None
        for other in [each for each, (_, _, group) in self._open.items() if group == found[2]]:
            del self._open[other]
        return found[1]

    def _token(self, do: Callable[[], Awaitable[Markup]], group: str) -> str:
        while len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        token = secrets.token_urlsafe(16)
        self._open[token] = time.monotonic(), do, group
        return token
