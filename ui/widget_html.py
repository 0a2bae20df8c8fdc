"""The second net below our own renderer: HTML of exactly the elements, attributes and classes that the widget shows."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import nh3

_BAR = re.compile(r'<span class="bar">(?:<span class="bar-\w+" style="[^"<>]*"></span>)*</span>')
_ALIGNED = re.compile(r'(<t[hd]) style="text-align:(left|right|center)"')
_BARE = re.compile(r'(<[a-z][a-z0-9]*) class=""')
_CITATION = re.compile(r"#cite-[\w-]{1,8}-\d{1,3}")
_CITED = '<a href="#cite-'
TAGS = frozenset(
    "a b blockquote br code dd details div dl dt em h1 h2 h3 h4 h5 h6 hr li mark ol p pre s small span strong summary "
    "table tbody td th thead tr ul".split()
)
CLASSES = {
    "a": {"cite"},
    "details": {"route", "route-voice", "route-retrieve", "route-both", "route-ask", "corrected"},
    "div": {"said", "code"},
    "mark": {"strong", "soft"},
    "p": {"notice", "evidence", "check", "failed", "note", "code-head"},
    "pre": {"plain", "numbered"},
    "span": {"task", "code-language", "mark", "unsupported", "partly", "why", "line"},
    "th": {"left", "right", "center"},
    "td": {"left", "right", "center"},
}
_READ = {"dir": {"auto", "ltr"}, "tabindex": {"0"}}
_VALUES = {
    "a": {"target": {"_blank"}, "rel": {"noopener noreferrer nofollow"}},
    **{tag: {"dir": {"auto"}} for tag in ("blockquote", "ol", "ul")},
    **{tag: _READ for tag in ("div", "pre", "span", "table")},
}


def safe(html: str) -> str:
    """The HTML with what the widget does not show taken away; addresses are http, https, mailto and our citations."""
    html = _ALIGNED.sub(r'\1 class="\2"', _BAR.sub("", html))
    return _BARE.sub(r"\1", _net().clean(html)).replace(_CITED, f'<a class="cite" {_CITED[3:]}')


def json_in_html(value: Any) -> str:
    """JSON for a ``script`` element: in ASCII, and with nothing in it that could end the element."""
    made = json.dumps(value, separators=(",", ":"))
    return made.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _net() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(TAGS),
        clean_content_tags={"script", "style"},
        attributes={"a": {"href"}, "ol": {"start"}, "span": {"data-line"}},
        tag_attribute_values={tag: {name: set(those) for name, those in each.items()} for tag, each in _VALUES.items()},
        allowed_classes={tag: set(those) for tag, those in CLASSES.items()},
        url_schemes={"http", "https", "mailto"},
        url_relative=lambda url: url if _CITATION.fullmatch(url) else None,
        link_rel=None,
        strip_comments=True,
    )
