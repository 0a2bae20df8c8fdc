"""What the chat page says, in the language of whoever reads it: the one reader of ``words.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from assistant.config_surfaces import LANGUAGES, Language
from ui.sentences import Sentences

FILE = Path(__file__).with_name("words.yaml")
__all__ = ["LANGUAGES", "Language", "Words", "language_of", "words"]
SCRIPT = ("chat", "list", "turn", "steer", "files", "keys", "notice")
"""Places whose texts the page's script may need."""
SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
_RANGE = re.compile(r"\s*(\*|[A-Za-z]{1,8})(?:-[\w-]*)?\s*(?:;\s*q=([\d.]{1,5})\s*)?")
_SWAPPED = str.maketrans(",.", ".,")


class Words(Mapping[str, str]):
    """The texts of one language by key, ``place.name``. A key that is not there raises KeyError; one with forms for
    numbers has, unasked, the form for many."""

    def __init__(self, language: Language, texts: Mapping[str, str | Mapping[str, str]], sentences: Sentences) -> None:
        self.language = language
        self._texts = texts
        self._sentences = sentences

    def __getitem__(self, key: str) -> str:
        found = self._texts.get(key)
        if found is None:
            raise KeyError(f"{key} ({self.language}) does not stand in {FILE.name}")
        return found if isinstance(found, str) else found["other"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __call__(self, key: str, **filled: object) -> str:
        """The text with its places filled in; ``count`` also decides about the form."""
        found = self._texts.get(key)
        if isinstance(found, Mapping) and filled.get("count") == 1:
            return found["one"].format(**filled)
        return self[key].format(**filled)

    def say(self, sentence: str) -> str:
        """A sentence that the assistant made in English, in this language; one that it does not know as it stands."""
        return self._sentences.say(sentence)

    def failure(self, failed: Mapping[str, Any]) -> str:
        """What a reader is told of an answer that failed: its own message where that is in their language."""
        if self.language == "en":
            return str(failed["message"])
        known = f"failed.{failed.get('code')}"
        return self[known] if known in self else self["failed.any"]

    def number(self, value: float, digits: int = 0) -> str:
        """A number with so many decimal places."""
        return self.figures(f"{value:,.{digits}f}")

    def figures(self, written: str) -> str:
        """A number as English writes it, as this language does."""
        return written if self.language == "en" else written.translate(_SWAPPED)

    def date(self, iso: str) -> str:
        """A day, or the day of a time, given as ISO 8601; what is none as it stands."""
        try:
            day = date.fromisoformat(iso[:10])
        except ValueError:
            return iso
        month = self["time.months"].split()[day.month - 1]
        return self("time.date", day=day.day, month=month, year=day.year)

    def price(self, amount: float, currency: str) -> str:
        """An amount of money, exact enough to tell cheap turns apart."""
        digits = 2 if amount >= 1 else 4 if amount >= 0.001 else 6
        sign, number = SIGNS.get(currency, currency), self.number(amount, digits)
        return f"{sign}{number}" if self.language == "en" and sign != currency else f"{number} {sign}"

    def joined(self, parts: Iterable[str]) -> str:
        """Reasons and the like as one line, each in this language."""
        return "; ".join(self.say(part) for part in parts)

    def for_script(self) -> dict[str, str]:
        """The texts that the page's script may need, by key; ``{…}`` is for it to fill in."""
        return {key: self[key] for key in self if key.partition(".")[0] in SCRIPT}


@cache
def words(language: Language) -> Words:
    """The texts of a language."""
    read = _read()
    texts = {
        f"{place}.{name}": text[language]
        for place, entries in read.items()
        if place != "sentences"
        for name, text in entries.items()
        if language in text
    }
    said = {english: other[language] for english, other in read["sentences"].items() if language in other}
    made = Sentences(said)
    return Words(language, texts, made)


@cache
def _read() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


@lru_cache(maxsize=256)
def language_of(accept_language: str | None, chosen: Literal["auto", "en", "de"] = "auto") -> Language:
    """The language to speak with a browser that sends this ``Accept-Language``, where a surface's setting leaves it
    open; English where it names none of ours."""
    if chosen != "auto":
        return chosen
    wanted: list[tuple[float, str]] = []
    for each in (accept_language or "").split(",")[:20]:
        if found := _RANGE.fullmatch(each):
            wanted.append((_quality(found[2]), found[1].lower()))
    wanted.sort(key=lambda pair: -pair[0])
    return next((known for quality, name in wanted if quality > 0 for known in LANGUAGES if name == known), "en")


def _quality(written: str | None) -> float:
    try:
        return min(float(written or 1), 1.0)
    except ValueError:
        return 0.0
