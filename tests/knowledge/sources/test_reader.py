"""LlamaIndex readers by dotted name: how their documents are named, dated and put together."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assistant.knowledge.documents import Document
from assistant.knowledge.sources import Listing, SourceError, SourceSpec
from assistant.knowledge.sources.llamahub import ReaderSource

HERE = "tests.knowledge.sources.folder_reader"


async def read(*given: dict[str, Any], **load: Any) -> list[Document]:
    return await read_by(f"{HERE}.GivenReader", arguments={"given": list(given)}, load=load)


async def read_by(name: str, **options: Any) -> list[Document]:
    async with ReaderSource(SourceSpec("reader", name, options)) as source:
        return [
            (await source.fetch(each, None)).document for each in (await source.list()).documents if not each.trouble
        ]


async def fails(name: str, **options: Any) -> str:
    with pytest.raises(SourceError) as caught:
        await read_by(name, **options)
    assert caught.value.__cause__ is None or isinstance(
        caught.value.__cause__, ImportError | AttributeError | ValueError
    )
    return str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "uri"),
    [
        ({"url": "https://x.org/a", "file_name": "a.md"}, "https://x.org/a"),
        ({"URL": "https://ann:pw@x.org/a"}, "https://x.org/a"),
        ({"source": "docs/a.pdf", "file_name": "a.pdf"}, "docs/a.pdf"),
        ({"source": "wikipedia", "id": 7}, "7"),
        ({"file_path": Path("docs/a.md")}, "docs/a.md"),
        ({"file_path": "docs/a.md", "source": "3"}, "docs/a.md"),
        ({"file_name": "a.md"}, "a.md"),
        ({"id": "page-7"}, "page-7"),
        ({"url": ""}, "own"),
        ({}, "own"),
    ],
)
async def test_the_metadata_name_a_document(metadata: dict[str, Any], uri: str) -> None:
    metadata = {key: str(value) if isinstance(value, Path) else value for key, value in metadata.items()}
    (document,) = await read({"text": "one", "metadata": metadata, "id_": "own"})
    assert document.uri == uri


async def test_title_and_date_come_from_the_metadata() -> None:
    (first,) = await read(
        {
            "text": "# Heading\n\none",
            "metadata": {"title": "Leave", "last_modified_date": "2024-03-02", "url": "https://x"},
        }
    )
    assert (first.title, first.modified) == ("Leave", date(2024, 3, 2))
    (second,) = await read({"text": "# Heading\n\none", "metadata": {"url": "https://x.org/a"}})
    assert (second.title, second.modified) == ("Heading", None)
    (third,) = await read({"text": "one", "metadata": {"file_path": "docs/travel_costs.md"}})
    assert third.title == "Travel costs"


async def test_pages_of_a_file_are_one_document() -> None:
    pages = [
        {"text": text, "metadata": {"file_name": "a.pdf", "page_label": str(number)}}
        for number, text in enumerate(("one", " ", "three"), 1)
    ]
    (document,) = await read(*pages)
    assert document.text == "one\n\nthree"
    assert [(document.text[page.offset :][:5], page.label) for page in document.pages] == [
        ("one\n\n", "1"),
        ("three", "3"),
    ]


async def test_texts_without_a_name_belong_to_the_file_that_was_asked_for() -> None:
    (document,) = await read({"text": "one"}, {"text": "two"}, file="/docs/a.md")
    assert (document.uri, document.text) == ("/docs/a.md", "one\n\ntwo")


async def test_texts_without_a_name_are_named_by_what_they_say() -> None:
    """LlamaIndex makes up a new id each time."""
    first = await read({"text": "one"}, {"text": "two"}, {"text": "one"})
    assert len({document.uri for document in first}) == 3
    assert first == await read({"text": "one"}, {"text": "two"}, {"text": "one"})


async def test_the_hash_follows_what_matters() -> None:
    base = {"text": "one", "metadata": {"url": "https://x.org/a", "title": "Leave", "last_accessed": "1"}}
    (same,) = await read({"text": "one", "metadata": {**base["metadata"], "last_accessed": "2"}})
    hashes = {same.content_hash, (await read(base))[0].content_hash}
    assert len(hashes) == 1
    for change in ({"title": "Travel"}, {"date": "2024-01-01"}, {"page_label": "3"}):
        (other,) = await read({"text": "one", "metadata": {**base["metadata"], **change}})
        hashes.add(other.content_hash)
    (other,) = await read({"text": "two", "metadata": base["metadata"]})
    assert len(hashes | {other.content_hash}) == 5


async def test_a_document_without_text_says_so() -> None:
    given = [{"text": " \n", "metadata": {"url": "https://x.org/a"}}]
    async with ReaderSource(SourceSpec("reader", f"{HERE}.GivenReader", {"arguments": {"given": given}})) as source:
        assert [(each.uri, each.trouble) for each in (await source.list()).documents] == [
            ("https://x.org/a", "no text in it")
        ]


async def test_nothing_is_an_empty_listing() -> None:
    async with ReaderSource(SourceSpec("reader", f"{HERE}.GivenReader", {"arguments": {"given": []}})) as source:
        assert await source.list() == Listing(())


async def test_a_reader_of_llamaindex(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One\n\ntext\n\n# Two\n\nmore")
    load = {"file": str(tmp_path / "a.md")}
    (document,) = await read_by("llama_index.readers.file.MarkdownReader", load=load)
    assert "text" in document.text and "more" in document.text and document.uri == load["file"]
    name = "llama_index.core.SimpleDirectoryReader"
    (document,) = await read_by(name, arguments={"input_dir": str(tmp_path)})
    assert document.modified is not None and document.uri.endswith("a.md")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("llama_index.readers.surely_not.XReader", "pip install llama-index-readers-surely-not"),
        ("llama_index.readers.surely_not.base.XReader", "pip install llama-index-readers-surely-not"),
        ("surely_not_there.XReader", "there is no module surely_not_there"),
        (f"{HERE}.Missing", "check the name of its class"),
        ("NoModule", "check the name of its class"),
        (f"{HERE}.NeedsMore", "needs the package surely_not_there_xyz: pip install surely_not_there_xyz"),
        (f"{HERE}.load_nothing", "no reader: it has no load_data"),
    ],
)
async def test_what_is_missing_is_named(name: str, hint: str) -> None:
    assert hint in await fails(name)


async def test_a_reader_that_fails_shows_no_secrets(tmp_path: Path) -> None:
    name, secret = f"{HERE}.FolderReader", "sk-verysecret/value"
    said = await fails(name, arguments={"folder": str(tmp_path), "token": secret}, load={"fail": "out of order"})
    assert "RuntimeError" in said and "out of order" in said and "https://api.example.org/" in said
    assert "verysecret" not in said and "ann" not in said and ":pw@" not in said
    said = await fails(name, arguments={"folder": str(tmp_path / "missing"), "token": secret})
    assert "FileNotFoundError" in said and "missing" not in said
    assert "TypeError" in await fails(name, arguments={"wrong": secret})
