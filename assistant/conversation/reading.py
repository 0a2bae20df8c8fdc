"""A text read once for checking: its words, its sentences, its facts with their places, and what it negates."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

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
    "by if me my we us so but he she his her i a not no ein eine einen einem einer der die das den "
    "dem des und oder ist "
    "sind wird werden wurde mit auf für von zu im in am an es sie er wir ihr ich man auch nur bei aus nach vor als wie "
    "dass kann können muss müssen soll sollen hat haben nicht kein keine bis pro um zum zur vom beim".split()
)
_ENDINGS = (("ing", 3), ("ed", 3), ("en", 4), ("es", 4), ("e", 4), ("t", 5), ("n", 5))
_FORMS = {
    form: verb
    for verb, forms in {
        "pay": "paid", "send": "sent", "keep": "kept", "hold": "held", "give": "gave given", "buy": "bought",
        "sell": "sold",
        "leav": "left", "lose": "lost", "take": "took taken", "find": "found", "make": "made making", "tell": "told",
        "write": "wrote written writing", "choose": "chose chosen", "begin": "began begun", "use": "used using",
        "get": "got gotten", "meet": "met", "build": "built", "bring": "brought", "know": "knew known",
        "go": "went gone",
        "say": "said", "see": "saw seen", "show": "shown", "break": "broke broken", "spend": "spent", "win": "won",
        "two": "2 zwei", "three": "3 drei", "four": "4 vier", "five": "5 fünf", "six": "6 sechs", "seven": "7 sieben",
        "eight": "8 acht", "nine": "9 neun", "ten": "10 zehn", "twelve": "12 zwölf",
    }.items()
    for form in forms.split()
}  # fmt: skip
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[.,;:!?()|\n]")
_BREAK = re.compile(
    r"\n\s*\n|\n(?=\s*(?:[-*+|#>•]|\d+[.)]\s))|(?<=[!?;])\s+|(?<=[.!?][\"')\]])\s+(?=[A-ZÄÖÜ\d])|"
    r"(?<=\.)(?<![ap]\.m\.)(?<!\b[A-Z]\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bz\.B\.)\s+(?![a-zäöü])|"
    r"\|[ \t]*\n|\n(?=[A-ZÄÖÜ•\d])"
)
_ITEM = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s")
_LEADS = re.compile(r"^\s*#|:[*_\s]*\Z")
"""A heading or a lead-in: what it denies, it denies of the list below it."""
_GERMAN = re.compile(
    r"\b(?:der|die|das|und|ist|sind|nicht|kein|keine|für|mit|ein|eine|einen|wird|werden|auf|von|vom|"
    r"den|dem|im|zu|zum|sich|auch|"
    r"pro|bei|nach|oder|wer|wie|bis|ab|am|muss|müssen|kann|können|sie|wir|nur|gelten|gilt|\w*[äöüß]\w*)\b",
    re.IGNORECASE,
)
_ENGLISH = re.compile(
    r"\b(?:the|and|is|are|not|for|with|a|of|to|on|be|by|that|this|it|you|can|cannot|from|or|your|we|may|at|as)\b",
    re.IGNORECASE,
)


class Word(NamedTuple):
    """``stem`` is empty for a word that carries no meaning of its own; ``negated`` counts from 1 the words with meaning
    after a negation, and is 0 where none reaches."""

    stem: str
    low: str
    start: int
    sentence: int
    negated: int


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
    sample = text[:800]
    german = len(_GERMAN.findall(sample)) > len(_ENGLISH.findall(sample))
    words: list[Word] = []
    found: list[Sentence] = []
    denied = False
    for start, end in _sentences(text):
        first = len(words)
        made = _words(text, start, end, len(found))
        item = bool(_ITEM.match(text, start))
        words += (
            [word._replace(negated=word.negated or 2) if word.stem else word for word in made]
            if denied and item
            else made
        )
        if not item:
            denied = bool(_LEADS.search(text, start, end)) and any(negates(word.low) for word in made)
        stems = frozenset(word.stem for word in words[first:] if word.stem)
        if len(words) > first:
            negations = sum(negates(word.low) for word in words[first:]) + (denied and item)
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
    if word in _FORMS:
        return _FORMS[word]
    word = singular(word)
    for ending, left in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= left:
            word = word[: -len(ending)]
            break
    return word[:STEM]


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
            reach = reach if low in "\n:(" else 0
            continue
        if negates(low):
            made.append(Word("", low, token.start(), sentence, 0))
            reach = 1
            continue
        part = stem(low)
        made.append(Word(part, low, token.start(), sentence, reach if part else 0))
        if part and reach:
            reach = (reach + 1) % (SCOPE + 1)
    return made
