"""Where a link of an answer may lead. What a model was told by a document it may write into an address, and a click
would carry it away; so a link is one only where its address is not the model's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from markdown_it.common.normalize_url import normalizeLink

_ADDRESS = re.compile(r"https?://(?:(?!\]\()[^\s<>\"`\\])+", re.IGNORECASE)
_MAIL = re.compile(r"(?:mailto:)?([\w.+-]+@[\w-]+(?:\.[\w-]+)+(?:\?[^\s<>()\"`]*)?)", re.IGNORECASE)
_AFTER = ".,;:!?'*_~|]}»”’"


def nowhere(url: str) -> bool:
    """No address is allowed."""
    return False


class Links:
    """The addresses that stand in these passages of the turn, whole, and all of these ``hosts``: ``example.org`` is
    that host alone, ``*.example.org`` those below it, ``*`` all. Read from the passages when first asked."""

    def __init__(self, passages: Iterable[Mapping[str, Any]], hosts: Sequence[str] = ()) -> None:
        self._passages = tuple(passages)
        self._hosts = tuple(host.casefold() for host in hosts)

    def allow(self, url: str) -> bool:
        """Whether a link may lead to this http, https or mailto address, as Markdown normalises it."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").casefold()
        except ValueError:
            return False
        if parts.scheme.lower() == "mailto":
            host = parts.path.rpartition("@")[2].casefold() if not parts.query and "," not in parts.path else ""
        elif "@" in parts.netloc or "\\" in url or "%5C" in parts.netloc.upper():
            return False
        return self._knows(host) or _same(url) in self._addresses

    def _knows(self, host: str) -> bool:
        if not host:
            return False
        below = any(host.endswith(each[1:]) for each in self._hosts if each.startswith("*."))
        return below or host in self._hosts or "*" in self._hosts

    @cached_property
    def _addresses(self) -> frozenset[str]:
        texts = (str(found.get(name) or "") for found in self._passages for name in ("text", "document"))
        return frozenset(_same(normalizeLink(url)) for text in texts for url in _written(text))


def _written(text: str) -> Iterator[str]:
    """The addresses in a text, without the punctuation that ends the sentence or the link they stand in."""
    for match in _ADDRESS.finditer(text):
        url = match[0].rstrip(_AFTER)
        yield url
        while url.endswith(")") and url.count(")") > url.count("("):
            url = url[:-1].rstrip(_AFTER)
            yield url
    for match in _MAIL.finditer(text):
        yield f"mailto:{match[1].rstrip(_AFTER)}"


def _same(url: str) -> str:
    """One form for addresses that differ in the case of scheme and host, or in a slash at the end."""
    scheme, mark, rest = url.partition(":")
    start = re.match(r"//[^/?#]*", rest)
    if start:
        rest = start[0].lower() + rest[start.end() :]
    return (scheme.lower() + mark + rest).removesuffix("/")
