"""Whether the facts of a claim stand in the passages, and for the same thing.

A fact is looked for by its value, and by the words around it: a number that stands in the passages for something else
is no support. A rival is a fact of the same kind with another value, near which more of those words stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from assistant.conversation.facts import Fact, same
from assistant.conversation.facts_words import NOT_NAMES
from assistant.conversation.grounding_context import around_fact, fit
from assistant.conversation.grounding_names import beside, misspelt
from assistant.conversation.grounding_sources import Place, Sources
from assistant.conversation.names import name_words
from assistant.conversation.reading import Reading
from assistant.knowledge.values import singular

MOST_PLACES = 12
"""Places of a name that are looked at."""
LONGEST_EXCHANGE = 6
"""Words that may stand for as many others in sentences that else say the same."""
TIE = 0.9
"""How near to the nearest sentence others are as near."""
LONGEST_NAME = 70
"""Characters before its initials in which a name is written out."""
_INITIALS = re.compile(r"\(([A-Z]{2,6})s?\)")
_ALSO = {
    "united states": ("us", "u s", "usa", "american"),
    "u.s": ("us", "usa", "united states", "american"),
    "us": ("u s", "usa", "united states", "american"),
    "usa": ("us", "u s", "united states", "american"),
    "united kingdom": ("uk", "u k", "british"),
    "uk": ("united kingdom", "u k", "british"),
    "european union": ("eu",),
    "eu": ("european union",),
}
"""Names that are written in more than one way."""
_VERB = re.compile(r"\s+(?:is|was|has|had|does|did|can|will|would|may|also|[a-z]+(?:ed|s))\b")
_NO_NAME = re.compile(r"(?:ing|ly|ed|ers|ions?|ments?|ness|ity|ies|ble|ive|al|ous|ance|ence|ure|ways?|thing|one|body)$")
SIGNS = ("lost", "odd", "far", "off", "odd_clear", "far_clear", "replaced")
Located = tuple[Fact, int]
Where = tuple[int, int]


def located(claim: Reading, sources: Sources) -> list[Located]:
    """The facts of a claim with the words at which they stand, but for names that it writes out beside initials that
    the sources have: "Securities and Exchange Commission (SEC)"."""
    found = _with_first(claim, sources)
    for initials in _INITIALS.finditer(claim.text):
        if f" {initials[1].casefold()} " in sources.spaced(range(len(sources.readings))):
            begin = initials.start() - LONGEST_NAME
            found = [
                (fact, at)
                for fact, at in found
                if fact.kind != "name" or not begin <= fact.start < initials.start() or fact.text[0] not in initials[1]
            ]
    return found


def _with_first(claim: Reading, sources: Sources) -> list[Located]:
    """The facts of a claim; its first word too, where the sources write it as a name, or do not hold it and it looks
    like one."""
    if not claim.words or claim.german or any(at == 0 for _, at in claim.facts):
        return list(claim.facts)
    first = claim.words[0]
    word = re.sub(r"['’]s$", "", claim.text[first.start : first.start + len(first.low)])
    low = word.casefold()
    if not word[:1].isupper() or low in NOT_NAMES or len(low) < 3 or _NO_NAME.search(low):
        return list(claim.facts)
    if low not in sources.names:
        said = f" {singular(low)}" in sources.spaced(range(len(sources.readings)))
        if said or not _VERB.match(claim.text[first.start + len(first.low) :]):
            return list(claim.facts)
    name = Fact("name", frozenset({(low, "")}), word, first.start, first.start + len(word))
    return [(name, 0), *claim.facts]


class FactSignals:
    """Looks for the facts of one claim. ``missing`` are those that stand nowhere, ``elsewhere`` pairs of a fact that
    stands for something else and what stands in its place, the worst first."""

    def __init__(
        self, claim: Reading, sources: Sources, among: Sequence[int], best: Sequence[Place], about: Sequence[Place]
    ) -> None:
        self.missing: list[Fact] = []
        self.elsewhere: list[tuple[Fact, Fact]] = []
        self.values = dict.fromkeys([f"{sign}_{kind}" for sign in SIGNS for kind in ("figures", "names")], 0.0)
        self.values |= {"lost_spelt": 0.0, "split_names": 0.0, "beside_names": 0.0}
        self.values["initials_names"] = float(misspelt(claim, sources.readings))
        self._claim, self._sources, self._among = claim, sources, among
        self._near = {(place.passage, place.sentence) for place in (*best, *about)}
        self._clear = about[0].held if about else 0.0
        close = [place for place in about if place.held >= 0.8 * self._clear]
        self._there = {(place.passage, place.sentence + n) for place in close for n in (-1, 0, 1)}

    def look(self, fact: Fact, at: int) -> None:
        """Look for one fact."""
        theirs = self._occurrences(fact)
        if not theirs:
            self._unseen(fact)
            return
        around = around_fact(self._claim, fact, at)
        own = max(fit(around, self._sources, *place) for place in theirs)
        rivals = [
            (fit(around, self._sources, *place), other)
            for place, other in self._rivals(fact)
            if self._free(other, place, theirs)
        ]
        rival, which = max(rivals, key=lambda each: each[0], default=(0.0, fact))
        if fact.kind == "name":
            self._raise("beside_names", beside(fact, at, self._claim, self._sources, self._among, theirs, alike))
        kind, odd = _kind(fact), max(0.0, rival - own)
        if odd > self.values[f"odd_{kind}"]:
            self.elsewhere.insert(0, (fact, which))
        off = not any((passage, self._sources.sentence_at(passage, word)) in self._there for passage, word in theirs)
        self._raise(f"odd_{kind}", odd)
        self._raise(f"far_{kind}", 1 - own)
        self._raise(f"off_{kind}", off * self._clear)
        self._raise(f"odd_clear_{kind}", odd * self._clear)
        self._raise(f"far_clear_{kind}", (1 - own) * self._clear)

    def exchanged(self, facts: Sequence[Located], about: Sequence[Place]) -> None:
        """Look for facts that stand where the nearest sentence, which else says the same there, has another one, as do
        all that are as near: the rows of a table."""
        if not about:
            return
        place = about[0]
        ties = [each for each in about if each.held >= TIE * place.held]
        facts = [located for located in facts if not any(self._holds(each, located[0]) for each in ties)]
        reading, sentence = self._sources.readings[place.passage], self._sources.sentence(place)
        ours = [word.low for word in self._claim.words]
        theirs = [word.low for word in self._sources.words(place)]
        inside = [(other, at - sentence.first) for other, at in reading.facts if sentence.first <= at < sentence.last]
        for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
            if kind != "replace" or max(b - a, d - c) > LONGEST_EXCHANGE:
                continue
            for fact, at in facts:
                others = [other for other, word in inside if c - 2 <= word < d and alike(fact, other)]
                if a <= at < b and others:
                    self.values[f"replaced_{_kind(fact)}"] = 1.0
                    self.elsewhere.insert(0, (fact, others[0]))

    def _holds(self, place: Place, fact: Fact) -> bool:
        sentence = self._sources.sentence(place)
        facts = self._sources.readings[place.passage].facts
        return any(sentence.first <= at < sentence.last and same(fact, other) for other, at in facts)

    def _unseen(self, fact: Fact) -> None:
        part = self._unspoken(fact) if fact.kind == "name" else 1.0
        if part == 0:
            self._add("split_names", float(len(name_words(fact.text)) > 1))
            return
        spelt = fact.kind == "number" and fact.text[:1].isalpha()
        self._add("lost_spelt" if spelt else f"lost_{_kind(fact)}", 1.0 if part >= 0.5 else 0.6)
        self.missing.append(fact)

    def _unspoken(self, fact: Fact) -> float:
        """Which part of a name's words stands nowhere; 0 for the initials of words that follow each other."""
        words, spaced = name_words(fact.text), self._sources.spaced(self._among)
        if any(f" {other} " in spaced for other in _ALSO.get(fact.text.casefold().rstrip("."), ())):
            return 0.0
        if len(words) == 1 and 2 <= len(words[0]) <= 6 and fact.text.isupper():
            initials = re.compile(r" " + r"[\w’']* (?:(?:of|and|the|for|to) )?".join(words[0]))
            if initials.search(spaced) or initials.search(self._claim.spaced):
                return 0.0
        return sum(not _said(word, spaced) for word in words) / max(1, len(words))

    def _occurrences(self, fact: Fact) -> list[Where]:
        """Where a fact stands: passage and word."""
        readings = self._sources.readings
        if fact.kind == "name":
            return [(p, at) for p in self._among for at in _named(fact.text, readings[p])][:MOST_PLACES]
        return [
            (p, at)
            for p in self._among
            for other, at in readings[p].facts
            if other.kind != "name" and same(fact, other)
        ]

    def _rivals(self, fact: Fact) -> list[tuple[Where, Fact]]:
        """Facts of the same kind and unit with another value, in the nearest sentences."""
        return [
            ((passage, at), other)
            for passage in {passage for passage, _ in self._near}
            for other, at in self._sources.readings[passage].facts
            if (passage, self._sources.sentence_at(passage, at)) in self._near
            and alike(fact, other)
            and not same(fact, other)
            and not same(other, fact)
        ]

    def _free(self, other: Fact, place: Where, ours: Sequence[Where]) -> bool:
        """Whether a rival may be what the claim should say: one that the claim says too is only where each of the two
        fits the other's place better."""
        said = next(((fact, at) for fact, at in self._claim.facts if same(fact, other)), None)
        if said is None or other.kind == "name":
            return said is None
        around = around_fact(self._claim, *said)
        return max(fit(around, self._sources, *each) for each in ours) > fit(around, self._sources, *place)

    def _raise(self, name: str, value: float) -> None:
        self.values[name] = max(self.values[name], value)

    def _add(self, name: str, value: float) -> None:
        self.values[name] = min(2.0, self.values[name] + value)


def alike(one: Fact, other: Fact) -> bool:
    """Whether one could stand in the other's place: of a kind, with units that are not two different ones."""
    if one.kind == "name" or other.kind == "name":
        return one.kind == other.kind and not _same_name(name_words(one.text), name_words(other.text))
    if one.kind != other.kind:
        return False
    ours, theirs = {unit for _, unit in one.readings if unit}, {unit for _, unit in other.readings if unit}
    return not ours or not theirs or bool(ours & theirs)


def _same_name(ones: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two names share a word, or one is the initials of the other."""
    if {singular(word) for word in ones} & {singular(word) for word in others}:
        return True
    letters = "".join(word[0] for word in ones), "".join(word[0] for word in others)
    return letters[0] in others or letters[1] in ones


def _kind(fact: Fact) -> str:
    return "names" if fact.kind == "name" else "figures"


def _said(word: str, spaced: str) -> bool:
    """Whether a word stands somewhere, in whatever form if it is not a short one."""
    return f" {word} " in spaced or (len(word) > 3 and f" {singular(word)}" in spaced)


def _named(name: str, reading: Reading) -> list[int]:
    """The words at which a name stands, whatever its capitals."""
    words = name_words(name)
    if not words or f" {' '.join(words)}" not in reading.spaced:
        return []
    lows = [word.low for word in reading.words]
    return [
        at
        for at, low in enumerate(lows)
        if low.startswith(words[0]) and all(map(str.startswith, lows[at : at + len(words)], words))
    ]
