"""What a document is called and how old it is."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

LONGEST_TITLE = 150

_DATE_FIELDS = [
    "last_modified",
    "lastmod",
    "modified",
    "last_updated",
    "updated",
    "updated_at",
    "last_update",
    "last_reviewed",
    "reviewed",
    "review_date",
    "date_modified",
    "date_updated",
    "date_reviewed",
    "date_approved",
    "approved",
    "date_published",
    "published",
    "publish_date",
    "effective_date",
    "date",
    "created",
]
_DATE_FORMS = [
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d.%m.%y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%y",
    "%d-%m-%Y",
    "%Y-%m",
    "%B_%d,_%Y",
    "%b_%d,_%Y",
    "%B_%d_%Y",
    "%d_%B_%Y",
    "%d_%b_%Y",
    "%d-%b-%Y",
    "%B_%Y",
    "%b_%Y",
]
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b|\b(?:at|um|on|of) .*$|\s+\d{1,2}:\d\d.*$", re.IGNORECASE)
_MAKER = re.compile(r"^Microsoft (?:Word|PowerPoint|Excel) - ", re.IGNORECASE)
_MEANINGLESS = re.compile(
    r"(?:untitled|unbenannt|document|dokument|word document|powerpoint[- ]pr(?:[aä]|e)sentation|presentation|"
    r"title|titel|template|slide|page|new|none|null|normal|scan|microsoft word)?[\s_-]*"
    r"(?:document|dokument|page)?[\s_-]*\d*|.*\.(?:docx?|pptx?|xlsx?|pdf|dotx?|indd|rtf|odt|tmp|html?|md)|[^\w]*|\w?",
    re.IGNORECASE,
)
_INDEX = frozenset({"index", "readme", "default", "_index", "home"})


def parse_date(value: object) -> date | None:
    """A date in the forms people and programs write; where only the order is in doubt, month before day."""
    if isinstance(value, date):
        found: date | None = value.date() if isinstance(value, datetime) else value
    elif isinstance(value, int | str):
        found = _from_text(" ".join(str(value).split()))
    else:
        found = None
    return found if found and 1970 <= found.year <= 2200 else None


def _from_text(text: str) -> date | None:
    for form in (text, text[:10]):
        try:
            return datetime.fromisoformat(form).date()
        except ValueError:
            continue
    plain = _ORDINAL.sub("", text).strip().replace(" ", "_")
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(plain, form).date()
        except ValueError:
            continue
    try:
        return parsedate_to_datetime(text).date()
    except (ValueError, TypeError, IndexError):
        return None


def stated_date(fields: Mapping[str, object]) -> date | None:
    """When a page was last changed, reviewed, approved or published, in that order, by its front matter."""
    return next((found for name in _DATE_FIELDS if (found := parse_date(fields.get(name)))), None)


def stated_title(value: object) -> str | None:
    """A title that a person gave: not a file name, a program's default or a number."""
    if not isinstance(value, str | int):
        return None
    title = _MAKER.sub("", " ".join(html.unescape(str(value)).split()))
    return None if _MEANINGLESS.fullmatch(title) else shortened(title)


def shortened(title: str, longest: int = LONGEST_TITLE) -> str:
    """At most ``longest`` characters, cut at a word where there is one."""
    if len(title) <= longest:
        return title
    cut = title[: longest - 1]
    return (cut[: cut.rfind(" ")] if cut.rfind(" ") > longest // 2 else cut).rstrip() + "…"


def title_from(uri: str, keep_suffix: bool = False) -> str:
    """A path's last part made readable; the folder's name where that part is an index page."""
    path = PurePosixPath(unquote(urlsplit(uri).path if "://" in uri else uri))
    if keep_suffix:
        return shortened(path.name)
    stem = path.stem if path.stem.lower() not in _INDEX or not path.parent.name else path.parent.name
    words = " ".join(re.sub(r"[_+]+|(?<!\s)-+(?!\s)", " ", stem).split()) or path.name
    return shortened(words[0].upper() + words[1:] if words else uri)
