"""Files as documents: one Markdown text each, with title, date and pages, or a plain reason why not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from assistant.knowledge import blocks, markdown, markup, templates
from assistant.knowledge.characters import decoded, readable
from assistant.knowledge.documents import Document, PageStart
from assistant.knowledge.loading import IMPORTING, ReadError, checked, load, looks_like
from assistant.knowledge.properties import parse_date, shortened, stated_date, stated_title, title_from

if TYPE_CHECKING:
    from llama_index.core.schema import Document as LlamaDocument

__all__ = ["SUFFIXES", "ReadError", "read", "read_bytes", "supported"]

_SYMBOLS = {
    "bash": "bash sh zsh",
    "c": "c",
    "clojure": "clj",
    "cpp": "cc cpp cxx h hh hpp",
    "csharp": "cs",
    "dart": "dart",
    "elixir": "ex exs",
    "fsharp": "fs",
    "go": "go",
    "groovy": "gradle groovy",
    "haskell": "hs",
    "java": "java",
    "javascript": "cjs js jsx mjs",
    "julia": "jl",
    "kotlin": "kt kts",
    "lua": "lua",
    "objc": "m",
    "perl": "pl",
    "php": "php",
    "powershell": "ps1",
    "proto": "proto",
    "python": "py pyi",
    "r": "r",
    "ruby": "rb",
    "rust": "rs",
    "scala": "scala",
    "sql": "sql",
    "swift": "swift",
    "tsx": "tsx",
    "typescript": "cts mts ts",
    "zig": "zig",
}
"""Grammars, by the names that tree-sitter gives them, and the suffixes of their files."""
_NO_SYMBOLS = (
    "bat cfg conf css graphql ini json jsonl less log properties sass scss svelte tf toml vb vue xml xsd yaml yml"
)
_CODE = {
    **{suffix: grammar for grammar, suffixes in _SYMBOLS.items() for suffix in suffixes.split()},
    **dict.fromkeys(_NO_SYMBOLS.split(), ""),
}
_FORMATS = {
    ".pdf": ("PDF", "PdfReader"),
    ".docx": ("DOCX", "WordReader"),
    ".pptx": ("PPTX", "SlidesReader"),
    ".xlsx": ("XLSX", "WorkbookReader"),
    ".xlsm": ("XLSX", "WorkbookReader"),
    ".csv": ("CSV", "TableReader"),
    ".tsv": ("TSV", "TableReader"),
}
_LINE = r"([=\-~^\"'`#*+:._])"
_RST_TITLE = re.compile(rf"^(?:{_LINE}\1{{2,}}\n)?[ \t]*(\S.*)\n{_LINE}\3{{2,}}[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Content:
    """What one format's reader found; ``parts`` are (page label, Markdown), the label empty without pages."""

    parts: tuple[tuple[str, str], ...]
    title: str | None = None
    modified: date | None = None


def supported(path: PurePath) -> bool:
    """Whether the suffix is one of ``SUFFIXES`` and the file not one that an Office program left."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(("~$", ".~", "._"))


def read(path: Path, uri: str) -> Document:
    """A file as a document; raises ``ReadError`` where it cannot be read or says nothing."""
    _known(path.suffix)
    data = load(path)
    return read_bytes(data, path.suffix, uri, datetime.fromtimestamp(path.stat().st_mtime).date())


def read_bytes(data: bytes, suffix: str, uri: str, modified: date | None = None) -> Document:
    """Bytes from anywhere as a document, read by the format that ``suffix`` (".pdf") names.

    ``modified`` holds where the content does not state a date itself. Raises ``ReadError`` like ``read``.
    """
    suffix = _known(suffix)
    checked(data)
    try:
        content = _BY_SUFFIX[suffix](suffix, data)
    except ReadError:
        raise
    except Exception as error:  # a damaged file surfaces as anything that the libraries below can raise
        kind = _FORMATS[suffix][0] if suffix in _FORMATS else suffix[1:].upper()
        raise ReadError(f"not a valid {kind} file") from error
    text, pages = _joined(content.parts)
    if not text:
        raise ReadError("no text in it")
    title = content.title or blocks.title_of(text) or title_from(uri, keep_suffix=suffix[1:] in _CODE)
    return Document(
        uri=uri,
        title=shortened(title),
        text=text,
        content_hash=hashlib.sha256(data).hexdigest(),
        modified=content.modified or modified,
        pages=pages,
        code=_CODE.get(suffix[1:], ""),
    )


def _known(suffix: str) -> str:
    if suffix.lower() not in SUFFIXES:
        raise ReadError(f"not a format that can be read: {suffix.lower() or 'no suffix'}")
    return suffix.lower()


def _joined(parts: Iterable[tuple[str, str]]) -> tuple[str, tuple[PageStart, ...]]:
    """The parts as one text, a blank line between them, and where each page that has text begins."""
    texts: list[str] = []
    pages: list[PageStart] = []
    length = 0
    for label, part in parts:
        if part := part.strip():
            if label:
                pages.append(PageStart(length, label))
            texts.append(part)
            length += len(part) + 2
    return "\n\n".join(texts), tuple(pages)


def _text(data: bytes) -> str:
    text = decoded(data)
    if text is None:
        raise ReadError(f"not text: {looks_like(data)}")
    return readable(text)


def _markdown(suffix: str, data: bytes) -> _Content:
    fields, body = markdown.front_matter(_text(data))
    parts = (readable(markdown.lead(fields)), markdown.cleaned(body))
    return _Content((("", "\n\n".join(filter(None, parts))),), _front_title(fields), stated_date(fields))


def _front_title(fields: dict[str, object]) -> str | None:
    """The title in a front matter; a subtitle that ends in a colon leads to it ("Travel guide:")."""
    title, before = (markup.without_html(markdown.words(fields.get(key))) for key in ("title", "subtitle"))
    return stated_title(blocks.plain(f"{before} {title}" if title and before.endswith(":") else title))


def _html(suffix: str, data: bytes) -> _Content:
    source = _text(data)
    fields, body = markdown.front_matter(source)
    templated = body != source or "{%" in body
    page = markup.page(templates.render(body) if templated else body)
    title = _front_title(fields) or stated_title(page.title)
    text = "\n\n".join(filter(None, (readable(markdown.lead(fields)), markdown.tidied(readable(page.text)))))
    return _Content((("", text),), title, stated_date(fields) or parse_date(page.modified))


def _plain(suffix: str, data: bytes) -> _Content:
    text = _text(data)
    if suffix == ".rst":
        text = _rst_headings(text)
    return _Content((("", "\n".join(line.rstrip() for line in text.split("\n"))),))


def _rst_headings(text: str) -> str:
    """reStructuredText's underlined titles as Markdown headings; the order of first use gives their level."""
    styles: list[tuple[bool, str]] = []

    def heading(match: re.Match[str]) -> str:
        style = (bool(match[1]), match[3])
        if style not in styles:
            styles.append(style)
        return f"{'#' * min(styles.index(style) + 1, 6)} {match[2].strip()}\n"

    return _RST_TITLE.sub(heading, text)


def _code(suffix: str, data: bytes) -> _Content:
    """Code as one fence, so that its comments are not taken for headings."""
    text = _text(data).rstrip("\n")
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`{3,}", text)), 3)
    return _Content((("", f"{fence}{suffix[1:]}\n{text}\n{fence}"),))


def _structured(suffix: str, data: bytes) -> _Content:
    """A format that LlamaIndex reads, or one of our LlamaIndex readers."""
    with IMPORTING:
        from assistant.knowledge import formats

    reader = getattr(formats, _FORMATS[suffix][1])()
    documents: list[LlamaDocument] = list(reader.load_data(data))
    stated = documents[0].metadata if documents else {}
    parts = tuple((str(each.metadata.get("page_label", "")), each.text) for each in documents)
    return _Content(parts, stated.get("title"), parse_date(stated.get("modified")))


_BY_SUFFIX: dict[str, Callable[[str, bytes], _Content]] = {
    **{f".{name}": _code for name in _CODE},
    **dict.fromkeys((".md", ".markdown", ".mdx", ".mkd"), _markdown),
    **dict.fromkeys((".html", ".htm", ".xhtml"), _html),
    **dict.fromkeys((".txt", ".text", ".rst"), _plain),
    **dict.fromkeys(_FORMATS, _structured),
}
SUFFIXES = frozenset(_BY_SUFFIX)
"""The suffixes, in lower case and with their dot, of the files that ``read`` reads."""
