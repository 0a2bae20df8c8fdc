"""The values that a sentence states: dates, times, money, percentages, and numbers of something that is counted."""

from __future__ import annotations

import re

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|(?-i:May)|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATE = re.compile(
    rf"(?<![\d./-])(?:(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)|(?P<day3>\d\d?)\.(?P<month3>\d\d?)\.(?P<year3>\d{{4}})|"
    rf"(?P<day1>\d\d?)(?:st|nd|rd|th)?(?: of)? (?P<name1>{_MONTH})\b\.?(?:,? (?P<year1>\d{{4}}))?|"
    rf"\b(?P<name2>{_MONTH})\.? (?P<day2>\d\d?)(?:st|nd|rd|th)?\b(?:,? (?P<year2>\d{{4}}))?)(?![\d/-])",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d.,:$€£-])(?:(?P<hour>\d\d?)(?:[:.](?P<minute>[0-5]\d))? ?(?P<half>[ap](?:\.m\b\.?|m\b))|"
    r"(?P<hour24>\d\d?):(?P<minute24>[0-5]\d)(?![\d:])|(?P<noon>(?:12 )?noon|midday)\b)",
    re.IGNORECASE,
)
_AMOUNT = r"\d{1,3}(?:\.\d{3})+(?:,\d\d?)?(?![\d,.]*\d)|\d+(?:,\d{3})*(?:\.\d+|,\d\d?(?!\d))?"
_TIMES = r"(?:\s?(?P<{}>k|m|bn|thousand|million|billion)\b)?"
_NAMES = r"dollars?|euros?|pounds?|usd|eur|gbp|chf"
_MONEY = re.compile(
    rf"(?:(?P<sign>[$€£¥]|\b(?:usd|eur|gbp|chf)\s)\s?(?P<one>{_AMOUNT}){_TIMES.format('more')}|"
    rf"(?<![\d.,])(?P<two>{_AMOUNT}){_TIMES.format('much')}\s?(?P<name>[€£]|(?:{_NAMES})\b))",
    re.IGNORECASE,
)
_SIGNS = {"$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "dollar": "usd", "euro": "eur", "pound": "gbp"}
_MULTIPLES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
SPELT = {word: n for n, word in enumerate(_WORDS, 1)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
"""Numbers in words."""
_NUMBER = rf"(?:\d+(?:,\d{{3}})*(?:\.\d+)?|(?:{'|'.join(sorted(SPELT, key=len, reverse=True))})\b)"
_COUNT = re.compile(
    rf"(?<![\w.,/:#+–-])(?:(?P<low>{_NUMBER}) ?(?:-|–|to|or|and) ?)?(?P<number>{_NUMBER})(?![.,:/–-]?\d)"
    r"(?:(?P<percent> ?%| ?per ?cent\b)|(?=(?P<after>(?:[ -][a-z]+){1,4})))?",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"(?:\b(?:version|release|step|section|chapter|part|page|room|form|floor|level|grade|phase|stage|item|line|play|"
    r"figure|table|appendix|article|number|no|nr|code|id|zone|tier|ext|extension|phone|tel|fy|q)\b\.?|[\d)])\s*$",
    re.IGNORECASE,
)
_MEASURES = frozenset(
    "second minute hour day night week fortnight month quarter year mile kilometre kilometer metre meter foot "
    "feet inch gram kilogram pound kilo litre liter megabyte gigabyte people person employee guest seat ticket "
    "attempt".split()
)
_NO_UNIT = frozenset(
    "per and for the are was were has had have with from that this than then who which other more most least "
    "less not but can may must will would should into after before until each every".split()
)
_YEARS = range(1950, 2060)
_ANY = re.compile(rf"\d|\b(?:noon|midday|{'|'.join(SPELT)})\b", re.IGNORECASE)
"""What every value holds some of: most sentences have none, and need no closer reading."""

Values = dict[str, frozenset[str]]


def values_in(sentence: str) -> tuple[Values, str]:
    """The values by kind (``date``, ``time``, a currency, ``%``, or what is counted: "day"), and the sentence without
    them. Bare numbers, ordinals, years, versions, telephone and list numbers state nothing that could be compared."""
    found: dict[str, set[str]] = {}
    if not _ANY.search(sentence):
        return {}, sentence

    def take(kind: str, *values: str) -> str:
        found.setdefault(kind, set()).update(values)
        return " ; "

    def counted(match: re.Match[str]) -> str:
        kind = _kind(match)
        if kind is None or _LABELLED.search(match.string[: match.start()]):
            return match[0]
        return take(kind, *(_plain(number) for number in (match["low"], match["number"]) if number))

    rest = _DATE.sub(lambda match: take("date", _date(match)), sentence)
    rest = _TIME.sub(lambda match: take("time", *_times(match)) if _is_time(match) else match[0], rest)
    rest = _MONEY.sub(lambda match: take(_currency(match), _amount(match)), rest)
    rest = _COUNT.sub(counted, rest)
    return {kind: frozenset(values) for kind, values in found.items()}, rest


def agree(kind: str, ones: frozenset[str], others: frozenset[str]) -> bool:
    """Whether two statements have a value in common; a date without a year is that day of any year."""
    if ones & others:
        return True
    return kind == "date" and any(
        one.startswith(f"{two}-") or two.startswith(f"{one}-") for one in ones for two in others
    )


def singular(word: str) -> str:
    """An English noun without the ending of its plural."""
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def _kind(match: re.Match[str]) -> str | None:
    """What is counted: the first measure in the words that follow, else the first of these."""
    if match["percent"]:
        return "%"
    nouns: list[str] = []
    for word in re.split(r"[ -]", (match["after"] or "").casefold())[1:]:
        if len(word) < 3 or word in _NO_UNIT:
            break
        nouns.append(singular(word))
    number = match["number"]
    if number.startswith("0") or (number.isdigit() and int(number) in _YEARS):
        return None
    return next((noun for noun in nouns if noun in _MEASURES), nouns[0] if nouns else None)


def _plain(number: str) -> str:
    known = SPELT.get(number.casefold())
    return str(known) if known else f"{float(number.replace(',', '')):.10g}"


def _currency(match: re.Match[str]) -> str:
    name = (match["sign"] or match["name"]).strip().casefold().rstrip("s")
    return _SIGNS.get(name, name)


def _amount(match: re.Match[str]) -> str:
    number = match["one"] or match["two"]
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d\d?)?|\d+,\d\d?", number):
        number = number.replace(".", "").replace(",", ".")
    multiple = _MULTIPLES.get((match["more"] or match["much"] or "").casefold(), 1)
    return f"{float(number.replace(',', '')) * multiple:.10g}"


def _date(match: re.Match[str]) -> str:
    name = match["name1"] or match["name2"]
    month = _MONTHS.index(name.casefold()[:3]) + 1 if name else int(match["month"] or match["month3"])
    day = int(match["day"] or match["day1"] or match["day2"] or match["day3"])
    year = match["year"] or match["year1"] or match["year2"] or match["year3"]
    return f"{month}-{day}-{year}" if year else f"{month}-{day}"


def _is_time(match: re.Match[str]) -> bool:
    return bool(match["noon"]) or int(match["hour"] or match["hour24"]) < (13 if match["hour"] else 24)


def _times(match: re.Match[str]) -> list[str]:
    """The time on a clock of 24 hours; one that may be meant on one of 12 ("5:30") is both."""
    if match["noon"]:
        return ["12:00"]
    if match["half"]:
        late = 12 if match["half"][0] in "pP" else 0
        return [f"{int(match['hour']) % 12 + late}:{match['minute'] or '00'}"]
    hour, minute = int(match["hour24"]), match["minute24"]
    either = hour < 12 and len(match["hour24"]) == 1
    return [f"{hour}:{minute}", *([f"{hour + 12}:{minute}"] if either else [])]
