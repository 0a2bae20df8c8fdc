"""From single chunks to what people read: near-duplicates folded, neighbours joined to one passage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import Hit
from assistant.knowledge.values import SPELT

LEADING = 3
"""Documents that each have their best passage before any has a second one."""
PER_DOCUMENT = 2
"""Passages of one document that may come before those of all others."""
ALIKE = 0.8
"""Share of the shorter text's word triples that the other one holds, from which the two say the same."""
READABLE = 900
"""Characters that a passage is filled up to with its neighbours, where it is only a part of its section."""
LONGEST = 2000
"""Characters of the longest passage that is joined."""

_WORD = re.compile(r"\w+")
_DECIDING = SPELT.keys() | frozenset(
    "not no never nor none without except only cannot unless nicht kein keine ohne pas sans sin".split()
)
"""Words that turn what a sentence says, as numbers do, and numbers in words."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A passage in the making: neighbouring chunks as one, the best of the hits among them, and the documents whose
    near-duplicates it stands for."""

    chunk: Chunk
    hit: Hit
    duplicates: tuple[Chunk, ...] = ()


def varied(hits: Iterable[Hit]) -> list[Hit]:
    """The hits in their order, but the first of ``LEADING`` documents before any second one, and from the third on of
    one document after all others: one long page must not crowd out the page next to it."""
    seen: Counter[tuple[str, str, str]] = Counter()
    first: list[Hit] = []
    second: list[Hit] = []
    rest: list[Hit] = []
    for hit in hits:
        key = hit.chunk.collection, hit.chunk.source, hit.chunk.document
        seen[key] += 1
        if seen[key] == 1 and len(first) < LEADING:
            first.append(hit)
        else:
            (second if seen[key] <= PER_DOCUMENT else rest).append(hit)
    return first + second + rest


@dataclass(frozen=True, slots=True)
class _Said:
    """What a text says, to be compared: its word triples, its words, and those that decide what it means, in order."""

    triples: frozenset[tuple[str, ...]]
    words: frozenset[str]
    deciding: tuple[str, ...]


def folded(hits: Sequence[Hit], limit: int) -> list[tuple[Hit, tuple[Chunk, ...]]]:
    """The first ``limit`` hits that say different things, each with the later ones that say the same. Of two that say
    the same below like headings, the one of the newer document stands for both."""
    kept: list[tuple[Hit, list[Chunk]]] = []
    texts: list[_Said] = []
    for hit in hits:
        said = _said(hit.chunk.text)
        twin = next((n for n, other in enumerate(texts) if _alike(said, other)), None)
        if twin is None:
            if len(kept) == limit:
                break
            kept.append((hit, []))
            texts.append(said)
            continue
        standing, others = kept[twin]
        if _same_place(standing.chunk, hit.chunk):
            continue
        if _newer(hit.chunk, standing.chunk) and _like_headings(hit.chunk, standing.chunk):
            others.append(standing.chunk)
            kept[twin] = (replace(hit, score=standing.score), others)
        else:
            others.append(hit.chunk)
    return [(hit, tuple(others)) for hit, others in kept]


def _said(text: str) -> _Said:
    words = _WORD.findall(text.casefold())
    triples = frozenset(zip(words, words[1:], words[2:], strict=False)) or frozenset({tuple(words)})
    known = frozenset(words)
    decide = {word for word in known if not word.isalpha() and any(map(str.isdigit, word))} | (known & _DECIDING)
    return _Said(triples, known, tuple([word for word in words if word in decide]))


def _alike(one: _Said, other: _Said) -> bool:
    """Another number or another name in a long text leaves most triples as they were, and must not be folded away: so
    the numbers are the same, and only one of the two has words that the other lacks."""
    small, large = sorted((one, other), key=lambda said: len(said.triples))
    if len(large.triples) > 2 * len(small.triples) or one.deciding != other.deciding:
        return False
    if one.words - other.words and other.words - one.words:
        return False
    return len(small.triples & large.triples) >= ALIKE * len(small.triples)


def _like_headings(one: Chunk, other: Chunk) -> bool:
    """Whether the headings could be those of one text in two versions, and not of two things ("Model A", "Model B")."""
    words = [{w for w in _WORD.findall(chunk.heading.casefold()) if not w.isdigit()} for chunk in (one, other)]
    return words[0] <= words[1] or words[1] <= words[0]


def _same_place(one: Chunk, other: Chunk) -> bool:
    return (one.collection, one.source, one.document) == (other.collection, other.source, other.document)


def _newer(one: Chunk, other: Chunk) -> bool:
    return one.modified is not None and other.modified is not None and one.modified > other.modified


def neighbours(chunk: Chunk) -> list[str]:
    """Ids of the chunks before and after, which may not exist."""
    places = (chunk.position - 1, chunk.position + 1)
    return [chunk.id_at(place) for place in places if 0 <= place < chunk.of]


def joined(hits: Sequence[tuple[Hit, tuple[Chunk, ...]]], around: Mapping[str, Chunk]) -> list[Joined]:
    """Each hit with its neighbours as one readable passage. Hits that stand next to each other become one passage, in
    the place of the better one; ``around`` holds the neighbours by id."""
    made: list[Joined] = []
    taken: set[str] = set()
    found = {hit.chunk.id: hit.chunk for hit, _ in hits}
    doubles = {hit.chunk.id: others for hit, others in hits}
    for hit, _ in hits:
        if hit.chunk.id in taken:
            continue
        run = _run(hit.chunk, found, around, taken)
        taken.update(chunk.id for chunk in run)
        duplicates = tuple(other for chunk in run for other in doubles.get(chunk.id, ()))
        made.append(Joined(as_one(run, hit.chunk), hit, duplicates))
    return made


def _run(chunk: Chunk, found: Mapping[str, Chunk], around: Mapping[str, Chunk], taken: set[str]) -> list[Chunk]:
    """The chunk with the found ones that touch it, filled up from the rest of its section."""
    run = [chunk]
    for side in (1, -1):
        while len(run) < 4:
            edge = run[-1] if side == 1 else run[0]
            place = edge.position + side
            identity = edge.id_at(place)
            if not 0 <= place < edge.of or identity in taken:
                break
            after = found.get(identity) or around.get(identity)
            if after is None or not _belongs(after, edge, run, hit=identity in found):
                break
            run.insert(len(run) if side == 1 else 0, after)
    return run


def _belongs(candidate: Chunk, edge: Chunk, run: Sequence[Chunk], *, hit: bool) -> bool:
    size = run[-1].end - run[0].start
    if max(run[-1].end, candidate.end) - min(run[0].start, candidate.start) > LONGEST:
        return False
    return hit or (candidate.section == edge.section and size < READABLE)


def as_one(run: Sequence[Chunk], best: Chunk) -> Chunk:
    """Neighbouring chunks as one, its text that of the document from the first to the last, its section and page those
    of the best one, its line where that section begins in it."""
    first, last = run[0], run[-1]
    if len(run) == 1:
        return first
    text = first.text + "".join(chunk.gap + chunk.text for chunk in run[1:])
    line = next(chunk.line for chunk in run if chunk.section == best.section)
    return replace(first, text=text, end=last.end, section=best.section, page=best.page, line=line)
