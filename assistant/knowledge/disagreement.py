"""Passages that state different values for the same thing: the newer one leads, the older one says so.

Without a language model: sentences of two documents that say the same in mostly the same words, or that both hold what
the turn asks for, and give values of one kind (days, money, a percentage, a date, a time) that differ. In doubt nothing
is said: who is told that a passage is out of date where it is not stops to believe it. So sentences that differ in whom
or what they are about ("full-time", "in Paris") are about different things. Of two sections under a heading that is
asked for, and about as near to the turn, the newer goes first as well, without a word about the older one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from assistant.knowledge.documents import Chunk
from assistant.knowledge.values import Values, agree, singular, values_in

SHARED_WORDS = 3
SHARED_PART = 0.6
SHARED_PART_OF_LONGER = 0.4
"""Words that two sentences must share, and which parts of theirs, to be about the same thing whatever is asked."""
SAME_WORDS = 0.8
"""Which part of the longer sentence's words the two share where one word of the turn in them is enough."""
ASKED_WORDS = 2
ASKED_PART, ASKED_PART_WITH_HEAD, ASKED_PART_OF_LONGER = 0.6, 0.8, 0.3
"""How many words of the turn both sentences must hold. Where they are less alike: which part of the turn's, the second
where some stand only in the headings above, and which part of the longer sentence's they must share."""
SAME_ASKED = 0.75
"""Which part of the turn's words that either holds both must hold."""
ABOUT_AS_NEAR = 0.15
"""The cosine by which an older section of the same heading may be nearer to the turn, and yet the newer goes first."""
MUCH_NEWER = timedelta(days=90)
MOST_VALUES = 3
"""Values of one kind in a sentence; more are a list, in which each is about something else."""

_BREAK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+|#>]|\d+[.)]\s))|\|\s*\n|(?<=[!?;])\s+|(?<=\.)(?<![ap]\.m\.)\s+(?![a-z])")
_HEADING = re.compile(r"\s*#{1,6} ")
_TOKEN = re.compile(r"[^\W\d_]+|[^\s\w-]")
_COMMON = frozenset(
    "the and for are was were with that this from have has had not you your our can will what when where which "
    "who how does did into about any all get gets may must should would could there their they them its been "
    "being out than then also just per each every only more most less least within after before until till many "
    "much long often take takes need know tell please want give gives receive receives entitled allowed now new "
    "currently today".split()
)
_STAFF = frozenset("employ staff worker collea people everyo".split())
_KIND_OF_PAGE = frozenset("policy guide handbo memo update news notice faq rule page draft final archiv manual".split())
_NARROWER = frozenset(
    "full part domest intern abroad foreig contra intern volunt manage superv execut senior junior fellow "
    "weeken weekda monday tuesda wednes thursd friday saturd sunday winter summer spring autumn first second "
    "third minimu maximu basic premiu standa expres econom child adult studen partne annual sick parent matern "
    "patern bereav milita unpaid monthl weekly daily yearly quarte former except additi extra partia initia "
    "renew".split()
)


@dataclass(frozen=True, slots=True)
class _Statement:
    """``words`` are those of the sentence without its values and units, ``near`` those with the headings above it;
    ``led`` are pairs of a word and the one before it, ``whom`` the words that follow a "for"."""

    words: frozenset[str]
    near: frozenset[str]
    head: frozenset[str]
    title: frozenset[str]
    names: frozenset[str]
    led: frozenset[tuple[str, str]]
    whom: frozenset[str]
    values: Values
    row: bool


def newer_leads(chunks: Sequence[Chunk], asked: str, near: Sequence[float] = ()) -> tuple[list[int], dict[int, int]]:
    """The order in which passages stand when the newer of two that disagree leads, as indices into ``chunks``, and for
    each older one the index of the newest that disagrees with it. ``asked`` is the turn with what it follows, ``near``
    how near each passage is to it, as a cosine; without it only those that disagree change places."""
    wanted = frozenset(_words(asked))
    older: dict[int, int] = {}
    for one, first in enumerate(chunks):
        for two, second in enumerate(chunks):
            if not _is_older(first, second) or not _differ(_statements(first), _statements(second), wanted):
                continue
            best = older.get(one)
            if best is None or _is_older(chunks[best], second):
                older[one] = two
    order = list(range(len(chunks)))
    again = [
        (old, new) for old in order for new in order[old + 1 :] if near and _supersedes(chunks, near, new, old, wanted)
    ]
    for old, new in sorted([*older.items(), *again]):
        if order.index(new) > order.index(old):
            order.remove(new)
            order.insert(order.index(old), new)
    return order, older


def _supersedes(chunks: Sequence[Chunk], near: Sequence[float], new: int, old: int, wanted: frozenset[str]) -> bool:
    """Whether a section stands under what is asked for as an older one does, is as near, and gives figures too."""
    one, other = chunks[old], chunks[new]
    if not _is_older(one, other) or near[old] - near[new] > ABOUT_AS_NEAR:
        return False
    if one.modified is None or other.modified is None or other.modified - one.modified < MUCH_NEWER:
        return False
    before, after = (
        frozenset(_words(chunk.below_title[-1])) if chunk.below_title else frozenset() for chunk in (one, other)
    )
    named = before & wanted
    return bool(named) and named <= after and all(any(map(str.isdigit, chunk.text)) for chunk in (one, other))


def _is_older(one: Chunk, other: Chunk) -> bool:
    if (one.collection, one.source, one.document) == (other.collection, other.source, other.document):
        return False
    return one.modified is not None and other.modified is not None and one.modified < other.modified


def _differ(ones: Sequence[_Statement], others: Sequence[_Statement], wanted: frozenset[str]) -> bool:
    """Whether sentences about the same thing give values of one kind that have nothing in common. A value that the
    other passage gives too, in whatever sentence of the matter, differs from nothing in it."""
    return any(
        _same_thing(one, other, wanted)
        and any(
            not agree(kind, one.values[kind], other.values[kind])
            and not _repeated(kind, one, others, wanted)
            and not _repeated(kind, other, ones, wanted)
            for kind in kinds
        )
        for one in ones
        for other in others
        if (kinds := one.values.keys() & other.values.keys())
    )


def _repeated(kind: str, one: _Statement, others: Sequence[_Statement], wanted: frozenset[str]) -> bool:
    return any(
        kind in other.values and _touches(one, other, wanted) and agree(kind, one.values[kind], other.values[kind])
        for other in others
    )


def _touches(one: _Statement, other: _Statement, wanted: frozenset[str]) -> bool:
    return bool(one.words & other.words & wanted) or one.words == other.words


def _same_thing(one: _Statement, other: _Statement, wanted: frozenset[str]) -> bool:
    shared = one.words & other.words
    held, either = wanted & one.near & other.near, wanted & (one.near | other.near)
    if _same_row(one, other, wanted):
        return True
    if not held or len(held) < SAME_ASKED * len(either) or not _touches(one, other, wanted):
        return False
    if _told_apart(one, other, shared):
        return False
    shorter, longer = sorted((len(one.words), len(other.words)))
    asked = min(ASKED_WORDS, len(wanted))
    alike = len(shared) >= max(SHARED_WORDS, SHARED_PART * shorter, SHARED_PART_OF_LONGER * longer)
    if alike and (len(shared) >= SAME_WORDS * longer or len(shared & wanted) >= asked):
        return True
    leans_on_head = not held <= shared | frozenset(map(_stem, one.values))
    if leans_on_head and _contrast(one.head, other.head):
        return False
    part = ASKED_PART_WITH_HEAD if leans_on_head else ASKED_PART
    return len(held) >= max(asked, part * len(wanted)) and len(shared) >= ASKED_PART_OF_LONGER * longer


def _same_row(one: _Statement, other: _Statement, wanted: frozenset[str]) -> bool:
    """Whether the two are rows of tables under headings that name what is asked, with the label that is asked for."""
    if not (one.row and other.row) or one.words != other.words or not one.words or not one.words <= wanted:
        return False
    under = (one.near & other.near & wanted) - one.words
    return bool(under) and not (one.near ^ other.near) & _NARROWER


def _told_apart(one: _Statement, other: _Statement, shared: frozenset[str]) -> bool:
    """Whether words of theirs say that the two are about different cases."""
    if (one.near ^ other.near) & _NARROWER or _contrast(one.title, other.title):
        return True
    if (one.names - other.near and other.names - one.near) or _contrast(one.whom, other.whom, touching=False):
        return True
    before, after = dict(one.led), dict(other.led)
    return any(word in before and word in after and before[word] != after[word] for word in shared)


def _contrast(one: frozenset[str], other: frozenset[str], *, touching: bool = True) -> bool:
    """Whether each has words that the other lacks: "Leave in Germany", "Leave in France"."""
    return bool(one - other and other - one and (one & other or not touching))


@lru_cache(maxsize=512)
def _statements(chunk: Chunk) -> tuple[_Statement, ...]:
    found: list[_Statement] = []
    above = chunk.heading
    for sentence in (" ".join(piece.split()) for piece in _BREAK.split(chunk.text) if piece):
        if _HEADING.match(sentence):
            above = f"{chunk.heading} {sentence}"
            continue
        values, rest = values_in(sentence)
        values = {kind: each for kind, each in values.items() if len(each) <= MOST_VALUES}
        if values:
            found.append(_statement(rest, values, above, chunk.title, sentence.startswith("|")))
    return tuple(found)


def _statement(rest: str, values: Values, above: str, title: str, row: bool) -> _Statement:
    tokens = _TOKEN.findall(rest)
    stems = [_stem(token) for token in tokens]
    units = frozenset(_stem(kind) for kind in values)
    words = frozenset(stem for stem in stems if stem) - units
    head = frozenset(_words(above)) - _KIND_OF_PAGE
    return _Statement(
        words=words,
        near=words | units | head,
        head=head,
        title=frozenset(_words(title)) - _KIND_OF_PAGE,
        names=frozenset(_stem(token) for token in tokens[1:] if token[0].isupper()) & words,
        led=frozenset((stems[n], stems[n - 1]) for n in range(1, len(stems)) if {stems[n], stems[n - 1]} <= words),
        whom=frozenset(stems[n + 1] for n, token in enumerate(tokens[:-1]) if token.casefold() == "for") & words,
        values=values,
        row=row,
    )


def _words(text: str) -> list[str]:
    return [stem for stem in map(_stem, _TOKEN.findall(text)) if stem]


def _stem(token: str) -> str:
    """The beginning of a content word, nothing of any other."""
    word = token.casefold()
    if len(word) < 3 or word in _COMMON:
        return ""
    stem = singular(word)[:6]
    return "staff" if stem in _STAFF else stem
