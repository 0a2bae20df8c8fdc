"""Gaps for whoever writes the documents: as CSV and as Markdown, with e-mail addresses and phone numbers masked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

from assistant.desk.answers_export import table
from assistant.desk.gaps import Asked, Gap

Form = Literal["csv", "markdown"]
HEADS = ("gap", "question", "question_before", "asked_at", "why", "comment", "nearest_documents", "gap_asked",
         "gap_people", "gap_first", "gap_last")  # fmt: skip
EXAMPLES = 10
"""Questions of a gap in the Markdown."""
MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
PHONE = re.compile(r"(?<![\w.,/:-])(?:\+|00|\(?0)?\(?\d[\d ()/.\u00a0-]{5,18}\d(?![\w]|[.,:/-]\d)")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|(?:19|20)\d{2}\s*[-/]\s*(?:19|20)?\d{2}")
DIGITS = 7
"""A number of fewer digits is no phone number."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+.!|~-])")
_BREAKS = re.compile(r"\s+")
WHY = {
    "not_in_documents": "not in the documents",
    "partly": "partly answered, thumb down",
    "missing": "said to lack something",
}


def masked(text: str) -> str:
    """The text with [e-mail] in place of e-mail addresses and [phone] in place of phone numbers; dates stay."""
    return PHONE.sub(_phone, MAIL.sub("[e-mail]", text))


def exported(gaps: Sequence[Gap], form: Form, *, mask: bool = True) -> str:
    """The gaps in the order given. CSV has a row a question, Markdown a heading a gap with its newest questions."""
    hide = masked if mask else str
    return _csv(gaps, hide) if form == "csv" else _markdown(gaps, hide)


def _phone(found: re.Match[str]) -> str:
    number = found[0]
    digits = sum(letter.isdigit() for letter in number)
    return number if digits < DIGITS or DATE.fullmatch(number.strip()) else "[phone]"


def _csv(gaps: Sequence[Gap], hide: Callable[[str], str]) -> str:
    rows: list[Sequence[object]] = [HEADS]
    for gap in gaps:
        told = (len(gap.asked), gap.people, _day(gap.asked[-1].made_at), _day(gap.asked[0].made_at))
        for each in gap.asked:
            nearest = "; ".join(f"{title} ({similarity:.2f})" for title, similarity in each.nearest)
            at = each.made_at.astimezone(UTC).isoformat(timespec="seconds")
            texts = (hide(gap.name.text), hide(each.text), hide(each.before), at, WHY[each.why], hide(each.comment))
            rows.append([*texts, nearest, *told])
    return "\ufeff" + table(rows)


def _markdown(gaps: Sequence[Gap], hide: Callable[[str], str]) -> str:
    lines = ["# Questions that the documents do not answer", ""]
    for gap in gaps:
        times, people = _many(len(gap.asked), "time"), _many(gap.people, "person", "people")
        first, last = _day(gap.asked[-1].made_at), _day(gap.asked[0].made_at)
        lines += [f"## {_plain(hide(gap.name.text))}", ""]
        lines += [f"Asked {times} by {people}, first on {first}, last on {last}.", ""]
        if gap.nearest:
            nearest = (f"{_plain(title)} ({similarity:.2f})" for title, similarity in gap.nearest)
            lines += [f"Documents that came closest: {', '.join(nearest)}.", ""]
        lines += [f"- {_question(each, hide)}" for each in _different(gap.asked)[:EXAMPLES]] + [""]
    return "\n".join(lines)


def _question(each: Asked, hide: Callable[[str], str]) -> str:
    text = _plain(hide(each.text))
    text += f" (after: {_plain(hide(each.before))})" if each.before else ""
    return text + (f" – {_plain(hide(each.comment))}" if each.comment else "")


def _different(asked: Sequence[Asked]) -> list[Asked]:
    return list({each.compared.casefold(): each for each in reversed(asked)}.values())[::-1]


def _plain(text: str) -> str:
    """One line in which no Markdown is read."""
    return _MARKDOWN.sub(r"\\\1", _BREAKS.sub(" ", text).strip())


def _many(number: int, one: str, more: str = "") -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}"
