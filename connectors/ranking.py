"""How well a quote answers: a few signals of each, and how much they say together.

The signals are closeness in meaning (to the turn, and to the turn with its conversation), shared words by how rare they
are, the passage's rank, and the place in it. ``builtin_weights.json`` holds the weights and their card;
``python -m assistant.conversation.answers_fit`` fitted them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectors.base import DocumentPart, Embed
from connectors.extract import Quote, words

Floats = NDArray[np.float64]

SHORTLIST, READ = 12, 320
"""How many quotes are embedded, which words choose, and of how many characters of each."""
EARLIER_WEIGHT, ANSWER_WEIGHT = 0.27, 0.2
"""Weights of the earlier user turns, fading, and of the previous answer beside 1 for the turn, as in the search."""
DEPENDENT_WORDS = 16
"""A turn of so many words or fewer is taken to lean on its conversation; a longer one less and less."""
EARLIER, CHARACTERS = 3, 600
STEM = 6
SIGNALS = (
    "close",
    "close_conversation",
    "close_headed",
    "close_answer",
    "central",
    "words",
    "words_below_best",
    "words_earlier",
    "words_answer",
    "first_passage",
    "second_passage",
    "rank",
    "passage",
    "place",
    "length",
    "leans",
    "link",
    "refers",
    "value",
)

_REFERS = re.compile(r"\bsee \[|more information|learn more|click here|contact us|siehe \[|weitere informationen", re.I)
_ASKS_VALUE = re.compile(
    r"\bhow (?:many|much|long|old|far|often|soon|big)\b|\bwhen\b|what (?:year|date|time)|\bcosts?\b|\bprices?\b|"
    r"\bwann\b|\bwie (?:viele?|lange|oft|weit|hoch|teuer)\b|\bkostet\b",
    re.IGNORECASE,
)
_COMMON = frozenset(
    "the and for are was were with that this from have has had not you your our can will what when where which who how "
    "did does do into about any all may should would could there their they them its is be been to of in on at it we "
    "us an or if as by my me so no yes also just please tell know want need der die das und ist wie was wer ein eine "
    "ich für mit auf den dem wo wann".split()
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants to know: the turn, the earlier turns of theirs (newest first), the previous answer."""

    turn: str
    earlier: tuple[str, ...] = ()
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Quotes with their signals, one row each in the order of ``SIGNALS``, and their vectors, [quotes, dimension]."""

    quotes: tuple[Quote, ...]
    signals: Floats
    vectors: Floats


def rank(asked: Asked, documents: Sequence[DocumentPart], quotes: Sequence[Quote], embed: Embed) -> Ranked:
    """The quotes that words speak for, in the order of the documents, with their signals."""
    shared = _Shared.of(asked, documents, quotes)
    chosen = np.sort(np.argsort(-shared.first_look(quotes), kind="stable")[:SHORTLIST])
    kept = tuple(quotes[index] for index in chosen)
    shared = shared.of_these(chosen)
    earlier = [text[:CHARACTERS] for text in asked.earlier[:EARLIER]]
    said = [asked.turn, *earlier, *([asked.answer[:CHARACTERS]] if asked.answer else [])]
    headed = [_headed(quote, documents[quote.document]) for quote in kept]
    vectors = np.asarray(embed([*said, *(quote.text[:READ] for quote in kept), *headed]), dtype=np.float64)
    talk, plain, headed_ones = np.split(vectors, [len(said), len(said) + len(kept)])
    closeness = _Closeness.of(asked, talk, plain, headed_ones)
    signals = _signals(asked, kept, shared, closeness)
    return Ranked(kept, signals, plain)


def _headed(quote: Quote, document: DocumentPart) -> str:
    return f"{_above(quote, document)}: {quote.head} {quote.text}".strip(": ")[: READ + READ // 4]


def _above(quote: Quote, document: DocumentPart) -> str:
    return " ".join(part for part in (document.title, document.section, quote.under) if part)


def content(text: str) -> list[str]:
    """The stems of the words of a text that mean something."""
    return [word[:STEM] for word in words(text) if len(word) > 1 and word not in _COMMON]


@dataclass(frozen=True, slots=True)
class _Shared:
    """The share of the words of the turn, of the earlier turns and of the previous answer that each quote holds,
    rare words counting more; ``headed`` counts those of the headings above as well."""

    turn: Floats
    headed: Floats
    earlier: Floats
    answer: Floats

    @classmethod
    def of(cls, asked: Asked, documents: Sequence[DocumentPart], quotes: Sequence[Quote]) -> _Shared:
        held = [frozenset(content(f"{quote.head} {quote.text}")) for quote in quotes]
        above = [frozenset(content(_above(quote, documents[quote.document]))) for quote in quotes]
        counts = Counter(word for each in held for word in each)
        rarity = {word: math.log1p(len(held) / (0.5 + count)) for word, count in counts.items()}
        unseen = math.log1p(2 * len(held))

        def share(wanted: Iterable[str], sets: Sequence[frozenset[str]]) -> Floats:
            weights = {word: rarity.get(word, unseen) for word in wanted}
            total = sum(weights.values()) or 1.0
            return np.array([sum(weights[word] for word in weights.keys() & each) / total for each in sets])

        turn = frozenset(content(asked.turn))
        earlier = frozenset(content(" ".join(asked.earlier[:2]))) - turn
        answer = frozenset(content(asked.answer[:CHARACTERS])) - turn - earlier
        both = [one | other for one, other in zip(held, above, strict=True)]
        return cls(share(turn, held), share(turn, both), share(earlier, held), share(answer, held))

    def of_these(self, chosen: NDArray[np.intp]) -> _Shared:
        return _Shared(self.turn[chosen], self.headed[chosen], self.earlier[chosen], self.answer[chosen])

    def first_look(self, quotes: Sequence[Quote]) -> Floats:
        """What words and the order of the passages say before anything is embedded."""
        place = np.array([quote.document for quote in quotes])
        return self.headed + 0.1 * self.turn + 0.5 * self.earlier + 0.3 * self.answer - 0.06 * place


@dataclass(frozen=True, slots=True)
class _Closeness:
    """Cosines of the quotes, alone and with their headings, to the turn with its conversation; of the quotes alone to
    the turn, to the previous answer, and to the other quotes that are nearest."""

    alone: Floats
    conversation: Floats
    headed: Floats
    answer: Floats
    central: Floats

    @classmethod
    def of(cls, asked: Asked, talk: Floats, plain: Floats, headed: Floats) -> _Closeness:
        leans = min(1.0, DEPENDENT_WORDS / max(len(asked.turn.split()), 1)) ** 2
        mixed = talk[0].copy()
        earlier = talk[1:-1] if asked.answer else talk[1:]
        for age, vector in enumerate(earlier):
            mixed += leans * EARLIER_WEIGHT / (age + 1) * vector
        if asked.answer:
            mixed += leans * ANSWER_WEIGHT * talk[-1]
        mixed /= max(float(np.linalg.norm(mixed)), 1e-9)
        others = np.sort(plain @ plain.T, axis=1)[:, -6:-1]
        central = others.mean(axis=1) if others.shape[1] else np.zeros(len(plain))
        answer = plain @ talk[-1] if asked.answer else np.zeros(len(plain))
        return cls(plain @ talk[0], plain @ mixed, headed @ mixed, answer, central)


def _signals(asked: Asked, quotes: Sequence[Quote], shared: _Shared, close: _Closeness) -> Floats:
    place = np.array([quote.document for quote in quotes])
    together = close.headed + 0.5 * shared.turn
    means = {number: float(np.sort(together[place == number])[-4:].mean()) for number in set(place.tolist())}
    last = {number: max(q.position for q in quotes if q.document == number) for number in means}
    asks_value = _ASKS_VALUE.search(asked.turn) is not None
    columns: dict[str, Floats | list[float]] = {
        "close": close.alone,
        "close_conversation": close.conversation,
        "close_headed": close.headed,
        "close_answer": close.answer,
        "central": close.central,
        "words": shared.turn,
        "words_below_best": shared.turn - shared.turn.max(),
        "words_earlier": shared.earlier,
        "words_answer": shared.answer,
        "first_passage": (place == 0).astype(float),
        "second_passage": (place == 1).astype(float),
        "rank": place.astype(float),
        "passage": [means[number] for number in place.tolist()],
        "place": [quote.position / max(1, last[quote.document]) for quote in quotes],
        "length": [math.log(1 + len(words(quote.text))) for quote in quotes],
        "leans": [float(quote.leans) for quote in quotes],
        "link": [float(quote.text.count("http")) for quote in quotes],
        "refers": [float(_REFERS.search(quote.text) is not None) for quote in quotes],
        "value": [float(asks_value and any(map(str.isdigit, quote.text))) for quote in quotes],
    }
    return np.column_stack([columns[name] for name in SIGNALS]).astype(np.float64)
