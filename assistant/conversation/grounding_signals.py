"""What tells whether a claim rests on passages: the signals that a regression weighs, and what they were read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.conversation.facts import Fact
from assistant.conversation.grounding_context import size
from assistant.conversation.grounding_facts import FactSignals, located
from assistant.conversation.grounding_negation import negations
from assistant.conversation.grounding_sources import Place, Sources
from assistant.conversation.reading import read

MANY_WORDS = 25


@dataclass(frozen=True, slots=True)
class Signals:
    """``values`` by name go into the regression. ``best`` are the nearest sentences; ``missing`` facts that stand
    nowhere, ``elsewhere`` those that stand for something else, with what stands in their place; ``opposite`` the
    sentence that the claim turns round."""

    values: Mapping[str, float]
    best: tuple[Place, ...]
    missing: tuple[Fact, ...]
    elsewhere: tuple[tuple[Fact, Fact], ...]
    opposite: Place | None


def signals(text: str, sources: Sources, among: Sequence[int]) -> Signals:
    """The signals of a claim against some of the passages. The nearest sentences are looked for twice: with all words
    of the claim, and with those outside of its facts, which a wrong fact would lead astray."""
    claim = read(text)
    facts = located(claim, sources)
    in_facts = {place for fact, at in facts for place in range(at, at + size(fact))}
    rest = {word.stem for place, word in enumerate(claim.words) if word.stem and place not in in_facts}
    wanted = {word.stem for word in claim.words if word.stem}
    best = sources.nearest(wanted, among)
    about = sources.nearest(rest, among) if facts else best
    looked = FactSignals(claim, sources, among, best, about)
    for fact, at in facts:
        looked.look(fact, at)
    looked.exchanged(facts, about)
    turned, opposite = negations(claim, sources, best)
    values = {
        "held": best[0].held if best else 0.0,
        "held_all": sources.held(wanted, among),
        "words": min(len(wanted), MANY_WORDS) / MANY_WORDS,
        **looked.values,
        **turned,
    }
    return Signals(values, tuple(best), tuple(looked.missing), tuple(looked.elsewhere), opposite)
