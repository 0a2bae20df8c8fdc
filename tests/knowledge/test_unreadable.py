"""What cannot be read says why, in words that its owner understands; what is odd but readable is read."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.knowledge import loading
from assistant.knowledge.readers import SUFFIXES, ReadError, read, supported
from tests.knowledge.test_readers import ROOT, encrypted, make_pdf, read_bytes


def zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * (loading.MAX_EXPANDED + 1))


def zip_of_nothing(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "y")


def ole(path: Path, content: str) -> None:
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 500 + content.encode("utf-16-le"))


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(loading.MAX_BYTES + 1)


def filled(content: bytes | str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty": ("a.md", filled(""), "empty file"),
    "blank": ("a.txt", filled(" \n\t "), "empty file"),
    "nothing left": ("a.md", filled("---\ntitle: x\n---\n<!-- later -->"), "no text in it"),
    "binary": ("a.txt", filled(bytes(range(256)) * 9), "not text: it holds binary data"),
    "controls": ("a.csv", filled(bytes(range(1, 256)) * 9), "not text: it holds binary data"),
    "picture": ("a.md", filled(b"\x89PNG\r\n\0\0"), "not text: it looks like a picture"),
    "broken docx": ("a.docx", filled("PK\x03\x04 and no more"), "not a valid DOCX file"),
    "text as docx": ("a.docx", filled("hello"), "not a valid DOCX file"),
    "text as pptx": ("a.pptx", filled("hello"), "not a valid PPTX file"),
    "zip as xlsx": ("a.xlsx", zip_of_nothing, "not a valid XLSX file"),
    "zip bomb": ("a.docx", zip_bomb, "DOCX file expands to more than 200 MB"),
    "locked docx": ("a.docx", lambda path: ole(path, "EncryptedPackage"), "password-locked DOCX file"),
    "old doc": ("a.docx", lambda path: ole(path, "Word"), "not a valid DOCX file: it is from Office before"),
    "text as pdf": ("a.pdf", filled("hello"), "not a valid PDF file"),
    "locked pdf": ("a.pdf", lambda path: encrypted(path, "secret", "RC4-128"), "password-locked PDF"),
    "scanned pdf": ("a.pdf", lambda path: make_pdf(path, ["", ""]), "scanned PDF without text"),
    "too large": ("a.txt", large, "larger than 50 MB"),
    "folder": ("a.md", lambda path: path.mkdir(), "unreadable: not a file"),
    "fifo": ("a.md", os.mkfifo, "unreadable: not a file"),
    "missing": ("a.md", lambda path: None, "unreadable: no such file"),
    "other": ("a.exe", filled("MZ"), "not a format that can be read: .exe"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_says_why(tmp_path: Path, case: str) -> None:
    name, make, reason = BAD[case]
    make(tmp_path / name)
    with pytest.raises(ReadError) as caught:
        read(tmp_path / name, name)
    assert caught.value.reason.startswith(reason)
    assert str(tmp_path) not in caught.value.reason


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.md").write_text("text")
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(ReadError, match=r"^unreadable: permission denied$"):
        read(tmp_path / "a.md", "a.md")


@pytest.mark.parametrize("name", ["Übersicht – (Kopie).MD", "日本.md", "' ; rm.md", "x" * 200 + ".md"])
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    assert supported(tmp_path / name)
    document = read_bytes(tmp_path, name, "text")
    assert document.text == "text"
    assert 0 < len(document.title) <= 150


def test_what_is_supported() -> None:
    assert {".md", ".txt", ".html", ".pdf", ".docx", ".pptx", ".xlsx", ".csv", ".py", ".json"} <= SUFFIXES
    assert supported(Path("A.PDF"))
    assert not any(supported(Path(name)) for name in ("a", ".md", "~$plan.docx", "a.exe", ".env", "a.png"))


def test_importing_the_readers_is_cheap() -> None:
    heavy = "llama_index bs4 pandas markdownify docx openpyxl pptx pypdf charset_normalizer yaml"
    code = f"import sys, assistant.knowledge.readers; print([m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
