"""Every format as a table: what must be in the text, in this order, and what must not."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path

import pytest

from assistant.knowledge import loading
from assistant.knowledge.readers import ReadError, read_bytes

LEFT = [f"Left line {number} of the first column," for number in range(12)]
RIGHT = [f"Right line {number} of the second column," for number in range(12)]


def word(table: Iterable[Iterable[str]]) -> bytes:
    import docx

    source = docx.Document()
    source.add_heading("Rates", 1)
    source.sections[0].header.paragraphs[0].text = "Confidential header"
    source.add_paragraph("Before the table.")
    rows = [list(row) for row in table]
    made = source.add_table(len(rows), len(rows[0]))
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            made.cell(y, x).text = text
    source.add_paragraph("After the table.")
    return saved(source.save)


def saved(save: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()


def workbook() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Rates"
    for row in (["Country", "Per night", "From"], ["Norway", 120.5, datetime(2026, 1, 1)], ["A|B", None, "soon"]):
        sheet.append(row)
    other = book.create_sheet("Notes")
    other.append(["Breakfast is included."])
    book.create_sheet("Secret").append(["hidden salary"])
    book["Secret"].sheet_state = "veryHidden"
    return saved(book.save)


def slides() -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Rates"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for index, text in enumerate(("Country", "Per night", "Norway", "120")):
        table.cell(index // 2, index % 2).text = text
    return saved(show.save)


def pdf(lines: Iterable[tuple[float, float, str]], by_word: bool = False) -> bytes:
    """Texts at places in millimetres, drawn in this order, whole or word by word."""
    from fpdf import FPDF

    page = FPDF()
    page.set_font("helvetica", size=10)
    page.add_page()
    for x, y, text in lines:
        for piece in text.split(" ") if by_word else [text]:
            page.text(x, y, piece)
            x += page.get_string_width(piece + " ")
    return bytes(page.output())


def side_by_side(left: list[str], right: list[str]) -> list[tuple[float, float, str]]:
    rows = zip(left, right, strict=True)
    return [line for y, (one, two) in enumerate(rows) for line in ((15, 40 + 6 * y, one), (110, 40 + 6 * y, two))]


BOTH = side_by_side(LEFT, RIGHT)
PROSE = """Everyone may carry over five days of leave into the next year, if the team agrees and the days are
taken by the end of March. Whoever was ill keeps what the law gives, whatever the month; ask the office in doubt.
Trips are paid by the night and by the kilometre, and receipts are handed in within six weeks of the return to work.
A train is better than a plane below eight hours, and the difference is paid even where tickets cost more.""".split()
COLUMN_LINES = [" ".join(PROSE[at : at + 7]) for at in range(0, len(PROSE) - 6, 7)]
HALF = len(COLUMN_LINES) // 2
OF_PROSE = side_by_side(COLUMN_LINES[:HALF], COLUMN_LINES[HALF : 2 * HALF])
IN_TURN = [*BOTH[::2], *BOTH[1::2]]
WIDE = [(15, 20, "One heading that is wide enough to run over both of the columns below"), *BOTH]
SHORT = [line for line in BOTH if "Right line 11" not in line[2] and "Right line 10" not in line[2]]
CELLS = side_by_side([f"Name {n}" for n in range(12)], [f"Value {n}" for n in range(12)])
TABLE_ROWS = [["Country", "Per night"], ["Norway", "120"], ["Chad", "90"]]
IN_MARKDOWN = "| Country | Per night |\n| --- | --- |\n| Norway | 120 |"

CASES: dict[str, tuple[str, Callable[[], bytes | str], list[str], list[str]]] = {
    "table in DOCX": (".docx", lambda: word(TABLE_ROWS), ["# Rates", "Before", IN_MARKDOWN, "After"], ["Confidential"]),
    "pipe in DOCX": (".docx", lambda: word([["A|B", "C"], ["1", "2"]]), ["| A\\|B | C |", "| 1 | 2 |"], []),
    "table in XLSX": (
        ".xlsx",
        workbook,
        [
            "## Rates",
            "| Country | Per night | From |\n| --- | --- | --- |\n| Norway | 120.5 | 2026-01-01 |",
            "| A\\|B |  | soon |",
            "## Notes",
            "Breakfast is included.",
        ],
        ["Secret", "salary", "None", "00:00"],
    ),
    "table in PPTX": (".pptx", slides, ["## Rates", IN_MARKDOWN], []),
    "columns drawn in turn": (".pdf", lambda: pdf(IN_TURN), [*LEFT, *RIGHT], []),
    "columns drawn line by line": (".pdf", lambda: pdf(BOTH), [*LEFT, *RIGHT], []),
    "columns drawn word by word": (".pdf", lambda: pdf(OF_PROSE, by_word=True), COLUMN_LINES[: 2 * HALF], []),
    "columns below a heading": (".pdf", lambda: pdf(WIDE), ["One heading", *LEFT, *RIGHT], []),
    "columns of two lengths": (".pdf", lambda: pdf(SHORT), [*LEFT, *RIGHT[:10]], RIGHT[10:]),
    "a table in PDF stays in rows": (
        ".pdf",
        lambda: pdf(CELLS),
        [text for n in range(12) for text in (f"Name {n}", f"Value {n}")],
        [],
    ),
    "one column of prose": (".pdf", lambda: pdf(BOTH[::2]), LEFT, []),
    "CSV": (".csv", lambda: "Country,Per night\nNorway,120\n", [IN_MARKDOWN], []),
    "TSV in UTF-16": (".tsv", lambda: "Country\tPer night\nNorway\t120\n".encode("utf-16"), [IN_MARKDOWN], []),
    "HTML": (
        ".html",
        lambda: (
            "<nav>Menu</nav><main><h1>Rates</h1><table><tr><th>Country<th>Per night<tr><td>Norway<td>120</table>"
            "<script>track()</script></main><footer>Imprint</footer>"
        ),
        ["# Rates", IN_MARKDOWN],
        ["Menu", "track", "Imprint"],
    ),
    "Markdown": (
        ".md",
        lambda: (
            "---\ntitle: Rates\ntags: [x]\n---\n# Rates\n\n<!-- draft -->\n\n| Country | Per night |\n| --- | --- |\n"
            "| Norway | 120 |\n"
        ),
        ["# Rates", IN_MARKDOWN],
        ["draft", "tags"],
    ),
    "code": (
        ".py",
        lambda: "# no heading\ndef rate() -> int:\n    return 120\n",
        ["```py\n# no heading\ndef rate()"],
        [],
    ),
    "UTF-32": (".txt", lambda: "Straße 日本".encode("utf-32"), ["Straße 日本"], []),
    "UTF-8 with a mark": (".md", lambda: "# Straße".encode("utf-8-sig"), ["# Straße"], ["\ufeff"]),
    "Latin-1": (".txt", lambda: "Größe und Straße".encode("latin-1"), ["Größe und Straße"], []),
    "Japanese": (".html", lambda: "<meta charset=euc-jp><p>日本語の文書".encode("euc-jp"), ["日本語の文書"], []),
    "Cyrillic": (".txt", lambda: ("Сотрудники получают отпуск каждый год. " * 3).encode("cp1251"), ["Сотрудники"], []),
    "old Mac line ends": (".txt", lambda: "one\rtwo", ["one\ntwo"], ["\r"]),
    "signs that cannot be seen": (".txt", lambda: "pass\u200bword\u202e and\u00a0more", ["password and more"], []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_format_says(case: str) -> None:
    suffix, make, parts, absent = CASES[case]
    content = make()
    text = read_bytes(content.encode() if isinstance(content, str) else content, suffix, f"a{suffix}").text
    at = 0
    for part in parts:
        assert part in text[at:], text
        at = text.index(part, at) + len(part)
    assert [part for part in absent if part in text] == []


def picture_pdf() -> bytes:
    """A page that is one picture, as a scanner makes it."""
    import zlib

    from fpdf import FPDF

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(8) for _ in range(8)))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    page = FPDF()
    page.add_page()
    page.image(io.BytesIO(png), 0, 0, 100)
    return bytes(page.output())


def changed(office: bytes, member: str, content: bytes) -> bytes:
    """An Office file with one of its members replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(office)) as given, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            made.writestr(name, content if name == member else given.read(name))
    return file.getvalue()


def lying(office: bytes, member: str) -> bytes:
    """An Office file whose directory says that a large member is small."""
    bomb = changed(office, member, b"<w:document>" + b" " * (loading.MAX_EXPANDED + 1))
    with zipfile.ZipFile(io.BytesIO(bomb)) as archive:
        real = archive.getinfo(member).file_size
    return bomb.replace(struct.pack("<I", real), struct.pack("<I", 1000))


LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
)
WORD_BOMB = (
    LAUGHS + b']><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    b"<w:body><w:p><w:r><w:t>&j;</w:t></w:r></w:p></w:body></w:document>"
)
SHEET_BOMB = (
    LAUGHS + b']><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b'<row r="1"><c r="A1" t="inlineStr"><is><t>&j;</t></is></c></row></sheetData></worksheet>'
)
BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "scanned PDF": (".pdf", picture_pdf, "scanned PDF without text: run text recognition"),
    "more than 50 MB": (".txt", lambda: b"x" * (loading.MAX_BYTES + 1), "larger than 50 MB"),
    "zip bomb in DOCX": (
        ".docx",
        lambda: changed(word([["a"]]), "word/document.xml", b"\0" * (loading.MAX_EXPANDED + 1)),
        "DOCX file expands to more than 200 MB",
    ),
    "zip bomb in XLSX": (
        ".xlsx",
        lambda: changed(workbook(), "xl/workbook.xml", b"\0" * (loading.MAX_EXPANDED + 1)),
        "XLSX file expands to more than 200 MB",
    ),
    "zip bomb that lies": (".docx", lambda: lying(word([["a"]]), "word/document.xml"), "not a valid DOCX file"),
    "entities in DOCX": (
        ".docx",
        lambda: changed(word([["a"]]), "word/document.xml", WORD_BOMB),
        "not a valid DOCX file|no text in it",
    ),
    "entities in XLSX": (
        ".xlsx",
        lambda: changed(workbook(), "xl/worksheets/sheet1.xml", SHEET_BOMB),
        "not a valid XLSX file|no text in it",
    ),
    "entities in properties": (
        ".docx",
        lambda: changed(word([["a"]]), "docProps/core.xml", LAUGHS + b"]><x>&j;</x>"),
        "not a valid DOCX file",
    ),
    "UTF-16 without a mark": (".txt", lambda: "Straße".encode("utf-16-le"), "not text"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_what_cannot_be_read_says_why_and_costs_little(case: str) -> None:
    suffix, make, reason = BOMBS[case]
    with pytest.raises(ReadError) as caught:
        read_bytes(make(), suffix, f"a{suffix}")
    assert re.match(reason, caught.value.reason)


def test_a_file_of_just_50_megabytes_is_read() -> None:
    line = b"All work and no play makes a dull file, and this is its line.\n"
    data = line * (loading.MAX_BYTES // len(line))
    assert len(read_bytes(data, ".txt", "a.txt").text) > 0.99 * loading.MAX_BYTES


def test_bytes_and_a_file_read_the_same(tmp_path: Path) -> None:
    from assistant.knowledge.readers import read

    for name, data in {"a.docx": word(TABLE_ROWS), "b.PDF": pdf(BOTH), "c.py": b"x = 1", "d.pptx": slides()}.items():
        (tmp_path / name).write_bytes(data)
        document = read(tmp_path / name, name)
        assert document == read_bytes(data, Path(name).suffix, name, document.modified)


@pytest.mark.parametrize(
    ("suffix", "grammar"),
    [
        (".py", "python"),
        (".tsx", "tsx"),
        (".JS", "javascript"),
        (".h", "cpp"),
        (".zsh", "bash"),
        (".cs", "csharp"),
        (".yaml", ""),
        (".json", ""),
        (".css", ""),
        (".log", ""),
        (".md", ""),
        (".txt", ""),
    ],
)
def test_code_names_its_grammar(suffix: str, grammar: str) -> None:
    assert read_bytes(b"text: 1", suffix, f"a{suffix}").code == grammar


def test_the_date_that_is_given_holds_where_none_is_stated() -> None:
    given = date(2024, 5, 6)
    assert read_bytes(b"text", ".md", "a.md", given).modified == given
    assert read_bytes(b"---\ndate: 2020-01-02\n---\ntext", ".md", "a.md", given).modified == date(2020, 1, 2)
    assert read_bytes(b"text", ".md", "a.md").modified is None
