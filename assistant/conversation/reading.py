"""A text read once for checking: its words, its sentences, its facts with their places, and what it negates."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

from assistant.conversation.facts import Fact, facts_in
from assistant.knowledge.values import singular

STEM = 6
"""Letters by which words are told apart: "approve", "approval"."""
SCOPE = 4
"""Words after a negation that it is taken to negate."""
NEGATIONS = frozenset(
    "not no never none nor neither without cannot nothing nobody nowhere hardly except unable lack lacks nicht kein "
    "keine keinen keinem keiner keines nie niemals ohne nichts niemand weder".split()
)
_COMMON = frozenset(
    "the and for are was were with that this from have has had you your our can will what when where which who how "
    "does did into about any all get may must should would could there their they them its been being out than then "
    "also just such some these those each other only over more most very much many it is of to in on an or do be as at "
    "by if me my we us so but he she his her i a not no ein eine einen einem einer der die das den dem des und oder ist "
    "sind wird werden wurde mit auf für von zu im in am an es sie er wir ihr ich man auch nur bei aus nach vor als wie "
    "dass kann können muss müssen soll sollen hat haben nicht kein keine bis pro um zum zur vom beim".split()
)
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[.,;:!?()|\n]")
_BREAK = re.compile(
    r"\n\s*\n|\n(?=\s*(?:[-*+|#>•]|\d+[.)]\s))|(?<=[!?;])\s+|(?<=[.!?][\"')\]])\s+(?=[A-ZÄÖÜ\d])|"
    r"(?<=\.)(?<![ap]\.m\.)(?<!\b[A-Z]\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bz\.B\.)\s+(?![a-zäöü])|\|[ \t]*\n|\n(?=[A-ZÄÖÜ•\d])"
)
_GERMAN = re.compile(r"\b(?:der|die|das|und|ist|nicht|für|mit|ein|eine|wird|werden|auf|von|den|dem|im|zu|sich|auch)\b", re.IGNORECASE)
_ENGLISH = re.compile(r"\b(?:the|and|is|are|not|for|with|a|an|of|to|in|on|be|by|that|this|it|you|can|from)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Word:
    """``stem`` is empty for a word that carries no meaning of its own; ``negated`` says that a negation stands just
    before it."""

    stem: str
    low: str
    start: int
    sentence: int
    negated: bool


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a text at ``[start, end)``; ``first`` and ``last`` bound its words."""

    start: int
    end: int
    first: int
    last: int
    stems: frozenset[str]
    negations: int


@dataclass(frozen=True, slots=True)
class Reading:
    """``places`` are the positions of each stem among the words; ``spaced`` holds all words in lower case, each
    between spaces."""

    text: str
    words: tuple[Word, ...]
    sentences: tuple[Sentence, ...]
    facts: tuple[tuple[Fact, int], ...]
    places: dict[str, list[int]]
    spaced: str
    german: bool


@lru_cache(maxsize=512)
def read(text: str) -> Reading:
    """The reading of a text, kept for the next time."""
    german = len(_GERMAN.findall(text)) > len(_ENGLISH.findall(text))
    words: list[Word] = []
    found: list[Sentence] = []
    for start, end in _sentences(text):
        first = len(words)
        words += _words(text, start, end, len(found))
        stems = frozenset(word.stem for word in words[first:] if word.stem)
        if len(words) > first:
            negations = sum(negates(word.low) for word in words[first:])
            found.append(Sentence(start, end, first, len(words), stems, negations))
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        if word.stem:
            places.setdefault(word.stem, []).append(place)
    starts = [word.start for word in words]
    facts = tuple((fact, bisect_left(starts, fact.start)) for fact in facts_in(text, german=german))
    spaced = f" {' '.join(word.low for word in words)} "
    return Reading(text, tuple(words), tuple(found), facts, places, spaced, german)


@lru_cache(maxsize=30_000)
def stem(word: str) -> str:
    """The beginning of a content word; nothing of any other."""
    word = word.removesuffix("'s").removesuffix("’s")
    if word in _COMMON or (len(word) < 2 and not word.isdigit()):
        return ""
    return singular(word)[:STEM]


@lru_cache(maxsize=30_000)
def negates(word: str) -> bool:
    """Whether a word in lower case turns what follows it."""
    return word in NEGATIONS or word.endswith(("n't", "n’t"))


def _sentences(text: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start = 0
    for gap in [*_BREAK.finditer(text), None]:
        end = gap.start() if gap else len(text)
        if text[start:end].strip():
            found.append((start, end))
        start = gap.end() if gap else end
    return found


def _words(text: str, start: int, end: int, sentence: int) -> list[Word]:
    made: list[Word] = []
    reach = 0
    for token in _TOKEN.finditer(text, start, end):
        low = token[0].casefold()
        if not low[0].isalnum():
            reach = reach if low in "\n" else 0
            continue
        if negates(low):
            made.append(Word("", low, token.start(), sentence, False))
            reach = SCOPE
            continue
        part = stem(low)
        made.append(Word(part, low, token.start(), sentence, bool(part) and reach > 0))
        reach -= bool(part)
    return made
