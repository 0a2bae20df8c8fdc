"""Which quotes make the answer: few, of the passages that say the most, nothing twice, nothing left hanging."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from connectors.extract import Quote, words
from connectors.ranking import SIGNALS, Floats, Ranked

WEIGHTS = Path(__file__).parent / "builtin_weights.json"
MOST_QUOTES, MOST_WORDS, MOST_SUPPORT = 4, 100, 2
MARGIN = 0.2
"""How far below the best quote's score another one may lie and still be said."""
PASSAGE_MARGIN, PASSAGE_RANK = 0.12, 0.08
"""The same for passages, by the mean of their three best quotes; each further rank counts against one."""
MOST_PASSAGES = 3
ALIKE, CONTAINED = 0.92, 0.85
"""The cosine, or the share of a quote's words held by another, from which two say the same."""
NEVER = -1e9


@cache
def read_weights(file: Path = WEIGHTS) -> Floats:
    """The shipped weights, or those of a file, in the order of ``SIGNALS``; they are in the signals' own units."""
    found = json.loads(file.read_text(encoding="utf-8"))["weights"]
    return np.array([found[name] for name in SIGNALS], dtype=np.float64)


def select(ranked: Ranked, weights: Floats, most: int = MOST_QUOTES) -> list[Quote]:
    """The quotes to be said, at most ``most``, in the order of the documents. Empty where nothing can be quoted."""
    if not ranked.quotes:
        return []
    scores = _of_best_passages(ranked.quotes, ranked.signals @ weights)
    chosen: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        if len(chosen) >= most or scores[index] < scores.max() - MARGIN:
            break
        needed = [each for each in _with_support(ranked.quotes, index) if each not in chosen]
        if needed and not chosen:
            needed += _completing(ranked.quotes, index)
        if needed and len(chosen) + len(needed) <= most and _fits(ranked, chosen, needed):
            chosen += needed
    chosen = chosen or [int(scores.argmax())]
    return [ranked.quotes[index] for index in sorted(chosen)]


def _of_best_passages(quotes: Sequence[Quote], scores: Floats) -> Floats:
    """The scores, with those of other passages than the best few pushed out of reach."""
    place = np.array([quote.document for quote in quotes])
    worth = {
        number: float(np.sort(scores[place == number])[-3:].mean()) - PASSAGE_RANK * number
        for number in set(place.tolist())
    }
    best = max(worth.values())
    kept = [each for each in sorted(worth, key=lambda number: -worth[number]) if worth[each] >= best - PASSAGE_MARGIN]
    return np.where(np.isin(place, kept[:MOST_PASSAGES]), scores, NEVER)


def _with_support(quotes: Sequence[Quote], index: int) -> list[int]:
    """A quote with those before it that it leans on; empty where they cannot be said along."""
    needed = [index]
    while quotes[needed[0]].leans:
        first, before = quotes[needed[0]], needed[0] - 1
        if before < 0 or len(needed) == MOST_SUPPORT or not _follows(quotes[before], first):
            return []
        needed.insert(0, before)
    return needed


def _completing(quotes: Sequence[Quote], index: int) -> list[int]:
    """What leans on a quote and goes on from it, as in "Five days. They must be used by June"."""
    after = index + 1
    goes_on = after < len(quotes) and quotes[after].leans and _follows(quotes[index], quotes[after])
    return [after] if goes_on else []


def _follows(one: Quote, other: Quote) -> bool:
    return (one.document, one.position + 1, one.under) == (other.document, other.position, other.under)


def _fits(ranked: Ranked, chosen: Sequence[int], needed: Sequence[int]) -> bool:
    """Whether there is room, and whether it says something new."""
    quotes = ranked.quotes
    if chosen:
        length = sum(len(words(quotes[each].text)) for each in (*chosen, *needed))
        if length > MOST_WORDS:
            return False
    return not any(_alike(ranked, one, other) for one in needed for other in chosen)


def _alike(ranked: Ranked, one: int, other: int) -> bool:
    if float(ranked.vectors[one] @ ranked.vectors[other]) > ALIKE and ranked.quotes[one].kind != "row":
        return True
    first, second = (frozenset(words(ranked.quotes[each].text)) for each in (one, other))
    return len(first & second) > CONTAINED * min(len(first), len(second)) and ranked.quotes[one].kind != "row"
