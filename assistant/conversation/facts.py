"""The hard facts of a text: what can be checked without understanding it, in values that compare across spellings.

Numbers, amounts, dates and times, addresses, codes and names; English and German. Two facts are the same where one of
their readings is: "03/02/2026" is read in both ways, "two weeks" are 14 days, "1.200" is read as 1200 and as 1.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from assistant.conversation.citations import cited
from assistant.conversation.facts_words import CURRENCIES, MONTHS, MULTIPLES, ORDINALS, SAME, SPELT, UNITS, WEEKDAYS
from assistant.conversation.names import names_in

Kind = Literal["number", "amount", "date", "time", "email", "url", "code", "name", "citation"]
Reading = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fact:
    """``readings`` are (value, unit) pairs, more than one where the spelling leaves it open; a date is
    ``year-month-day`` with ``*`` for what it does not say. ``start`` and ``end`` are offsets in the text."""

    kind: Kind
    readings: frozenset[Reading]
    text: str
    start: int
    end: int


_Made = tuple[Kind, list[Reading]] | tuple[Kind, list[Reading], int]
_Read = Callable[[re.Match[str]], _Made | None]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a restyled text lost of its draft, and what it says that the draft does not; as written, in order."""

    lost: tuple[str, ...]
    invented: tuple[str, ...]

    @property
    def none(self) -> bool:
        """Whether every fact came through."""
        return not self.lost and not self.invented


def _any(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_NUMERAL = r"\d{1,3}(?:[,.’' ]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
_MONTH = rf"(?:{_any(name for name in MONTHS if name != 'may' and name != 'mar')}|(?-i:May|Mar))\b\.?"
_DAY = r"(?P<{}>[0-3]?\d)(?:st|nd|rd|th|\.)?"
_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"')\]]*[\w/]|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|gov|edu|io)(?:/[\w/.-]*\w)?"
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DATES = (
    re.compile(r"(?<![\d-])(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?![\d-])"),
    re.compile(r"(?<![\d./])(?P<a>\d\d?)(?P<by>[./])(?P<b>\d\d?)(?P=by)(?P<y>\d{4}|\d\d)(?![\d./]*\d)"),
    re.compile(rf"(?<![\d.,]){_DAY.format('d')} (?:of )?(?P<n>{_MONTH})(?:,? (?P<y>\d{{4}}))?", re.IGNORECASE),
    re.compile(rf"\b(?P<n>{_MONTH}) {_DAY.format('d')}(?!\d)\b(?:\s?,? (?P<y>\d{{4}}))?", re.IGNORECASE),
    re.compile(rf"\b(?P<n>{_MONTH}),?(?: of)? (?P<y>\d{{4}})\b", re.IGNORECASE),
    re.compile(rf"\b(?P<n>(?-i:{_any(name.title() for name in MONTHS if len(name) > 3)}|(?<=in )May|(?<=of )May))\b"),
    re.compile(rf"\b(?P<w>{_any(WEEKDAYS)})\b", re.IGNORECASE),
)
_DATE_WORDS = sorted({name[:3] for name in (*MONTHS, *WEEKDAYS)})
_TIME_SIGNS = (":", "am", "pm", "a.m", "p.m", "uhr", "noon", "midday", "mittags", "midnight", "mitternacht")
_TIME = re.compile(
    r"(?<![\d.,:$€£-])(?:(?P<h>\d\d?)(?:[:.](?P<min>[0-5]\d))? ?(?P<half>[ap])(?:\.m\b\.?|m\b)|"
    r"(?P<h24>[0-2]?\d):(?P<min24>[0-5]\d)(?![\d:])|(?P<uhr>[0-2]?\d)(?:[:.](?P<minuhr>[0-5]\d))? Uhr\b|"
    r"(?P<noon>(?:12 )?(?:noon|midday|mittags)|(?P<night>midnight|mitternacht))\b)",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w-])(?:\+\d{1,3}[ -]?)?(?:\(\d{2,5}\) ?|\d{2,5}[ -])\d{3,4}(?:[ -]\d{2,6})+(?![\w-])")
_CODE = re.compile(
    r"(?<![\w.@/-])(?=[\w./-]*\d)(?=[\w./-]*[A-Za-z])(?!\d+(?:(?:st|nd|rd|th|p|k|m|bn|km|cm|mm|kg|g|"
    r"h|mb|gb|kb|tb|s)\b|-[a-z]{3,}))"
    r"[A-Za-z0-9]+(?:[-./_][A-Za-z0-9]+)*(?![\w@-])|(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])",
    re.IGNORECASE,
)
_MORE = rf"(?:[ -]?(?P<more>{_any(MULTIPLES)})\b\.?)?"
_SIGN = r"[$€£¥]|\b(?:usd|eur|gbp|chf)(?= ?\d)"
_NUMBER = re.compile(
    rf"(?:(?P<sign>{_SIGN})\s?)?(?:(?<![\w.])(?P<minus>[-−](?=\d)))?(?<![\w.,])"
    rf"(?:(?P<digits>{_NUMERAL})(?P<nth>st|nd|rd|th|(?=\. ?[A-ZÄÖÜ]))?|(?P<word>{_any(SPELT)})(?![\w]))"
    rf"{_MORE}(?:[ -]?(?P<money>[€£$]|(?:{_any(name for name in CURRENCIES if len(name) > 2)}|p)\b)"
    rf"|[ -]?(?P<unit>%|per ?cent\b|°[CF]|(?:square |sq\.? )?[a-zäöüß]+))?",
    re.IGNORECASE,
)
_RANGE = re.compile(r"^ ?(?:-|–|to|bis|or|oder|and|und) ?$", re.IGNORECASE)
_ADJECTIVES = re.compile(
    r"[ -](?:(?:full|working|business|court|calendar|consecutive|volle[nr]?|more|extra)[ -])?([A-Za-zäöüß]+)"
)


def facts_in(text: str, *, german: bool = False) -> list[Fact]:
    """The facts of a text in their order; each character belongs to one at most. Citations are none."""
    found: list[Fact] = []
    left = text

    def take(pattern: re.Pattern[str], read: _Read) -> None:
        nonlocal left
        for match in pattern.finditer(left):
            if (made := read(match)) is None or not made[1]:
                continue
            kind, readings, end = made if len(made) == 3 else (*made, match.end())
            found.append(Fact(kind, frozenset(readings), text[match.start() : end].strip(), match.start(), end))
            left = left[: match.start()] + "\x01" * (end - match.start()) + left[end:]

    take(_MARKER, lambda match: ("citation", [("", "")]))
    take(_ENUMERATOR, lambda match: ("citation", [("", "")]))
    take(_EMAIL, lambda match: ("email", [(match[0].casefold(), "")]))
    take(_URL, lambda match: ("url", [(_address(match[0]), "")]))
    low = text.casefold()
    for pattern in _DATES if any(name in low for name in _DATE_WORDS) else _DATES[:2]:
        take(pattern, _date)
    if any(sign in low for sign in _TIME_SIGNS):
        take(_TIME, _time)
    take(_PHONE, lambda match: ("code", [(re.sub(r"\D", "", match[0]), "")]))
    take(_CODE, lambda match: ("code", [(re.sub(r"[\W_]", "", match[0]).casefold(), "")]))
    take(_NUMBER, _number)
    found += (
        Fact("name", frozenset({(name.casefold(), "")}), name, start, end)
        for name, start, end in names_in(left, german=german)
    )
    return _ranged(sorted((fact for fact in found if fact.kind != "citation"), key=lambda fact: fact.start), text)


_ENUMERATOR = re.compile(
    rf"(?:^|(?<=[:;.!?,] )|(?<=\n))\(?\d{{1,2}}[.)](?=\s+[A-ZÄÖÜ*]|\s*$)(?!\s+(?i:{_MONTH}))",
)
_MARKER = re.compile(r"(?<![\w\]])(?:\[\d{1,2}\])+(?!\()")


def same(one: Fact, other: Fact) -> bool:
    """Whether all that ``one`` says ``other`` says too: a date without its year is said by one with it. A unit that
    only one of the two names is no difference."""
    if one.kind == "date" and other.kind == "date":
        return any(_dates_agree(a, b) for a, _ in one.readings for b, _ in other.readings)
    if "number" in (one.kind, other.kind) and "date" in (one.kind, other.kind):
        number, date = (one, other) if one.kind == "number" else (other, one)
        return number is one and any(
            value in day.split("-") for value, _ in number.readings for day, _ in date.readings
        )
    if {one.kind, other.kind} > {"number", "amount"} or one.kind == other.kind or "name" not in (one.kind, other.kind):
        return any(a == b and (u == v or not u or not v) for a, u in one.readings for b, v in other.readings)
    return False


def compare(draft: str, other: str) -> Changes:
    """What must survive when ``draft`` is said in another voice: numbers, amounts, dates, names, addresses, codes and
    citations. Names count as kept wherever their words stand."""
    ours, theirs = facts_in(draft), facts_in(other)
    lost = _missing(ours, theirs, other)
    invented = _missing(theirs, ours, draft)
    before, after = cited(draft), cited(other)
    lost += [f"[{number}]" for number in before if number not in after]
    invented += [f"[{number}]" for number in after if number not in before]
    return Changes(tuple(dict.fromkeys(lost)), tuple(dict.fromkeys(invented)))


def _missing(facts: Iterable[Fact], others: list[Fact], text: str) -> list[str]:
    words = _spaced(text)
    missing = []
    for fact in facts:
        if fact.kind == "name":
            if _spaced(fact.text) in words or any(fact.readings == other.readings for other in others):
                continue
        elif any(same(fact, other) for other in others if other.kind != "name"):
            continue
        missing.append(fact.text)
    return missing


def _spaced(text: str) -> str:
    return " ".join(["", *re.findall(r"\w+", text.casefold()), ""])


def _address(url: str) -> str:
    return re.sub(r"^(?:https?://)?(?:www\.)?", "", url.casefold()).rstrip("/")


def _date(match: re.Match[str]) -> _Made | None:
    parts = match.groupdict()
    if parts.get("w"):
        return "date", [(WEEKDAYS[parts["w"].casefold()], "weekday")]
    year = parts.get("y") or "*"
    year = f"20{year}" if len(year) == 2 else year
    if parts.get("a"):
        a, b = int(parts["a"]), int(parts["b"])
        orders = [(a, b)] if parts["by"] == "." else [(a, b), (b, a)]
        days = [f"{year}-{month}-{day}" for day, month in orders if 1 <= month <= 12 and 1 <= day <= 31]
        return "date", [(day, "") for day in days]
    month = MONTHS[parts["n"].casefold().rstrip(".")] if parts.get("n") else int(parts["m"])
    day = int(parts.get("d") or 0)
    if not 1 <= month <= 12 or day > 31:
        return None
    return "date", [(f"{year}-{month}-{day or '*'}", "")]


def _dates_agree(one: str, other: str) -> bool:
    if "-" not in one or "-" not in other:
        return one == other
    return all(a in ("*", b) for a, b in zip(one.split("-"), other.split("-"), strict=True))


def _time(match: re.Match[str]) -> _Made | None:
    if match["noon"]:
        return "time", [("0:00" if match["night"] else "12:00", "")]
    hour = int(match["h"] or match["h24"] or match["uhr"])
    minute = match["min"] or match["min24"] or match["minuhr"] or "00"
    if hour > (12 if match["half"] else 24):
        return None
    if match["half"]:
        return "time", [(f"{hour % 12 + (12 if match['half'] in 'pP' else 0)}:{minute}", "")]
    both = match["h24"] is not None and len(match["h24"]) == 1
    return "time", [(f"{hour}:{minute}", ""), *([(f"{hour + 12}:{minute}", "")] if both else [])]


def _number(match: re.Match[str]) -> _Made | None:
    word = (match["word"] or "").casefold()
    values = [float(SPELT[word])] if word else _numerals(match["digits"])
    times = MULTIPLES.get((match["more"] or "").casefold(), 1)
    if match["minus"]:
        times = -times
    money = CURRENCIES.get((match["sign"] or match["money"] or "").casefold().strip())
    unit, end = (money, match.end("money")) if money else _unit(match)
    if match["nth"] or word in ORDINALS:
        unit, end = "", -1
    if end < 0:
        end = max(match.end("more"), match.end("nth"), match.end("word"), match.end("digits"))
    readings = [(f"{value * times:.10g}", unit) for value in values]
    if unit in SAME:
        factor, base = SAME[unit]
        readings += [(f"{value * times * factor:.10g}", base) for value in values]
    return ("amount" if money else "number"), readings, end


def _numerals(digits: str) -> list[float]:
    """What the digits may mean: "1,200" and "1.200" are thousands first, and decimals where they can be."""
    plain = re.sub(r"[’' ]", "", digits)
    marks = re.sub(r"\d", "", plain)
    if not marks:
        return [float(plain)]
    last = marks[-1]
    whole, _, part = plain.rpartition(last)
    decimal = float(re.sub(r"[.,]", "", whole) + "." + part)
    thousands = float(re.sub(r"[.,]", "", plain))
    if len(set(marks)) == 2 or len(part) != 3:
        return [decimal]
    if len(marks) > 1 or last == ",":
        return [thousands]
    return [thousands, decimal] if whole != "0" and len(whole) <= 3 else [decimal]


def _unit(match: re.Match[str]) -> tuple[str, int]:
    """The unit and where it ends; nothing and -1 where there is none."""
    after = (match["unit"] or "").casefold()
    if after.startswith(("per", "square", "sq")):
        unit = "%" if after.startswith("per") else f"sq {_known(after.split()[-1])}"
        return (unit, match.end()) if unit != "%" or after.endswith("cent") else ("", -1)
    if found := _known(after):
        return found, match.end()
    beyond = _ADJECTIVES.match(match.string, match.start("unit") - 1) if match["unit"] else None
    found = _known(beyond[1].casefold()) if beyond else ""
    return (found, beyond.end()) if beyond and found else ("", -1)


def _known(word: str) -> str:
    return UNITS.get(word) or UNITS.get(word.rstrip("s")) or ""


def _ranged(facts: list[Fact], text: str) -> list[Fact]:
    """The first of two numbers of a range has the unit of the second: "5 to 10 days"."""
    made: list[Fact] = []
    for fact in reversed(facts):
        after = made[-1] if made else None
        if (
            after is not None
            and fact.kind == "number"
            and after.kind in ("number", "amount")
            and not any(unit for _, unit in fact.readings)
            and _RANGE.match(text[fact.end : after.start])
        ):
            units = {unit for _, unit in after.readings if unit}
            if len(units) == 1:
                readings = frozenset((value, unit) for value, _ in fact.readings for unit in units)
                fact = Fact(after.kind, readings, fact.text, fact.start, fact.end)
        made.append(fact)
    return made[::-1]


def each_word(text: str) -> Iterator[re.Match[str]]:
    """The words of a text, with their places."""
    return re.finditer(r"[^\W_]+(?:['’][^\W_]+)?", text)
