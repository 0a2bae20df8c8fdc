"""The readers of every format: headings, tables and links become Markdown, with title, date and pages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest

from assistant.knowledge.blocks import masked
from assistant.knowledge.chunks import split
from assistant.knowledge.documents import Document
from assistant.knowledge.readers import read, supported
from tests.knowledge.test_chunks import minilm

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "documents"


def read_bytes(folder: Path, name: str, content: str | bytes) -> Document:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, name)


def test_encodings(tmp_path: Path) -> None:
    for name, data in {
        "utf8-bom.txt": "\ufeffStraße".encode(),
        "utf16.txt": "Straße".encode("utf-16"),
        "utf16be.txt": b"\xfe\xff" + "Straße".encode("utf-16-be"),
        "cp1252.txt": "Straße".encode("cp1252"),
    }.items():
        assert read_bytes(tmp_path, name, data).text == "Straße"
    french = "Congé à déposer “tôt”, 5 €"
    polish = "Zażółć gęślą jaźń i wszyscy pracownicy muszą złożyć wniosek"
    assert read_bytes(tmp_path, "fr.txt", french.encode("cp1252")).text == french
    assert read_bytes(tmp_path, "pl.txt", polish.encode("cp1250")).text == polish
    page = "<html><head><meta charset='shift_jis'></head><body>日本</body></html>"
    assert read_bytes(tmp_path, "ja.html", page.encode("shift_jis")).text == "日本"
    read_bytes(tmp_path, "odd.txt", bytes(range(128, 256)))


def test_restructured_text_has_headings(tmp_path: Path) -> None:
    source = "=====\nTitle\n=====\n\nText\n\nPart\n~~~~\n\nMore\n\nOther\n~~~~~\n"
    document = read_bytes(tmp_path, "a.rst", source)
    assert document.title == "Title"
    assert re.findall(r"^#+ .*$", document.text, re.MULTILINE) == ["# Title", "## Part", "## Other"]


def test_code_is_fenced_and_keeps_its_file_name(tmp_path: Path) -> None:
    document = read_bytes(tmp_path, "deploy.sh", "#!/bin/sh\n# not a heading\necho '```'\n")
    assert document.title == "deploy.sh"
    assert document.text == "````sh\n#!/bin/sh\n# not a heading\necho '```'\n````"


HTML = """<!doctype html><html><head><title>Leave policy | ACME Portal</title>
<meta property="article:modified_time" content="2024-03-02T10:00:00Z">
<style>p {color: red}</style></head><body>
<nav><a href="/">Home</a></nav><header>ACME</header><main><header><h1>Leave policy</h1></header>
<p>You have <b>25</b> days.<script>track()</script>
Ask <a href="mailto:hr@acme.org">HR</a> or <a href="/x">here</a>.</p>
<ul><li>one<ul><li>nested</li></ul></li></ul><img src="x.png" alt="a chart">
<table><caption>Days</caption><thead><tr><th>Who</th><th colspan="2">Days</th></tr></thead>
<tr><td rowspan="2">Staff</td><td>2023</td><td>24</td></tr><tr><td>2024</td><td>25</td></tr></table>
<pre>code {{ x }}
  <i>y</i></pre></main><footer>Imprint</footer></body></html>"""


def test_html_keeps_the_main_part_with_its_structure(tmp_path: Path) -> None:
    document = read_bytes(tmp_path, "a.html", HTML)
    assert (document.title, document.modified) == ("Leave policy", date(2024, 3, 2))
    for part in (
        "# Leave policy",
        "You have **25** days.\nAsk [HR](mailto:hr@acme.org) or here.",
        "- one\n  - nested",
        "a chart",
        "| Who | Days | Days |\n| --- | --- | --- |\n| Staff | 2023 | 24 |\n| Staff | 2024 | 25 |",
        "```\ncode {{ x }}\n  y\n```",
    ):
        assert part in document.text
    for part in ("Home", "ACME", "track", "Imprint", "color", "<"):
        assert part not in document.text


def test_deeply_nested_html_does_not_break(tmp_path: Path) -> None:
    assert "deep" in read_bytes(tmp_path, "a.html", "<div>" * 5000 + "deep" + "</div>" * 5000).text


def test_csv_in_cp1252_with_semicolons(tmp_path: Path) -> None:
    source = 'Name;Straße;Größe\nMüller;"Am Tor; 5";groß|breit\n;;\nJürgen;Gänsemarkt\n'
    assert read_bytes(tmp_path, "liste.csv", source.encode("cp1252")).text == (
        "| Name | Straße | Größe |\n| --- | --- | --- |\n"
        "| Müller | Am Tor; 5 | groß\\|breit |\n| Jürgen | Gänsemarkt |  |"
    )


@pytest.mark.parametrize("source", ["sep=,\na,b;c\n1,2;3", "a\tb;c\n1\t2;3", "a|b;c\n1|2;3"])
def test_csv_delimiters(tmp_path: Path, source: str) -> None:
    assert "| 1 | 2;3 |" in read_bytes(tmp_path, "a.csv", source).text


def test_a_long_table_repeats_its_header_so_that_every_chunk_has_it(tmp_path: Path) -> None:
    rows = "\n".join(f"Person {number},Team {number % 7},+49 30 {number:06}" for number in range(400))
    document = read_bytes(tmp_path, "phones.csv", f"Name,Team,Phone\n{rows}\n")
    chunks = split(document, "hr", minilm())
    assert len(chunks) > 20
    assert all(chunk.text.startswith("| Name | Team | Phone |\n| --- | --- | --- |\n|") for chunk in chunks)
    assert sum(chunk.text.count("| Person ") for chunk in chunks) == 400


def test_docx(tmp_path: Path) -> None:
    import docx

    source = docx.Document()
    source.core_properties.title = "Team charter"
    source.core_properties.modified = datetime(2023, 4, 5)
    source.add_heading("Our charter", 0)
    source.add_heading("Norms", 1)
    source.add_paragraph("We meet. ______________")
    source.add_paragraph("on time", "List Bullet")
    source.add_paragraph("with notes", "List Bullet")
    table = source.add_table(3, 3)
    for row, cells in enumerate((("Who", "Role", "Days"), ("Ann", "Lead", "5"), ("Bob", "Dev", "4"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    table.cell(1, 0).merge(table.cell(2, 0)).text = "Both"
    source.add_table(1, 1).cell(0, 0).text = "Only layout"
    source.save(str(tmp_path / "a.docx"))
    document = read(tmp_path / "a.docx", "a.docx")
    assert (document.title, document.modified) == ("Team charter", date(2023, 4, 5))
    assert document.text == (
        "# Our charter\n\n## Norms\n\nWe meet. ___\n\n- on time\n- with notes\n\n"
        "| Who | Role | Days |\n| --- | --- | --- |\n| Both | Lead | 5 |\n| Both | Dev | 4 |\n\nOnly layout"
    )


def test_docx_without_properties_is_not_dated_today(tmp_path: Path) -> None:
    import docx

    source = docx.Document()
    source.add_paragraph("text")
    source.save(str(tmp_path / "full.docx"))
    with zipfile.ZipFile(tmp_path / "full.docx") as full, zipfile.ZipFile(tmp_path / "a.docx", "w") as bare:
        for name in full.namelist():
            if name != "docProps/core.xml":
                data = full.read(name)
                bare.writestr(name, re.sub(rb"<Relationship [^>]*core-properties[^>]*/>", b"", data))
    os.utime(tmp_path / "a.docx", (0, datetime(2001, 2, 3, 12).timestamp()))
    document = read(tmp_path / "a.docx", "plan-b.docx")
    assert (document.title, document.modified) == ("Plan b", date(2001, 2, 3))


def test_pptx(tmp_path: Path) -> None:
    from pptx import Presentation
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    show = Presentation()
    show.core_properties.title = "PowerPoint Presentation"
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "Goals 2026"
    first.placeholders[1].text = "Grow"
    first.placeholders[1].text_frame.add_paragraph().text = "Learn"
    first.notes_slide.notes_text_frame.text = "Say hello."
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Numbers"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for index, text in enumerate(("Year", "Sales", "2025", "7")):
        table.cell(index // 2, index % 2).text = text
    figures = CategoryChartData()
    figures.categories = ["Q1", "Q2"]
    figures.add_series("Sold", (3, 4.5))
    box = Inches(1), Inches(3), Inches(4), Inches(2)
    second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *box, figures)
    show.save(str(tmp_path / "goals.pptx"))
    document = read(tmp_path / "goals.pptx", "goals.pptx")
    assert document.title == "Goals"
    assert document.text == (
        "## Goals 2026\n\n- Grow\n- Learn\n\nNotes: Say hello.\n\n"
        "## Numbers\n\n| Year | Sales |\n| --- | --- |\n| 2025 | 7 |\n\n"
        "|  | Sold |\n| --- | --- |\n| Q1 | 3 |\n| Q2 | 4.5 |"
    )
    assert [(document.text[page.offset :][:8], page.label) for page in document.pages] == [
        ("## Goals", "1"),
        ("## Numbe", "2"),
    ]


def test_xlsx(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Risks"
    due = datetime(2026, 1, 2)
    for row in (["Risk tracker"], ["Title", "Due", "Cost"], ["Delay", due, 1.5], [], [None, "a note"]):
        sheet.append(row)
    book.create_sheet("Hidden").append(["secret"])
    book["Hidden"].sheet_state = "hidden"
    book.create_sheet("Empty")
    book.properties.modified = datetime(2022, 2, 2)
    book.save(tmp_path / "a.xlsx")
    document = read(tmp_path / "a.xlsx", "a.xlsx")
    assert document.text == (
        "## Risks\n\nRisk tracker\n\n"
        "| Title | Due | Cost |\n| --- | --- | --- |\n| Delay | 2026-01-02 | 1.5 |\n\na note"
    )
    assert [page.label for page in document.pages] == ["Risks"]


def make_pdf(path: Path, pages: list[str], title: str = "") -> None:
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_font("helvetica", size=12)
    if title:
        pdf.set_title(title)
    for text in pages:
        pdf.add_page()
        if text:
            pdf.multi_cell(0, 8, text)
    pdf.output(str(path))


def test_pdf_pages_and_labels(tmp_path: Path) -> None:
    from pypdf import PdfReader, PdfWriter
    from pypdf.constants import PageLabelStyle

    make_pdf(tmp_path / "plain.pdf", ["Preface here.", "", "A new informa-\ntion page."], "Annual report")
    writer = PdfWriter(clone_from=PdfReader(tmp_path / "plain.pdf"))
    writer.set_page_label(0, 1, style=PageLabelStyle.LOWERCASE_ROMAN)
    writer.set_page_label(2, 2, style=PageLabelStyle.DECIMAL)
    writer.add_metadata({"/ModDate": "D:20200304101112+01'00'"})
    writer.write(tmp_path / "a.pdf")
    document = read(tmp_path / "a.pdf", "a.pdf")
    assert (document.title, document.modified) == ("Annual report", date(2020, 3, 4))
    assert document.text == "Preface here.\n\nA new information page."
    starts = [(page.label, document.text[page.offset :][:5]) for page in document.pages]
    assert starts == [("i", "Prefa"), ("1", "A new")]


def test_running_heads_of_a_pdf_are_left_out(tmp_path: Path) -> None:
    pages = [f"ACME policy\nText {letter}.\nPage {number} of 6" for number, letter in enumerate("abcdef", 1)]
    make_pdf(tmp_path / "a.pdf", pages)
    assert read(tmp_path / "a.pdf", "a.pdf").text == "\n\n".join(f"Text {letter}." for letter in "abcdef")


def encrypted(path: Path, user: str, algorithm: str) -> None:
    from pypdf import PdfReader, PdfWriter

    make_pdf(path, ["Inside."])
    writer = PdfWriter(clone_from=PdfReader(path))
    writer.encrypt(user, "owner", algorithm=algorithm)
    writer.write(path)


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_a_pdf_that_only_restricts_printing_is_read(tmp_path: Path, algorithm: str) -> None:
    if algorithm.startswith("AES"):
        pytest.importorskip("cryptography")
    encrypted(tmp_path / "a.pdf", "", algorithm)
    assert read(tmp_path / "a.pdf", "a.pdf").text == "Inside."


def test_reading_slides_and_pdf_leaves_the_root_logger_alone() -> None:
    code = (
        "import logging; before = (list(logging.root.handlers), logging.root.level)\n"
        "from assistant.knowledge import formats\n"
        "with formats.root_logger_kept():\n    import llama_index.readers.file\n"
        "assert before == (logging.root.handlers, logging.root.level), logging.root.handlers"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the documents are not at {REAL}")
def test_all_real_documents() -> None:
    files = sorted(path for path in REAL.rglob("*") if path.is_file() and supported(path))
    assert len(files) >= 253
    left_over = re.compile(r"\{%|\{\{|<div|<td|^redirect_from:|^title:|\{:|[\ue000\ue001]", re.MULTILINE)
    for path in files:
        document = read(path, path.relative_to(REAL).as_posix())
        prose = "\n\n".join(text for text, fenced in masked(document.text) if not fenced)
        assert not left_over.search(prose), document.uri
        assert document.title and document.modified
        chunks = split(document, "handbook", minilm())
        assert chunks, document.uri
        assert max(minilm()([chunk.embedding_text() for chunk in chunks])) <= 240
