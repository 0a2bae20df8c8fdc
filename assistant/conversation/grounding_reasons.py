"""Why a claim is marked, in words for whoever reads the answer."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.conversation.facts import Fact
from assistant.conversation.grounding_signals import Signals
from assistant.conversation.grounding_sources import Sources

NOTHING_LIKE_IT = "nothing like it in the sources"
LONGEST_QUOTE = 90


def reason(
    found: Signals, sources: Sources, numbers: Sequence[int], among: Sequence[int], groups: Sequence[str], nothing: bool
) -> str:
    """The first of the groups of signals, in their order of weight, that has something to say."""
    place = found.best[0] if found.best else None
    if nothing and not found.missing:
        return NOTHING_LIKE_IT
    best = f"[{numbers[place.passage]}]" if place else ""
    where = best if len(among) == 1 and place else _named(numbers, among)
    for group in groups:
        said = (
            _negation(found, sources, numbers) if group == "negation" else _fact(found, group == "names", where, best)
        )
        if said:
            return said
    if nothing:
        return NOTHING_LIKE_IT
    if found.missing:
        return f"{quoted(found.missing[0])} does not stand in {where}"
    return f"only part of it stands in {best}" if best else NOTHING_LIKE_IT


def _fact(found: Signals, names: bool, where: str, best: str) -> str:
    missing = next((fact for fact in found.missing if (fact.kind == "name") == names), None)
    instead = next(((ours, theirs) for ours, theirs in found.elsewhere if (ours.kind == "name") == names), None)
    if missing is not None:
        theirs = next((theirs for ours, theirs in found.elsewhere if ours == missing), None)
        said = f"{quoted(missing)} does not stand in {where}"
        return f"{said}, which says {quoted(theirs)}" if theirs is not None and where == best else said
    if instead is not None:
        return f"{quoted(instead[0])} stands in {best} for something else; here it says {quoted(instead[1])}"
    return ""


def _negation(found: Signals, sources: Sources, numbers: Sequence[int]) -> str:
    if found.opposite is None:
        return ""
    quote = sources.text_of(found.opposite).strip(" #*|>-\n")
    quote = " ".join(quote.split())
    quote = quote if len(quote) <= LONGEST_QUOTE else quote[:LONGEST_QUOTE].rsplit(" ", 1)[0] + " …"
    return f"says the opposite of [{numbers[found.opposite.passage]}]: “{quote}”"


def quoted(fact: Fact) -> str:
    """A fact as it is shown: figures as they are, names in quotation marks."""
    return f"“{fact.text}”" if fact.kind == "name" else fact.text


def _named(numbers: Sequence[int], among: Sequence[int]) -> str:
    return " ".join(f"[{numbers[index]}]" for index in among) if len(among) <= 2 else "the sources"
