"""What tells whether a sentence rests on passages: signals that a regression weighs, and words for people.

A fact is looked for by its value, and by the words around it: a number that stands in the passages for something else
is no support. ``around`` says how well the words near a fact are those near its like in a passage, 0 to 1; a rival is a
fact of the same kind with another value that those words fit better.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from assistant.conversation.facts import Fact, same
from assistant.conversation.facts_words import NOT_NAMES
from assistant.conversation.reading import Reading, Sentence, Word, negates, read
from assistant.knowledge.values import singular

NEAR = 8
"""Words to each side of a fact that tell what it is about."""
FADE = 0.85
"""How much less a word counts for each word that stands between it and the fact."""
OTHER_SIDE, OTHER_SENTENCE = 0.7, 0.5
BEST = 4
"""Sentences of the passages that a claim is compared with closely."""
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence of one of the passages, by the passage's index, and how much of the claim it holds, 0 to 1."""

    passage: int
    sentence: int
    held: float


@dataclass(slots=True)
class Signals:
    """``values`` by name go into the regression; the rest says why."""

    values: dict[str, float] = field(default_factory=dict)
    best: tuple[Place, ...] = ()
    missing: list[Fact] = field(default_factory=list)
    elsewhere: list[tuple[Fact, Fact]] = field(default_factory=list)
    opposite: Place | None = None


class Sources:
    """The passages of one answer, read."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.readings = [read(text) for text in texts]
        sentences = [each for reading in self.readings for each in reading.sentences]
        self._count = len(sentences) or 1
        self._in: dict[str, int] = {}
        for each in sentences:
            for part in each.stems:
                self._in[part] = self._in.get(part, 0) + 1
        self.spaced = " ".join(reading.spaced for reading in self.readings)

    def rarity(self, part: str) -> float:
        """How much a stem tells, from how few sentences hold it."""
        return math.log1p(self._count / (0.5 + self._in.get(part, 0)))

    def text_of(self, place: Place) -> str:
        """A sentence of the passages as it is written."""
        sentence = self.readings[place.passage].sentences[place.sentence]
        return self.readings[place.passage].text[sentence.start : sentence.end]

    def sentence_at(self, passage: int, word: int) -> int:
        """The sentence that a word of a passage is in."""
        words = self.readings[passage].words
        return words[min(word, len(words) - 1)].sentence if words else -1

    def nearest(self, stems: Collection[str], among: Sequence[int]) -> list[Place]:
        """The sentences that hold most of the stems, the best first; a sentence is helped by its neighbours."""
        wanted = {part: self.rarity(part) for part in stems}
        total = sum(wanted.values()) or 1.0
        places = []
        for passage in among:
            sentences = self.readings[passage].sentences
            for index, each in enumerate(sentences):
                shared = each.stems & wanted.keys()
                if not shared:
                    continue
                held = sum(wanted[part] for part in shared)
                near = set().union(*(sentences[n].stems for n in (index - 1, index + 1) if 0 <= n < len(sentences)))
                held += 0.5 * sum(wanted[part] for part in (near & wanted.keys()) - shared)
                places.append(Place(passage, index, held / total))
        return sorted(places, key=lambda place: -place.held)[:BEST]


def signals(text: str, sources: Sources, among: Sequence[int]) -> Signals:
    """The signals of a claim against some of the passages."""
    claim = read(text)
    found = Signals()
    facts = [*claim.facts, *_begins_with_name(claim, sources)]
    in_facts = {place for fact, at in facts for place in range(at, at + _size(fact))}
    rest = {word.stem for place, word in enumerate(claim.words) if word.stem and place not in in_facts}
    wanted = {word.stem for word in claim.words if word.stem}
    best = sources.nearest(wanted, among)
    about = sources.nearest(rest, among) if in_facts else best
    found.best = tuple(best)
    top = best[0].held if best else 0.0
    everywhere = {part for passage in among for part in sources.readings[passage].places}
    total = sum(map(sources.rarity, wanted)) or 1.0
    found.values = {
        "held": top,
        "held_all": sum(sources.rarity(part) for part in wanted if part in everywhere) / total,
        "words": min(len(wanted), 25) / 25,
        **_facts(claim, facts, sources, among, best, about, found),
        **_replaced(claim, facts, sources, about, found),
        **_negations(claim, sources, best, found),
    }
    return found


def _replaced(
    claim: Reading, facts: Sequence[tuple[Fact, int]], sources: Sources, about: Sequence[Place], found: Signals
) -> dict[str, float]:
    """Facts that stand where the nearest sentence, which else says the same there, has something else of the kind."""
    values = {"replaced_figures": 0.0, "replaced_names": 0.0}
    if not facts or not about:
        return values
    sentence = _sentence(sources, about[0])
    reading = sources.readings[about[0].passage]
    ours, theirs = [word.low for word in claim.words], [word.low for word in reading.words[sentence.first : sentence.last]]
    inside = [(other, at - sentence.first) for other, at in reading.facts if sentence.first <= at < sentence.last]
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind != "replace" or b - a > 6 or d - c > 6:
            continue
        for fact, at in facts:
            if not a <= at < b:
                continue
            others = [other for other, place in inside if c - 2 <= place < d and _alike(fact, other)]
            if others and not any(same(fact, other) for other, _ in inside):
                values["replaced_names" if fact.kind == "name" else "replaced_figures"] = 1.0
                found.elsewhere.insert(0, (fact, others[0]))
    return values


def _size(fact: Fact) -> int:
    return max(1, len(_WORDS.findall(fact.text)))


def _begins_with_name(claim: Reading, sources: Sources) -> list[tuple[Fact, int]]:
    """The first word of a claim, where the sources write it as a name, or do not hold it and it looks like one."""
    if not claim.words or any(at == 0 for _, at in claim.facts):
        return []
    first = claim.words[0]
    written = claim.text[first.start : first.start + len(first.low)]
    word = re.sub(r"['’]s$", "", written)
    low = word.casefold()
    if not word[:1].isupper() or low in NOT_NAMES or len(low) < 3 or _COMMON_END.search(low) or claim.german:
        return []
    known = any(fact.kind == "name" and low in _WORDS.findall(fact.text.casefold()) for r in sources.readings for fact, _ in r.facts)
    if not known and (f" {singular(low)}" in sources.spaced or not _VERB.match(claim.text[first.start + len(first.low) :])):
        return []
    return [(Fact("name", frozenset({(low, "")}), word, first.start, first.start + len(word)), 0)]


_VERB = re.compile(r"\s+(?:is|was|has|had|does|did|can|will|would|may|also|[a-z]+(?:ed|s))\b")
_COMMON_END = re.compile(r"(?:ing|ly|ed|ers|ions?|ments?|ness|ity|ies|ble|ive|al|ous|ance|ence|ure|ways?|thing|one|body)$")


def _facts(
    claim: Reading,
    facts: Sequence[tuple[Fact, int]],
    sources: Sources,
    among: Sequence[int],
    best: Sequence[Place],
    about: Sequence[Place],
    found: Signals,
) -> dict[str, float]:
    near = {(place.passage, place.sentence) for place in (*best, *about)}
    clear = about[0].held if about else 0.0
    there = {(place.passage, place.sentence + n) for place in about if place.held >= 0.8 * clear for n in (-1, 0, 1)}
    values = dict.fromkeys(
        [f"{sign}_{kind}" for sign in ("lost", "odd", "far", "off", "odd_clear", "far_clear") for kind in ("figures", "names")] + ["lost_spelt", "split_names"], 0.0
    )
    for fact, at in facts:
        kind = "names" if fact.kind == "name" else "figures"
        theirs = _occurrences(fact, sources, among)
        if not theirs:
            part = _unspoken(fact, claim, sources.spaced) if fact.kind == "name" else 1.0
            if part == 0:
                values["split_names"] += len(_name_words(fact.text)) > 1
                continue
            part = 1.0 if part >= 0.5 else 0.6
            values["lost_spelt" if fact.text[:1].isalpha() and fact.kind == "number" else f"lost_{kind}"] += part
            found.missing.append(fact)
            continue
        around = _around(claim, fact, at)
        own = max(_fit(around, sources, passage, place) for passage, place in theirs)
        rivals = [(_fit(around, sources, passage, place), other) for passage, place, other in _rivals(fact, sources, near)]
        rival, which = max(rivals, key=lambda each: each[0], default=(0.0, fact))
        odd = max(0.0, rival - own)
        if odd > values[f"odd_{kind}"]:
            values[f"odd_{kind}"] = odd
            found.elsewhere.insert(0, (fact, which))
        values[f"far_{kind}"] = max(values[f"far_{kind}"], 1 - own)
        off = not any((passage, sources.sentence_at(passage, place)) in there for passage, place in theirs)
        values[f"off_{kind}"] = max(values[f"off_{kind}"], off * clear)
        values[f"odd_clear_{kind}"] = max(values[f"odd_clear_{kind}"], odd * clear)
        values[f"far_clear_{kind}"] = max(values[f"far_clear_{kind}"], (1 - own) * clear)
    return {name: min(value, 2.0) for name, value in values.items()}


def _unspoken(fact: Fact, claim: Reading, spaced: str) -> float:
    """Which part of a name's words stands nowhere; 0 for the initials of words that follow each other."""
    words = _name_words(fact.text)
    if len(words) == 1 and 2 <= len(words[0]) <= 6 and fact.text.isupper():
        initials = re.compile(r" " + r"[\w’']* (?:(?:of|and|the|for|to) )?".join(words[0]))
        if initials.search(spaced) or initials.search(claim.spaced):
            return 0.0
    return sum(not _said(word, spaced) for word in words) / max(1, len(words))


def _said(word: str, spaced: str) -> bool:
    """Whether a word stands somewhere, in whatever form if it is not a short one."""
    return f" {word} " in spaced or (len(word) > 3 and f" {singular(word)}" in spaced)


def _name_words(name: str) -> list[str]:
    return _WORDS.findall(re.sub(r"['’]s\b", "", name.casefold()))


def _occurrences(fact: Fact, sources: Sources, among: Sequence[int]) -> list[tuple[int, int]]:
    """Where a fact stands: passage and word."""
    if fact.kind == "name":
        return [(p, at) for p in among for at in _named(fact.text, sources.readings[p])][:12]
    return [(p, at) for p in among for other, at in sources.readings[p].facts if other.kind != "name" and same(fact, other)]


def _named(name: str, reading: Reading) -> list[int]:
    """The words at which a name stands, whatever its capitals."""
    words = _name_words(name)
    if not words or f" {' '.join(words)}" not in reading.spaced:
        return []
    ends = len(reading.words) - len(words) + 1
    return [
        at
        for at in range(ends)
        if reading.words[at].low.startswith(words[0])
        and all(reading.words[at + n].low.startswith(part) for n, part in enumerate(words))
    ]


def _rivals(fact: Fact, sources: Sources, near: set[tuple[int, int]]) -> list[tuple[int, int, Fact]]:
    """Facts of the same kind and unit with another value, in the nearest sentences."""
    found = []
    for passage in {passage for passage, _ in near}:
        for other, at in sources.readings[passage].facts:
            if (passage, sources.sentence_at(passage, at)) not in near:
                continue
            if _alike(fact, other) and not same(fact, other) and not same(other, fact):
                found.append((passage, at, other))
    return found


def _alike(one: Fact, other: Fact) -> bool:
    if one.kind == "name" or other.kind == "name":
        return one.kind == other.kind and not set(_name_words(one.text)) & set(_name_words(other.text))
    if one.kind != other.kind:
        return {one.kind, other.kind} <= {"number", "amount"}
    units = {unit for _, unit in one.readings if unit}, {unit for _, unit in other.readings if unit}
    return not all(units) or bool(units[0] & units[1])


Around = dict[str, tuple[float, int]]


def _around(claim: Reading, fact: Fact, at: int) -> Around:
    """The stems near a fact: how much each counts, and on which side it stands."""
    size = _size(fact)
    found: Around = {}
    for side, places in ((-1, range(at - 1, max(-1, at - 1 - NEAR), -1)), (1, range(at + size, min(len(claim.words), at + size + NEAR)))):
        for distance, place in enumerate(places):
            part = claim.words[place].stem
            weight = FADE**distance
            if part and found.get(part, (0.0, 0))[0] < weight:
                found[part] = (weight, side)
    return found


def _fit(around: Around, sources: Sources, passage: int, at: int) -> float:
    """How much of what stands around a fact in the claim stands around this place in a passage."""
    reading = sources.readings[passage]
    total = score = 0.0
    sentence = sources.sentence_at(passage, at)
    for part, (weight, side) in around.items():
        weight *= sources.rarity(part)
        total += weight
        places = reading.places.get(part)
        if not places:
            continue
        index = bisect_left(places, at)
        best = 0.0
        for place in places[max(0, index - 1) : index + 2]:
            worth = FADE ** max(0, abs(place - at) - 1)
            if (place > at) != (side > 0):
                worth *= OTHER_SIDE
            if reading.words[place].sentence != sentence:
                worth *= OTHER_SENTENCE
            best = max(best, worth)
        score += weight * best
    return score / total if total else 1.0


def _negations(claim: Reading, sources: Sources, best: Sequence[Place], found: Signals) -> dict[str, float]:
    """Whether the claim negates what its nearest sentences say, or says what they negate: by the words after a negation,
    and, where the two say nearly the same, by what one has between words of the other."""
    ours = {word.stem for word in claim.words if word.negated and word.stem}
    said_plainly = {word.stem for word in claim.words if word.stem and not word.negated}
    top = best[0].held if best else 0.0
    near = [place for place in best if place.held >= (0.9 if top > 0.75 else 0.7) * top][:3]
    denies = any(negates(word.low) for word in claim.words)
    added = min((_added(ours, sources, place) for place in near), default=1.0) if denies else 0.0
    lost = 0.0
    for place in near[:2]:
        negated, said = _polarity(sources, place)
        turned = (negated & said_plainly) - said
        lost = max(lost, len(turned) / len(negated) if negated else 0.0)
    put_in, left_out = _aligned(claim, sources, near[0]) if near else (0.0, 0.0)
    if near and (added == 1.0 or lost > 0.4 or put_in or left_out):
        found.opposite = near[0]
    return {
        "negation_added": added, "negation_lost": lost, "added_close": added * top, "lost_close": lost * top,
        "put_in": put_in * top, "left_out": left_out * top,
    }  # fmt: skip


def _added(ours: set[str], sources: Sources, place: Place) -> float:
    """How much a negation of these words is the claim's own: 1 where the sentence says them without one."""
    negated, said = _polarity(sources, place)
    denies = _sentence(sources, place).negations
    if ours & negated or (not ours and denies):
        return 0.0
    if ours & said:
        return 1.0
    return 0.4 if denies else 0.7


def _aligned(claim: Reading, sources: Sources, place: Place) -> tuple[float, float]:
    """Negations that stand in one of the two between words that follow each other in the other one too."""
    sentence = _sentence(sources, place)
    theirs = _spelt_out(sources.readings[place.passage].words[sentence.first : sentence.last])
    ours = _spelt_out(claim.words)
    if "not" not in ours and "not" not in theirs:
        return 0.0, 0.0
    put_in = left_out = 0.0
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal" or b - a > 3 or d - c > 3:
            continue
        inside = 0 < a and b < len(ours), 0 < c and d < len(theirs)
        if "not" in ours[a:b] and "not" not in theirs[c:d] and all(inside):
            put_in = 1.0
        if "not" in theirs[c:d] and "not" not in ours[a:b] and all(inside):
            left_out = 1.0
    return put_in, left_out


def _spelt_out(words: Sequence[Word]) -> list[str]:
    """The words with every negation as one of its own: "cannot" and "can't" as "can not"."""
    made: list[str] = []
    for word in words:
        low = word.low.replace("’", "'")
        if low.endswith("n't"):
            made += [{"ca": "can", "wo": "will"}.get(low[:-3], low[:-3]), "not"]
        elif low == "cannot":
            made += ["can", "not"]
        else:
            made.append("not" if negates(low) else low)
    return made


def _sentence(sources: Sources, place: Place) -> Sentence:
    return sources.readings[place.passage].sentences[place.sentence]


def _polarity(sources: Sources, place: Place) -> tuple[set[str], set[str]]:
    """The stems of a sentence that are negated, and those that are not."""
    sentence = _sentence(sources, place)
    words = sources.readings[place.passage].words[sentence.first : sentence.last]
    return {w.stem for w in words if w.stem and w.negated}, {w.stem for w in words if w.stem and not w.negated}
