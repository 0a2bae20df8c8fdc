"""What every kind of source promises, on a real place of each kind."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assistant.knowledge.loading import ReadError
from assistant.knowledge.sources import Fetched, Gone, Listed, NotModified, Source, SourceError, SourceSpec
from assistant.knowledge.sources.registry import KINDS, build
from tests.knowledge.sources.repository import Repository
from tests.knowledge.sources.site import Answer, Site, serving


@dataclass
class Place:
    """Something that a source follows. ``only`` is the one name that it can hold, where it is a single document;
    ``forgets`` says whether what is gone cannot be read any more after it was listed."""

    spec: SourceSpec
    cache: Path
    only: str = ""
    forgets: bool = True

    def source(self) -> Source:
        return build(self.spec, cache=self.cache)

    def name(self, wanted: str = "a.md") -> str:
        return self.only or wanted

    def write(self, name: str, text: str) -> None:
        raise NotImplementedError

    def remove(self, name: str) -> None:
        raise NotImplementedError

    def break_down(self) -> None:
        raise NotImplementedError


class FolderPlace(Place):
    @property
    def folder(self) -> Path:
        return Path(self.spec.options.get("arguments", {}).get("folder", self.spec.location))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()

    def break_down(self) -> None:
        shutil.rmtree(self.folder)


class FilePlace(FolderPlace):
    @property
    def folder(self) -> Path:
        return Path(self.spec.location).parent


@dataclass
class SitePlace(Place):
    site: Site | None = None

    def write(self, name: str, text: str) -> None:
        assert self.site is not None
        self.site.answers[f"/{name}"] = Answer(text, "text/markdown", tagged=True)
        self._name_pages()

    def remove(self, name: str) -> None:
        assert self.site is not None
        del self.site.answers[f"/{name}"]
        self._name_pages()

    def break_down(self) -> None:
        assert self.site is not None
        for path in self.site.answers:
            self.site.answers[path] = Answer("broken", status=500)

    def _name_pages(self) -> None:
        assert self.site is not None
        pages = [path for path in self.site.answers if path != "/sitemap.xml"]
        self.site.answers["/sitemap.xml"] = self.site.sitemap(*pages)


@dataclass
class GitPlace(Place):
    repository: Repository | None = None

    def write(self, name: str, text: str) -> None:
        assert self.repository is not None
        self.repository.commit({name: text})

    def remove(self, name: str) -> None:
        assert self.repository is not None
        self.repository.commit({name: None})

    def break_down(self) -> None:
        assert self.repository is not None
        shutil.rmtree(self.repository.path)


NAMES = ("folder", "file", "url", "sitemap", "git", "git mirror", "reader")


@pytest.fixture(params=NAMES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind, folder, cache = str(request.param), tmp_path / "docs", tmp_path / "cache"
    folder.mkdir()
    if kind == "folder":
        yield FolderPlace(SourceSpec("folder", str(folder)), cache)
    elif kind == "file":
        yield FilePlace(SourceSpec("file", str(folder / "a.md")), cache, only="a.md")
    elif kind == "reader":
        arguments = {"arguments": {"folder": str(folder)}}
        name = "tests.knowledge.sources.folder_reader.FolderReader"
        yield FolderPlace(SourceSpec("reader", name, arguments), cache, forgets=False)
    elif kind.startswith("git"):
        location = folder.as_uri() if "mirror" in kind else str(folder)
        yield GitPlace(SourceSpec("git", location), cache, forgets=False, repository=Repository.made(folder))
    else:
        with serving() as site:
            address = f"{site.url}/{'a.md' if kind == 'url' else 'sitemap.xml'}"
            only = address if kind == "url" else ""
            yield SitePlace(SourceSpec(kind, address), cache, only=only, site=site)


def shown(place: Place, name: str) -> str:
    """The uri of a document that was written by this name."""
    return f"{place.site.url}/{name}" if isinstance(place, SitePlace) and place.site else name


async def read(source: Source, each: Listed, known: str | None = None) -> Fetched | str:
    try:
        return await source.fetch(each, known)
    except NotModified:
        return "not modified"
    except Gone:
        return "gone"


async def all_of(place: Place) -> dict[str, str]:
    async with place.source() as source:
        listing = await source.list()
        assert not listing.unlisted
        found = [await source.fetch(each, None) for each in listing.documents]
    assert [each.document.uri for each in found] == [each.uri for each in listing.documents]
    return {each.document.uri: each.document.text for each in found}


def test_every_kind_is_here() -> None:
    assert {name.split()[0] for name in NAMES} == set(KINDS)


async def test_it_lists_and_reads(place: Place) -> None:
    place.write("a.md", "# Leave\n\nFive days.")
    assert await all_of(place) == {shown(place, "a.md"): "# Leave\n\nFive days."}
    async with place.source() as source:
        (each,) = (await source.list()).documents
        document = (await source.fetch(each, None)).document
    assert (document.title, len(document.content_hash)) == ("Leave", 64)


async def test_it_follows_what_is_changed_added_and_deleted(place: Place) -> None:
    place.write("a.md", "one")
    await all_of(place)
    place.write("a.md", "two")
    assert await all_of(place) == {shown(place, "a.md"): "two"}
    if not place.only:
        place.write("b.md", "three")
        place.write("c.md", "four")
        assert set(await all_of(place)) == {shown(place, name) for name in ("a.md", "b.md", "c.md")}
        place.remove("a.md")
        place.remove("b.md")
        assert await all_of(place) == {shown(place, "c.md"): "four"}


async def test_what_did_not_change_need_not_be_read_or_is_the_same(place: Place) -> None:
    place.write("a.md", "one")
    async with place.source() as source:
        (each,) = (await source.list()).documents
        first = await source.fetch(each, None)
    async with place.source() as source:
        (again,) = (await source.list()).documents
        second = await read(source, again, first.version)
    assert again.uri == each.uri
    assert isinstance(second, Fetched) or first.version is not None
    assert second == "not modified" or (isinstance(second, Fetched) and second.document == first.document)


async def test_an_equal_version_means_equal_content(place: Place) -> None:
    """Contents of one size, changed faster than a clock ticks: no version may stand for two of them."""
    contents: dict[tuple[str, str], set[str]] = {}
    known: dict[str, str] = {}
    place.write("a.md", "0000")
    for number in range(8):
        async with place.source() as source:
            for each in (await source.list()).documents:
                got = await read(source, each, known.get(each.uri))
                text = f"{number:04}"
                if isinstance(got, Fetched):
                    assert got.document.text == text
                    known.pop(each.uri, None)
                    if got.version:
                        contents.setdefault((each.uri, got.version), set()).add(text)
                        known[each.uri] = got.version
                else:
                    assert got == "not modified" and contents[each.uri, known[each.uri]] == {text}
                if each.version:
                    contents.setdefault((each.uri, each.version), set()).add(text)
        place.write("a.md", f"{number + 1:04}")
    assert all(len(texts) == 1 for texts in contents.values())


async def test_a_failure_is_never_an_empty_listing(place: Place) -> None:
    place.write("a.md", "one")
    await all_of(place)
    place.break_down()
    if place.spec.kind == "url":
        async with place.source() as source:
            (each,) = (await source.list()).documents
            with pytest.raises(ReadError):
                await source.fetch(each, None)
        return
    with pytest.raises(SourceError) as caught:
        async with place.source() as source:
            await source.list()
    assert "Traceback" not in str(caught.value) and len(str(caught.value)) > 20


async def test_a_failure_after_the_listing_is_not_a_deletion(place: Place) -> None:
    place.write("a.md", "one")
    async with place.source() as source:
        (each,) = (await source.list()).documents
        place.break_down()
        if place.forgets:
            with pytest.raises(ReadError):
                await source.fetch(each, None)
        else:
            try:
                assert (await source.fetch(each, None)).document.text == "one"
            except ReadError as error:
                assert "repository" in str(error)


async def test_what_is_deleted_after_the_listing_is_gone(place: Place) -> None:
    place.write("a.md", "one")
    place.write(place.name("b.md") if not place.only else "a.md", "one")
    async with place.source() as source:
        each = next(each for each in (await source.list()).documents if each.uri == shown(place, "a.md"))
        place.remove("a.md")
        try:
            got = await read(source, each)
        except ReadError:
            assert place.spec.kind == "file"
            return
    assert got == "gone" if place.forgets else isinstance(got, Fetched)


async def test_several_documents_can_be_read_at_once(place: Place) -> None:
    names = ["a.md"] if place.only else [f"{number}.md" for number in range(12)]
    for name in names:
        place.write(name, f"text of {name}")
    async with place.source() as source:
        listing = await source.list()
        found = await asyncio.gather(*(source.fetch(each, None) for each in listing.documents))
    assert {each.document.uri: each.document.text for each in found} == {
        shown(place, name): f"text of {name}" for name in names
    }


async def test_reading_can_be_stopped_and_taken_up_again(place: Place) -> None:
    place.write("a.md", "one" * 100_000)
    async with place.source() as source:
        (each,) = (await source.list()).documents
        for delay in (0, 0.001, 0.01):
            task = asyncio.create_task(source.fetch(each, None))
            await asyncio.sleep(delay)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (await source.fetch(each, None)).document.text == "one" * 100_000


async def test_a_source_can_be_opened_again(place: Place) -> None:
    place.write("a.md", "one")
    source = place.source()
    for _ in range(2):
        async with source:
            (each,) = (await source.list()).documents
            assert (await source.fetch(each, None)).document.text == "one"


async def test_building_touches_nothing(place: Place) -> None:
    place.break_down()
    source = place.source()
    assert source.spec is place.spec
    assert not place.cache.exists()


async def test_a_blank_document_says_so(place: Place) -> None:
    place.write("a.md", " \n")
    async with place.source() as source:
        (each,) = (await source.list()).documents
        if not each.trouble:
            with pytest.raises(ReadError, match=r"^(empty file|no text in it)$"):
                await source.fetch(each, None)


async def test_the_listing_is_the_same_each_time(place: Place) -> None:
    for name in ("b.md", "a.md", "c.md") if not place.only else ("a.md",):
        place.write(name, name)
    orders: list[Any] = []
    for _ in range(2):
        async with place.source() as source:
            orders.append([each.uri for each in (await source.list()).documents])
    assert orders[0] == orders[1] and len(set(orders[0])) == len(orders[0])
