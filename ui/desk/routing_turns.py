"""Turns as whoever runs the assistant reads them: the words, the conversation before them, and the decision.

All of it is from people and models, so all of it is escaped by markupsafe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import Message
from assistant.desk.routing import LABEL
from assistant.desk.routing_judged import right_way
from assistant.records.corrections import Correction
from ui.desk.parts import badge, join, when

LATEST = 4
"""Messages that are shown at once; the earlier ones open."""
LONGEST = 600
"""Characters of a message."""
PERSON = 10
"""Characters of a person's id: enough to tell two apart on a page, too few to be anybody's name."""
SPEAKERS = {"user": "Person", "assistant": "Assistant"}


def way(route: str) -> str:
    """A route as people call it."""
    return next((each.title for name, each in ROUTES.items() if name == route), route)


def who(person: str) -> str:
    """A person's id, shortened."""
    return person if len(person) <= PERSON else person[:PERSON] + "…"


def conversation(history: Sequence[Message]) -> Markup:
    """The messages before a turn, oldest first, the earlier ones closed."""
    if not history:
        return Markup('<p class="ro-first">{}</p>').format("The conversation begins with this.")
    earlier, latest = history[:-LATEST], history[-LATEST:]
    shown = _messages(latest)
    if not earlier:
        return shown
    return (
        Markup("<details><summary>{}</summary>{}</details>").format(
            f"{len(earlier):,} earlier messages", _messages(earlier)
        )
        + shown
    )


def decision(made: Mapping[str, Any]) -> Markup:
    """What the router said: the way, the scores and the reasons."""
    scores, asked = made["scores"], badge("chosen by the person") if made.get("requested") else ""
    told = Markup("").join(Markup("<li>{}</li>").format(each) for each in made.get("reasons", ()))
    return Markup(
        '<p class="ro-way">{} <span>P(information) {}, looked up from {}</span> <span>P(voice) {}</span> {}</p>'
        '<ul class="ro-why">{}</ul>'
    ).format(
        badge(way(str(made["route"]))), f"{scores['information']:.2f}", f"{made['threshold']:.2f}",
        f"{scores['voice']:.2f}", asked, told,
    )  # fmt: skip


def corrected(correction: Correction) -> Markup:
    """A turn of which somebody said how it should have gone."""
    by = "labelled at the desk" if correction.verdict == LABEL else f"by {who(correction.person)}"
    facts = join([Markup("said to need {}").format(badge(way(right_way(correction)), "info")), by, correction.surface,
                  when(correction.made_at)], " · ")  # fmt: skip
    return Markup(
        '<article class="ro-turn"><p class="ro-said">{}</p><p class="ro-facts">{}</p>{}'
        "<details><summary>Conversation before it</summary>{}</details></article>"
    ).format(_cut(correction.text), facts, decision(correction.decision), conversation(correction.history))


def _messages(messages: Sequence[Message]) -> Markup:
    return Markup('<ol class="ro-talk">{}</ol>').format(
        Markup("").join(
            Markup('<li class="{}"><b>{}</b> {}</li>').format(each.role, SPEAKERS[each.role], _cut(each.content))
            for each in messages
        )
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
