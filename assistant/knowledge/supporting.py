"""Which words of a passage support the sentences of an answer: what a reader's eye is led to. No model is asked."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assistant.conversation.citations import split_code
from assistant.conversation.claims import Sentence, claims
from assistant.conversation.facts import Fact, same
from assistant.conversation.grounding_sources import Sources
from assistant.conversation.reading import Reading, read

Wire = Mapping[str, Any]
Range = tuple[int, int]
LEAST = 0.25
"""Part of a sentence's words, weighed by how rare they are, that a sentence of the passage must hold to support it."""
MORE = 0.2
"""Part that a further sentence of the passage must add."""
MOST = 3
"""Sentences of a passage that are shown for one sentence of the answer."""
_LINK = re.compile(r"\[([1-9]\d{0,8})\](?!\()")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MARKUP = re.compile(r"[\s>|]*(?:(?:[-*+•]|\d+[.)])[ \t]+)?[\s|]*")
_HEADING = re.compile(r"\s*#{1,6}\s")


@dataclass(frozen=True, slots=True)
class Highlight:
    """Characters ``[start, end)`` of a passage's text: within a supporting sentence, or ``strong``, a word, number or
    name that it shares with the answer."""

    start: int
    end: int
    strong: bool


@dataclass(frozen=True, slots=True)
class Resting:
    """A sentence at ``[start, end)`` of the answer that rests on a passage, or was held against it. ``state`` is that
    of its mark, empty where it was not checked; ``nth`` counts the answer's links to the passage up to its own, from 0,
    None where it has none."""

    start: int
    end: int
    text: str
    state: str
    nth: int | None


def supporting(turn: Wire, number: int) -> tuple[Highlight, ...]:
    """What of passage ``number`` supports the sentences that rest on it, for a turn as it is recorded. Of an
    unsupported one only the closest sentence is shown; where nothing rests on the passage, what was asked for."""
    passage = next(each for each in turn["retrieved"]["passages"] if each["number"] == number)
    held: list[str] = []
    against: list[str] = []
    for sentence, mark in _on(turn, number):
        # With the words that it completes: the head of its table, the line that leads to its list.
        said = f"{sentence.head}\n{sentence.text}" if sentence.head else sentence.text
        (against if mark and mark["state"] == "unsupported" else held).append(said)
    if not held and not against:
        held = [turn["retrieved"]["query"]]
    return support(passage["text"], held, against)


def resting(turn: Wire, number: int) -> tuple[Resting, ...]:
    """The sentences of the answer that cite passage ``number`` or were found in it, in their order."""
    links = _links(turn["answer"] or "").get(number, ())
    found = []
    for each, mark in _on(turn, number):
        before, after = bisect_left(links, each.start), bisect_left(links, each.end)
        nth = before if before < after else before - 1 if number in each.cites and before else None
        found.append(Resting(each.start, each.end, each.text, mark["state"] if mark else "", nth))
    return tuple(found)


def support(text: str, sentences: Iterable[str], closest: Iterable[str] = ()) -> tuple[Highlight, ...]:
    """The sentences of ``text`` that hold most of each of ``sentences``, with the words, numbers and names that both
    have; of each of ``closest`` the nearest one alone."""
    return _support(text, tuple(sentences), tuple(closest))


@lru_cache(maxsize=1024)
def _support(text: str, sentences: tuple[str, ...], closest: tuple[str, ...]) -> tuple[Highlight, ...]:
    sources = Sources([text])
    reading = sources.readings[0]
    chosen: set[int] = set()
    strong: list[Range] = []
    for said in sentences:
        claim = read(said)
        places = _chosen(claim, sources)
        places |= _with_facts(claim, reading, places)
        chosen |= places
        strong += _shared(claim, reading, places)
    for said in closest:
        chosen |= _chosen(read(said), sources, most=1)
    soft = [_said(text, reading.sentences[place].start, reading.sentences[place].end) for place in chosen]
    return tuple(_flat(text, soft, strong))


def _on(turn: Wire, number: int) -> Iterator[tuple[Sentence, Wire | None]]:
    """The claims that rest on a passage, each with its mark if it has one."""
    marks = {(mark["start"], mark["end"]): mark for mark in (turn["checked"] or {}).get("marks", ())}
    for each in _claims(turn["answer"] or ""):
        mark = marks.get((each.start, each.end))
        if number in each.cites or (mark and number in mark["passages"]):
            yield each, mark


@lru_cache(maxsize=64)
def _claims(answer: str) -> tuple[Sentence, ...]:
    return tuple(claims(answer))


@lru_cache(maxsize=64)
def _links(answer: str) -> Mapping[int, Sequence[int]]:
    """Where an answer links to each passage, in order; in its code are no links."""
    pieces = split_code(answer)
    pieces[1::2] = [" " * len(code) for code in pieces[1::2]]
    found: dict[int, list[int]] = {}
    for link in _LINK.finditer("".join(pieces)):
        found.setdefault(int(link[1]), []).append(link.start())
    return found


def _chosen(claim: Reading, sources: Sources, most: int = MOST) -> set[int]:
    """The sentences that hold most of the claim: the best one, and those that add to it."""
    wanted = _wanted(claim, sources.readings[0])
    total = sum(map(sources.rarity, wanted)) or 1.0
    covered: set[str] = set()
    chosen: set[int] = set()
    for place in sources.nearest(wanted, [0]):
        sentence = sources.sentence(place)
        if _HEADING.match(sources.readings[0].text, sentence.start):
            continue
        adds = (sentence.stems & wanted) - covered
        if sum(map(sources.rarity, adds)) / total >= (MORE if chosen else LEAST) and len(chosen) < most:
            covered |= adds
            chosen.add(place.sentence)
    return chosen


def _wanted(claim: Reading, reading: Reading) -> set[str]:
    """The stems of the claim, without the words of a number or date that the passage has in another form."""
    facts = [fact for fact, _ in claim.facts if any(_agree(fact, other) for other, _ in reading.facts)]
    return {
        word.stem
        for word in claim.words
        if word.stem in reading.places or (word.stem and not any(f.start <= word.start < f.end for f in facts))
    }


def _with_facts(claim: Reading, reading: Reading, chosen: set[int]) -> set[int]:
    """The sentences that state a number, date or code of the claim which those chosen do not."""
    last = len(reading.words) - 1
    there = [(fact, reading.words[min(at, last)].sentence) for fact, at in reading.facts] if last >= 0 else []
    added: set[int] = set()
    for fact, _ in claim.facts:
        places = [place for other, place in there if fact.kind != "name" and same(fact, other)]
        if places and not chosen.intersection(places) and (chosen or fact.kind != "number"):
            added.add(min(places, key=lambda place: min((abs(place - each) for each in chosen), default=0)))
    return added


def _shared(claim: Reading, reading: Reading, places: set[int]) -> Iterator[Range]:
    """The words and facts of these sentences that the claim has too."""
    stems = {word.stem for word in claim.words if word.stem}
    for place in places:
        sentence = reading.sentences[place]
        for word in reading.words[sentence.first : sentence.last]:
            if word.stem in stems:
                match = _WORD.match(reading.text, word.start)
                yield word.start, match.end() if match else word.start
    for fact, at in reading.facts:
        there = reading.words and reading.words[min(at, len(reading.words) - 1)].sentence in places
        if there and any(_agree(other, fact) for other, _ in claim.facts):
            yield fact.start, fact.end


def _agree(one: Fact, other: Fact) -> bool:
    return same(one, other) or same(other, one)


def _said(text: str, start: int, end: int) -> Range:
    """A sentence without the marks of its list, quotation or table around it."""
    found = _MARKUP.match(text, start, end)
    start = found.end() if found else start
    return start, start + len(text[start:end].rstrip(" \t\n|"))


def _flat(text: str, soft: Iterable[Range], strong: Iterable[Range]) -> Iterator[Highlight]:
    """Disjoint and in order: what is strong is cut out of what is soft, and one where only spaces stand between."""
    words = _joined(text, strong)
    for start, end in _joined(text, soft):
        at = start
        for first, last in words:
            first, last = max(first, start), min(last, end)
            if first >= last:
                continue
            if at < first:
                yield Highlight(at, first, False)
            yield Highlight(first, last, True)
            at = last
        if at < end:
            yield Highlight(at, end, False)


def _joined(text: str, ranges: Iterable[Range]) -> Sequence[Range]:
    made: list[Range] = []
    for start, end in sorted(ranges):
        if made and (start <= made[-1][1] or text[made[-1][1] : start] in (" ", "-")):
            made[-1] = made[-1][0], max(made[-1][1], end)
        elif start < end:
            made.append((start, end))
    return made
