"""Readers as LlamaIndex means them, for the formats in which its own ones lose headings and tables.

Each takes the bytes of a file and yields a document of Markdown per page, slide or sheet, with ``page_label`` where
there are such parts, and with ``title`` and ``modified`` where the file states them.
"""

from __future__ import annotations

import csv
import io
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document

from assistant.knowledge import columns, tables, word
from assistant.knowledge.characters import decoded, readable, unruled
from assistant.knowledge.loading import ReadError, as_file, office, office_properties
from assistant.knowledge.properties import parse_date, stated_title

_CUT_WORD = re.compile(r"(?<=[a-zà-ÿ])-\n(?=[a-zà-ÿ])")
_DELIMITERS = "\t|;,"
"""The rarer in texts and numbers, the earlier: where two cut the rows alike, the first is meant."""


def _document(text: str, label: str | None = None, title: str | None = None, modified: date | None = None) -> Document:
    stated = {"page_label": label, "title": title, "modified": modified.isoformat() if modified else None}
    return Document(text=text, metadata={key: value for key, value in stated.items() if value})


@contextmanager
def root_logger_kept() -> Iterator[None]:
    """``llama_index.readers.file`` configures the root logger when imported; that is the program's to do."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


class PdfReader(BaseReader):
    """PDF by page, with the reasons why one gives no text, and without running heads.

    LlamaIndex's ``PDFReader`` fails for one damaged page and does not say where on a page a text stands, which is what
    tells columns; both read with pypdf.
    """

    def lazy_load_data(self, data: bytes) -> Iterable[Document]:
        from pypdf import PdfReader as Pdf
        from pypdf.errors import DependencyError

        try:
            pdf = Pdf(io.BytesIO(data))
            locked = pdf.is_encrypted and not pdf.decrypt("")
        except DependencyError as error:
            raise ReadError("encrypted PDF: install the package cryptography to read it") from error
        if locked:
            raise ReadError("password-locked PDF")
        read = [(label, _page(page)) for label, page in zip(pdf.page_labels, pdf.pages, strict=False)]
        pages = _without_running_heads(read)
        if not any(text for _, text in pages):
            raise ReadError("scanned PDF without text: run text recognition (OCR) on it first")
        info: Mapping[str, object] = pdf.metadata or {}
        written = re.match(r"(?:D:)?(\d{8})", str(info.get("/ModDate") or info.get("/CreationDate") or ""))
        title = stated_title(readable(str(info.get("/Title") or "")))
        for label, text in pages:
            yield _document(text, label, title, parse_date(written[1]) if written else None)


def _page(page: Any) -> str:
    try:
        return _printed(columns.text_of(page))
    except Exception:  # fonts and streams break in more ways than pypdf names
        return ""


def _printed(text: str) -> str:
    """A PDF page's text: words cut at line ends joined, and lines too where there is one for every word."""
    text = _CUT_WORD.sub("", unruled(readable(text))).strip()
    lines = [" ".join(line.split()) for line in text.split("\n")]
    if len(lines) > 8 and sum(map(len, lines)) / len(lines) < 8:
        return " ".join(filter(None, lines))
    return "\n".join(lines)


def _without_running_heads(pages: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pages without the first and last lines that most of them share but for the numbers in them."""

    def edges(lines: list[str]) -> set[str]:
        return {re.sub(r"\d+", "#", line) for line in (*lines[:2], *lines[-2:])}

    split = [(label, text.split("\n")) for label, text in pages]
    shared = Counter(edge for _, lines in split for edge in edges(lines))
    running = {edge for edge, count in shared.items() if edge and count >= max(4, 0.6 * len(pages))}
    for _, lines in split if running else ():
        for end in (0, -1, 0, -1):
            if lines and re.sub(r"\d+", "#", lines[end]) in running:
                lines.pop(end)
    return [(label, "\n".join(lines).strip()) for label, lines in split]


class WordReader(BaseReader):
    """DOCX with headings, lists, links and tables as Markdown."""

    def lazy_load_data(self, data: bytes) -> Iterable[Document]:
        import docx

        title, modified = office_properties(office(data, "DOCX"))
        text = word.markdown(docx.Document(io.BytesIO(data)))
        yield _document(unruled(readable(text)), None, title, modified)


class SlidesReader(BaseReader):
    """LlamaIndex's ``PptxReader``, what it finds as Markdown: slide titles are headings, tables tables."""

    def lazy_load_data(self, data: bytes) -> Iterable[Document]:
        title, modified = office_properties(office(data, "PPTX"))
        with root_logger_kept():
            from llama_index.readers.file import PptxReader
        with as_file(data, ".pptx") as file:
            slides = PptxReader(num_workers=0, raise_on_error=True).load_data(file)
        for slide in slides:
            label = str(slide.metadata["page_label"])
            yield _document(unruled(readable(_slide(slide.metadata, label))), label, title, modified)


def _slide(slide: dict[str, Any], label: str) -> str:
    title = " ".join(slide["title"].split())
    heading = title if title and len(title) <= 120 else f"Slide {label}"
    parts = [f"## {heading}"]
    for section in slide["text_sections"]:
        lines = [(line["level"], " ".join(line["text"].split())) for line in section["structure"]]
        lines = [(level, text) for level, text in lines if text]
        if " ".join(text for _, text in lines) == heading:
            continue
        listed = len(lines) > 1
        parts.append("\n".join(f"{'  ' * level}- {text}" if listed else text for level, text in lines))
    parts += [tables.table([table["headers"], *table["data"]]) for table in slide["tables"]]
    for chart in slide["charts"]:
        parts += [chart["title"], *(_chart(plot) for plot in chart["series_info"])]
    notes = slide["notes"].removeprefix("[Speaker Notes]: ").strip()
    parts += [f"Notes: {notes}"] if notes else []
    return "\n\n".join(filter(None, parts))


def _chart(plot: dict[str, Any]) -> str:
    """The figures behind a chart: a row for every category, a column for every series."""
    names = ["", *(series["name"] for series in plot["series"])]
    columns = (map(_value, series["values"]) for series in plot["series"])
    rows = zip(plot["categories"], *columns, strict=False)
    return tables.table([names, *([str(category), *values] for category, *values in rows)])


class WorkbookReader(BaseReader):
    """XLSX: a part per visible sheet; rows that belong together are a table under its own header row."""

    def lazy_load_data(self, data: bytes) -> Iterable[Document]:
        import openpyxl

        title, modified = office_properties(office(data, "XLSX"))
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        for sheet in book.worksheets:
            if sheet.sheet_state == "visible":
                rows = ([_value(cell) for cell in row] for row in sheet.iter_rows(values_only=True))
                if text := unruled(readable(_sheet(rows))):
                    yield _document(f"## {sheet.title}\n\n{text}", sheet.title, title, modified)


def _sheet(rows: Iterable[list[str]]) -> str:
    parts: list[str] = []
    group: list[list[str]] = []
    for row in (*rows, []):
        if any(row):
            group.append(row)
        elif group:
            parts += _titles_and_table(group)
            group = []
    return "\n\n".join(parts)


def _titles_and_table(rows: list[list[str]]) -> list[str]:
    """Rows without a blank one between them; those of one cell above wider ones are no header but titles."""
    wide = any(sum(map(bool, row)) > 1 for row in rows)
    if not wide and len(rows) == 1:
        return ["".join(rows[0])]
    first = next((index for index, row in enumerate(rows) if sum(map(bool, row)) > 1), 0)
    return [*("".join(row) for row in rows[:first]), tables.table(rows[first:])]


def _value(cell: object) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "minutes").removesuffix(" 00:00")
    if isinstance(cell, float):
        return f"{cell:.10g}"
    return "" if cell is None else str(cell).strip()


class TableReader(BaseReader):
    """CSV and TSV in any encoding, the delimiter found by what cuts the rows most evenly."""

    def lazy_load_data(self, data: bytes) -> Iterable[Document]:
        text = decoded(data)
        if text is None:
            raise ReadError("not text: it holds binary data")
        first, _, rest = text.partition("\n")
        stated = re.fullmatch(r"sep=(.)\s*", first)
        delimiter = stated[1] if stated else _delimiter(text[:20000])
        rows = csv.reader(io.StringIO(rest if stated else text, newline=""), delimiter=delimiter)
        yield _document(tables.table([readable(cell) for cell in row] for row in rows))


def _delimiter(sample: str) -> str:
    def evenness(delimiter: str) -> int:
        widths = Counter(len(row) for row in csv.reader(io.StringIO(sample), delimiter=delimiter))
        return max((rows for width, rows in widths.items() if width > 1), default=0)

    return max(_DELIMITERS, key=evenness)
