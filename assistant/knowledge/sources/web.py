"""Web pages: one by its address, or all that a sitemap names."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import mimetypes
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from email.message import Message
from pathlib import PurePosixPath
from typing import Any, Self
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from assistant.knowledge.documents import Document
from assistant.knowledge.loading import MAX_BYTES, ReadError
from assistant.knowledge.properties import parse_date
from assistant.knowledge.readers import SUFFIXES, read_bytes
from assistant.knowledge.sources import OUTWARD, Fetched, Gone, Listed, Listing, SourceError, SourceSpec
from assistant.knowledge.sources.http import PATIENT, Page, Patience, Web, last_modified, token
from assistant.knowledge.sources.names import Patterns
from assistant.knowledge.sources.urls import is_web, masked, path_of, same_site, uri_of

MOST_PAGES = 50_000
"""What one sitemap may name by its own standard (sitemaps.org), here for all of an index together."""
_DEEPEST = 3
_OFFICE = "application/vnd.openxmlformats-officedocument"
_SUFFIX_OF = {
    "text/html": ".html",
    "application/xhtml+xml": ".xhtml",
    "application/pdf": ".pdf",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/x-rst": ".rst",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/xml": ".xml",
    "text/xml": ".xml",
    f"{_OFFICE}.wordprocessingml.document": ".docx",
    f"{_OFFICE}.presentationml.presentation": ".pptx",
    f"{_OFFICE}.spreadsheetml.sheet": ".xlsx",
}
_BINARY = frozenset({".pdf", ".docx", ".pptx", ".xlsx", ".xlsm"})
_NO_DOCUMENT = ("image/", "audio/", "video/", "font/")


class PageSource:
    """One page."""

    def __init__(self, spec: SourceSpec, patience: Patience = PATIENT) -> None:
        self.spec = spec
        self._web = Web(spec.location, patience, outward=bool(spec.options.get(OUTWARD)))

    async def __aenter__(self) -> Self:
        await self._web.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._web.__aexit__()

    async def list(self) -> Listing:
        return Listing((Listed(uri_of(self.spec.location)),))

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        return await fetched(self._web, self.spec.location, listed.uri, known)


class SitemapSource:
    """The pages that a sitemap, or an index of sitemaps, names on its own site."""

    def __init__(self, spec: SourceSpec, patience: Patience = PATIENT) -> None:
        self.spec = spec
        self._patterns = Patterns(spec)
        self._limit = int(spec.options.get("limit") or MOST_PAGES + 1)
        self._web = Web(spec.location, patience, outward=bool(spec.options.get(OUTWARD)))
        self._entries: dict[str, _Entry] = {}

    async def __aenter__(self) -> Self:
        await self._web.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._web.__aexit__()

    async def list(self) -> Listing:
        found: dict[str, _Entry] = {}
        await self._read(self.spec.location, {self.spec.location}, _DEEPEST, found)
        if len(found) > MOST_PAGES:
            raise SourceError(f"{self.spec.label} names more than {MOST_PAGES} pages: set a limit")
        self._entries = found
        return Listing(tuple(Listed(uri) for uri in found))

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        entry = self._entries.get(listed.uri, _Entry(listed.uri))
        return await fetched(self._web, entry.address, listed.uri, known, entry.changed)

    def _is_wanted(self, address: str) -> bool:
        return (
            is_web(address)
            and same_site(address, self.spec.location)
            and not (mimetypes.guess_type(urlsplit(address).path)[0] or "").startswith(_NO_DOCUMENT)
            and self._patterns.take(unquote(path_of(address)))
        )

    async def _read(self, address: str, seen: set[str], depth: int, found: dict[str, _Entry]) -> None:
        """Adds the pages of a sitemap and of those that it names to ``found``, up to the limit. Raises SourceError if
        any of them cannot be read: what is missing in it would look deleted."""
        try:
            page = await self._web.get(address)
            sitemap = await asyncio.to_thread(_parsed, page)
        except (ReadError, Gone) as error:
            raise SourceError(f"the sitemap {masked(address)} cannot be read: {error}") from error
        for entry in sitemap.pages:
            if len(found) >= self._limit:
                return
            if self._is_wanted(entry.address):
                found.setdefault(uri_of(entry.address), entry)
        for nested in sitemap.sitemaps:
            if len(found) >= self._limit:
                return
            if nested in seen or not same_site(nested, self.spec.location):
                continue
            if depth == 0 or len(seen) > MOST_PAGES:
                raise SourceError(f"the sitemap {masked(address)} names sitemaps that name sitemaps, too many of them")
            seen.add(nested)
            await self._read(nested, seen, depth - 1, found)


@dataclass(frozen=True, slots=True)
class _Entry:
    address: str
    changed: date | None = None


@dataclass(frozen=True, slots=True)
class _Sitemap:
    pages: tuple[_Entry, ...] = ()
    sitemaps: tuple[str, ...] = field(default=())


async def fetched(web: Web, address: str, uri: str, known: str | None, changed: date | None = None) -> Fetched:
    """A page as read; its own date wins over the server's, that over ``changed``."""
    page = await web.get(address, known)
    seconds = last_modified(page.headers)
    stated = datetime.fromtimestamp(seconds, UTC).date() if seconds else changed
    document = await asyncio.to_thread(_document, page, address, uri, stated)
    return Fetched(document, token(page))


def _document(page: Page, address: str, uri: str, modified: date | None) -> Document:
    suffix, charset = _format(page, address)
    body = page.body
    if charset and suffix not in _BINARY:
        try:
            body = body.decode(charset).encode()
        except (LookupError, UnicodeError):
            body = page.body
    document = read_bytes(body, suffix, uri, modified)
    return replace(document, content_hash=hashlib.sha256(page.body).hexdigest())


def _format(page: Page, address: str) -> tuple[str, str | None]:
    """Suffix and character set: the content type decides, then the address."""
    header = Message()
    header["Content-Type"] = page.headers.get("content-type", "")
    kind, charset = header.get_content_type(), header.get_content_charset()
    own = PurePosixPath(unquote(urlsplit(address).path)).suffix.lower()
    vague = not page.headers.get("content-type") or kind in ("application/octet-stream", "binary/octet-stream")
    if suffix := None if vague else _SUFFIX_OF.get(kind):
        return suffix, charset
    if own in SUFFIXES and (vague or not kind.startswith(_NO_DOCUMENT)):
        return own, charset
    if vague and page.body.lstrip()[:1] == b"<":
        return ".html", charset
    if kind.startswith("text/") and not vague:
        return ".txt", charset
    raise ReadError(f"not a format that can be read: {'unknown' if vague else kind}")


def _parsed(page: Page) -> _Sitemap:
    """Raises ReadError for whatever is no sitemap, a page to sign in on for instance."""
    from lxml import etree

    data = _unpacked(page.body)
    if data[:4] == b"http":
        lines = (line.strip() for line in data.decode("utf-8", "replace").splitlines())
        return _Sitemap(tuple(_Entry(line) for line in lines if line))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ReadError("it is not valid XML") from error
    if root.getroottree().docinfo.doctype:
        raise ReadError("it declares a document type, as no sitemap does")
    kind = etree.QName(root).localname
    if kind not in ("urlset", "sitemapindex"):
        raise ReadError(f"it is no sitemap: it begins with <{kind}>")
    entries = tuple(_entries(root, page.url))
    return _Sitemap(sitemaps=tuple(each.address for each in entries)) if kind == "sitemapindex" else _Sitemap(entries)


def _entries(root: Any, base: str) -> Iterator[_Entry]:
    for element in root:
        if isinstance(element.tag, str):
            fields = {str(each.tag).rpartition("}")[2]: (each.text or "").strip() for each in element}
            with suppress(ValueError):
                address = urldefrag(urljoin(base, fields["loc"]))[0] if fields.get("loc") else ""
                yield _Entry(address, parse_date(fields.get("lastmod")))


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data.strip()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ReadError("it is not a valid gzip file") from error
    if len(unpacked) > MAX_BYTES:
        raise ReadError(f"it unpacks to more than {MAX_BYTES >> 20} MB")
    return unpacked.strip()
