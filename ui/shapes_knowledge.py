"""What the routes of collections, documents and sources answer with, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ui.shapes import NEXT
from ui.shapes_events import Shape


class CollectionRow(Shape):
    """A collection; ``passages`` and ``readers`` are for editors."""

    name: str = Field(examples=["demo"])
    title: str
    passages: int | None = None
    readers: list[str] | None = None


class IndexRow(Shape):
    """An index that is kept."""

    name: str
    use: str
    passages: int
    made_with: str


class CollectionPage(Shape):
    """By name; ``indexes`` are for editors."""

    collections: list[CollectionRow]
    indexes: list[IndexRow] | None = None
    next: str | None = NEXT


class DocumentRow(Shape):
    """A document of a collection; ``document`` is its address within it."""

    collection: str
    document: str
    title: str
    date: str | None
    passages: int


class DocumentPage(Shape):
    """By address."""

    documents: list[DocumentRow]
    next: str | None = NEXT


class HeadingRow(Shape):
    """A heading; ``start`` is its offset in the whole text."""

    level: int
    text: str
    start: int


class PageRow(Shape):
    """Where a page, slide or sheet begins, in ``text``."""

    offset: int
    label: str


class DocumentText(Shape):
    """A window of a document, from the offset ``start`` of the whole text on; ``above`` and ``below`` are the ``at`` of
    what comes before and after, null at the ends. ``line`` is the number of the first line of code."""

    collection: str
    document: str
    title: str
    date: str | None
    text: str
    start: int
    above: int | None
    below: int | None
    line: int | None
    headings: list[HeadingRow]
    pages: list[PageRow]


class SourceRow(Shape):
    """A source with its state."""

    collection: str
    id: str
    kind: str
    location: str
    origin: str
    left: bool
    documents: int
    passages: int
    synced_at: str | None
    outcome: str
    message: str
    report: dict[str, Any] | None


class SourcePage(Shape):
    """In the order of the settings, then as they were added."""

    sources: list[SourceRow]
    next: str | None = NEXT


class RemovedSource(Shape):
    """A source that is gone."""

    label: str
    documents: int


class Dropped(Shape):
    """Whether there was one."""

    removed: bool
