"""The values of the document base: documents as read, chunks as stored, passages as shown.

They are plain frozen dataclasses: readers, splitter, stores and pages exchange them and nothing else.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

_CHUNK_IDS = uuid.UUID("5c1b5b0e-3f0f-5a53-9d2e-7a1f0c5a7e11")


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page (PDF), slide (PPTX) or sheet (XLSX) begins in a document's text."""

    offset: int
    label: str


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it was read.

    ``uri`` is its identity within a collection (a POSIX path relative to the ingested folder, or a URL);
    ``text`` is cleaned Markdown; ``content_hash`` is the SHA-256 of the source's bytes in hex;
    ``modified`` is the as-of date (front matter first, then the file's own metadata, then its timestamp).
    """

    uri: str
    title: str
    text: str
    content_hash: str
    modified: date | None = None
    pages: tuple[PageStart, ...] = ()
    code: str = ""
    """The programming language where the whole document is code, by the name of its grammar ("python")."""


@lru_cache(maxsize=8192)
def _chunk_id(collection: str, source: str, document: str, content_hash: str, position: int) -> str:
    """Remembered, since one search asks for each some five times."""
    key = "\0".join((collection, source, document, content_hash, str(position)))
    return str(uuid.uuid5(_CHUNK_IDS, key))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document that is embedded, stored and found as one.

    ``text == document.text[start:end]``; ``section`` is the path of headings above it, outermost first, and in code
    the path of symbols (class, method); ``position`` counts from 0 and ``of`` is the number of chunks in the document.
    ``source`` is the id of the source that the document came from: a document is known by collection, source and uri.
    ``gap`` is what lies between the chunk before and this one (blanks, headings), so that neighbours can be joined to
    the document's own text; ``line`` is the first line in a code file, from 1.
    """

    collection: str
    document: str
    title: str
    section: tuple[str, ...]
    text: str
    start: int
    end: int
    position: int
    of: int
    content_hash: str
    page: str | None = None
    modified: date | None = None
    source: str = ""
    gap: str = ""
    line: int | None = None

    @property
    def id(self) -> str:
        """A UUID that is the same for the same content at the same place, so a repeated upsert changes nothing."""
        return self.id_at(self.position)

    def id_at(self, position: int) -> str:
        """The id of the chunk at another position of the same version of this document."""
        return _chunk_id(self.collection, self.source, self.document, self.content_hash, position)

    @property
    def below_title(self) -> tuple[str, ...]:
        """The section path without a first heading that only repeats the title."""
        repeats = bool(self.section) and self.section[0].casefold() == self.title.casefold()
        return self.section[1:] if repeats else self.section

    @property
    def heading(self) -> str:
        """Title and section path as one line."""
        return " › ".join((self.title, *self.below_title))

    def embedding_text(self) -> str:
        """What the embedder and BM25 read: the heading line, then the text."""
        return f"{self.heading}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Passage:
    """What was found for one turn and is shown to people: a chunk, or neighbouring chunks joined to one.

    ``number`` is its citation number in the turn, from 1; ``score`` the fused score of the search; ``similarity`` the
    cosine of the best chunk's vector and the query's, -1 to 1. ``found`` is where in the text the best chunk stands.
    ``newer`` is the number of a passage of a newer document that states other numbers or dates than this one;
    ``duplicates`` are documents that say the same and were left out.
    """

    number: int
    chunk: Chunk
    score: float
    similarity: float
    found: tuple[int, int] | None = None
    newer: int | None = None
    duplicates: tuple[str, ...] = ()
