"""What a citation looks like, in the forms that models write: ``[1]``, ``[2, 3]``, ``[1–3]``, ``[^1]``, ``[[1]]``,
``[doc 1]``, ``【1†source】``, ``(Source 2)``. Matched one at a time, and told from what may yet become one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST = 64
"""Characters of a marker; a longer bracket is text."""
OPENERS = "[【［("
_SPREAD = 99
"""Numbers that a range may stand for; no turn has more passages."""
_WORDS = (
    "cit citation citations doc docs document documents passage passages ref refs reference references source sources "
    "src beleg belege dokument dokumente quelle quellen"
).split()
_JOINS = ("and", "to", "und", "bis")
_UNSEEN = "\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f"
_H = f"[{_UNSEEN}]*+"
_Z = f"[ \\t\xa0\u202f{_UNSEEN}]*+"
_TAIL = r"(?:†[^\[\]【】［］()\n]{0,40}+)"
_NUMBER = rf"\d(?:{_H}\d)*+(?::\d+)?+"
_WORD = rf"(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))}){_Z}[.:#]?{_Z}"
_ITEM = rf"(?:[\^#]{_Z}|{_WORD})?{_NUMBER}{_Z}{_TAIL}?"
_DASH = "\u2010-\u2015\u2212-"
_JOIN = rf"(?:{_Z}(?:[,;&{_DASH}]|{'|'.join(_JOINS)}){_Z}|(?<= ))"
_MORE = rf"(?:{_JOIN}{_ITEM})*"


def _begun(words: Sequence[str]) -> str:
    """Any beginning of these words, the longest first."""
    found = {word[:size] for word in words for size in range(1, len(word) + 1)}
    return "|".join(sorted(found, key=lambda each: (-len(each), each)))


_ITEM_BEGUN = rf"(?:[\^#]{_Z}|{_WORD}|(?:{_begun(_WORDS)})|{_ITEM}|{_NUMBER}:|)"
_JOIN_BEGUN = rf"(?:{_JOIN}(?:{_ITEM_BEGUN})|{_Z}(?:{_begun(_JOINS)}))"
_ITEMS_BEGUN = rf"{_Z}(?:{_ITEM}{_MORE}(?:{_JOIN_BEGUN})?|{_ITEM_BEGUN})"
_WHOLE = re.compile(
    rf"\[\[{_Z}{_ITEM}{_MORE}{_Z}\]\]|\[{_Z}{_ITEM}{_MORE}{_Z}\]|【{_Z}{_ITEM}{_MORE}{_Z}】|［{_Z}{_ITEM}{_MORE}{_Z}］"
    rf"|\({_Z}{_WORD}{_NUMBER}{_Z}{_MORE}{_Z}\)",
    re.IGNORECASE,
)
_BEGUN = re.compile(
    rf"(?:\[\[?|【|［){_ITEMS_BEGUN}{_Z}|\[\[{_Z}{_ITEM}{_MORE}{_Z}\]"
    rf"|\({_Z}(?:(?:{_begun(_WORDS)})|{_WORD}(?:{_NUMBER}:?{_Z}{_MORE}(?:{_JOIN_BEGUN})?{_Z})?|)",
    re.IGNORECASE,
)
_PARTS = re.compile(rf"(?P<number>{_NUMBER})(?:{_Z}{_TAIL})?|(?P<range>[{_DASH}]|\bto\b|\bbis\b)", re.IGNORECASE)
_HIDDEN = re.compile(f"[{_UNSEEN}]+")
_YEAR = re.compile(r"\[(?:19|20)\d\d(?:[-\u2013/]\d{2,4})?\]")
_FROM_ZERO = re.compile(r"\[0+[^\d\]]")


@dataclass(frozen=True, slots=True)
class Marker:
    """``numbers`` are those it names, in order, ranges spelt out; a text is a number that no passage can have."""

    end: int
    numbers: tuple[int | str, ...]


def marker_at(text: str, at: int) -> Marker | None:
    """The marker that begins at ``at``. A year in brackets and an interval from zero are none."""
    match = _WHOLE.match(text, at, at + LONGEST)
    if match is None or _YEAR.fullmatch(match[0]) or _FROM_ZERO.match(match[0]):
        return None
    return Marker(match.end(), tuple(_numbers(match[0])))


def begins(text: str, at: int) -> bool:
    """Whether all that ``text`` holds from ``at`` on may be the beginning of a marker."""
    return len(text) - at < LONGEST and _BEGUN.fullmatch(text, at) is not None


def _numbers(marker: str) -> list[int | str]:
    found: list[int | str] = []
    ranged = False
    for part in _PARTS.finditer(marker):
        if part["range"]:
            ranged = True
            continue
        written = _HIDDEN.sub("", part["number"])
        number: int | str = written if ":" in written else int(written)
        last = found[-1] if ranged and found else None
        if isinstance(number, int) and isinstance(last, int) and last < number:
            found += range(last + 1, min(number, last + _SPREAD))
        found.append(number)
        ranged = False
    return found
