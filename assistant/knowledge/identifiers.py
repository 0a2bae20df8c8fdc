"""Identifiers in a text: what a tokenizer that cuts at every mark and nowhere else does not see of them.

It takes ``getUserName`` for one word and ``ERR_CONN_RESET`` for three. People search for either by their parts, by
the whole, and in another spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 60
"""Characters, of a whole that is worth a word of its own; what is longer is an address or a checksum."""
MOST_PARTS = 8

_CHAIN = re.compile(r"\w+(?:(?:::|->|[./\\-])\w+)*")
_LINKS = re.compile(r"::|->|[./\\]")
_MARKS = re.compile(r"[\W_]+")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)", re.IGNORECASE)
_PART = re.compile(r"[Aa]0+|0+[Aa](?![Aa])|A{2,}a(?!a)|A+(?!a)|A?a+|0+")
"""In the shape of a word: A for a capital, a for another letter, 0 for a digit; ``PDFs``, ``v2``, ``18F`` are one."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """``whole`` in one word, in whatever way it was written: ``get_user`` is ``getuser``; ``parts`` of two characters
    and more. ``seen`` tells that the whole is what a tokenizer sees; otherwise it sees the parts."""

    whole: str
    parts: tuple[str, ...]
    seen: bool


def identifiers(text: str) -> Iterator[Identifier]:
    """The identifiers of a text in order; of ``a.b_c.dE`` it gives the chain, its links and their humps."""
    for match in _CHAIN.finditer(text):
        chain = match[0]
        if chain.isalpha():
            if not (chain[1:].islower() or chain.isupper()):
                yield from _humps(chain)
        elif not chain.isdigit() and len(chain) <= 2 * LONGEST:
            yield from _linked(chain)


def _linked(chain: str) -> Iterator[Identifier]:
    links = [link for link in _LINKS.split(chain) if link.strip("_")]
    if len(links) > 1:
        yield from _marked(chain)
    for link in links:
        if _MARKS.search(link.strip("_")):
            yield from _marked(link)
        for word in _MARKS.split(link):
            yield from _humps(word)


def _marked(text: str) -> Iterator[Identifier]:
    """Words with marks between, as one word."""
    words = tuple(word for word in _MARKS.split(text) if word)
    size = sum(map(len, words))
    if 1 < len(words) <= MOST_PARTS and len(words) < size <= LONGEST and not all(word.isdigit() for word in words):
        yield Identifier(_run_together(words), words, seen=False)


def _humps(word: str) -> Iterator[Identifier]:
    """A word with capitals or digits within."""
    if len(word) > LONGEST or _ORDINAL.fullmatch(word):
        return
    shape = "".join("A" if c.isupper() else "0" if c.isdigit() else "a" for c in word)
    parts = [word[part.start() : part.end()] for part in _PART.finditer(shape)]
    longer = tuple(part for part in parts if len(part) > 1)
    if 1 < len(parts) <= MOST_PARTS and longer:
        yield Identifier(word.lower(), longer, seen=True)


def _run_together(words: tuple[str, ...]) -> str:
    """As one word; a letter that no language writes keeps the digits of two apart, as in 1.12 and 11.2."""
    joined = words[0]
    for word in words[1:]:
        joined += "ǀ" + word if joined[-1].isdigit() and word[0].isdigit() else word
    return joined.lower()
