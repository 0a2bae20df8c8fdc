"""Makes data for the grounding check: true sentences with one fact exchanged for a plausible other one.

For fitting and measuring only. A value is exchanged for another of the same passages or for one that they do not hold;
a negation is put in or taken out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from assistant.conversation.facts import facts_in

Swap = Literal["number", "date", "name", "negation"]
FROM_PASSAGE = 0.35
"""How often the other value is one of the passages."""

_MONTHS = "January February March April May June July August September October November December".split()
_WORDS = "two three four five six seven eight nine ten twelve twenty thirty".split()
_NUMBER = re.compile(rf"(?<![\w-])\d[\d,]*(?:\.\d+)?(?![\w-]*\w)|\b(?:{'|'.join(_WORDS)})\b")
_YEAR = re.compile(r"\b(?:1[5-9]\d\d|20[0-3]\d)\b")
_VERB = re.compile(
    r"\b(is|are|was|were|can|will|must|should|may|has|have|does|do|did|could|would|ist|sind|wird|werden|kann|können)\b"
    r"(?! not|n't|not| nicht)"
)
_NEGATION = re.compile(r"\b(?:not|never|nicht) |n't\b|\bcannot\b|\bno (?=\w)|\bwithout\b", re.IGNORECASE)


def swapped(sentence: str, kind: Swap, text: str, names: Sequence[str], rng: random.Random) -> str | None:
    """The sentence with one fact of the kind exchanged, or None where it has none. ``text`` are its passages, ``names``
    other names of the collection."""
    made = _SWAPS[kind](sentence, text, names, rng)
    return made if made and made != sentence else None


def _number(sentence: str, text: str, _: Sequence[str], rng: random.Random) -> str | None:
    found = list(_NUMBER.finditer(sentence))
    if not found:
        return None
    match = rng.choice(found)
    old = match[0]
    others = [
        other.strip(",")
        for other in _NUMBER.findall(text)
        if other[0].isdigit() and other.strip(",") != old and abs(len(other) - len(old)) <= 1
    ]
    if old in _WORDS:
        new = rng.choice([word for word in _WORDS if word != old])
    elif others and rng.random() < FROM_PASSAGE:
        new = rng.choice(others)
    else:
        at = rng.choice([place for place, sign in enumerate(old) if sign.isdigit()][:2])
        new = old[:at] + rng.choice([digit for digit in "123456789" if digit != old[at]]) + old[at + 1 :]
    return sentence[: match.start()] + new + sentence[match.end() :]


def _date(sentence: str, text: str, _: Sequence[str], rng: random.Random) -> str | None:
    changes: list[tuple[int, str, str]] = []
    for fact in facts_in(sentence):
        if fact.kind != "date":
            continue
        changes += [
            (fact.start + fact.text.index(month), month, rng.choice([each for each in _MONTHS if each != month]))
            for month in _MONTHS
            if month in fact.text
        ]
        if day := re.search(r"\b[1-3]?\d\b", fact.text):
            other = rng.choice([str(n) for n in range(1, 29) if str(n) != day[0]])
            changes.append((fact.start + day.start(), day[0], other))
    for year in _YEAR.finditer(sentence):
        others = [each for each in _YEAR.findall(text) if each != year[0]]
        near = str(int(year[0]) + rng.choice([-12, -3, -2, -1, 1, 2, 4, 10]))
        changes.append((year.start(), year[0], rng.choice(others) if others and rng.random() < FROM_PASSAGE else near))
    if not changes:
        return None
    at, old, new = rng.choice(changes)
    return sentence[:at] + new + sentence[at + len(old) :]


def _name(sentence: str, text: str, names: Sequence[str], rng: random.Random) -> str | None:
    found = [fact for fact in facts_in(sentence) if fact.kind == "name"]
    if not found:
        return None
    fact = rng.choice(found)
    low = text.casefold()
    inside = [
        other.text
        for other in facts_in(text)
        if other.kind == "name" and 2 < len(other.text) < 35 and "\n" not in other.text
        and other.text.casefold() not in sentence.casefold() and fact.text.casefold() not in other.text.casefold()
    ]  # fmt: skip
    outside = [name for name in names if name.casefold() not in low and len(name.split()) == len(fact.text.split())]
    if inside and (rng.random() < FROM_PASSAGE or not outside):
        new = rng.choice(inside)
    elif outside:
        new = rng.choice(outside)
    else:
        return None
    return sentence[: fact.start] + new + sentence[fact.start + len(fact.text) :]


def _negation(sentence: str, _: str, __: Sequence[str], rng: random.Random) -> str | None:
    if found := list(_NEGATION.finditer(sentence)):
        match = rng.choice(found)
        instead = {"cannot": "can", "without": "with"}.get(match[0].casefold(), "")
        bare = sentence[: match.start()] + instead + sentence[match.end() :]
        return re.sub(r"\bca\b(?= )", "can", re.sub(r"\bwo\b(?= )", "will", bare))
    verbs = list(_VERB.finditer(sentence))
    if not verbs:
        return None
    match = rng.choice(verbs)
    german = match[1] in ("ist", "sind", "wird", "werden", "kann", "können")
    denied = "cannot" if match[1] == "can" else f"{match[1]} {'nicht' if german else 'not'}"
    return sentence[: match.start()] + denied + sentence[match.end() :]


_SWAPS: Mapping[Swap, Callable[[str, str, Sequence[str], random.Random], str | None]] = {
    "number": _number,
    "date": _date,
    "name": _name,
    "negation": _negation,
}
SWAPS: tuple[Swap, ...] = tuple(_SWAPS)
