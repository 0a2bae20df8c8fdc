"""What LlamaIndex readers give, as documents of ours: named, dated, and pages of one file put together."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.knowledge import blocks
from assistant.knowledge.characters import readable
from assistant.knowledge.documents import Document, PageStart
from assistant.knowledge.properties import shortened, stated_date, stated_title, title_from
from assistant.knowledge.sources.names import shown
from assistant.knowledge.sources.urls import uri_of

_PLACES = ("url", "link", "source_url", "file_path", "path", "source", "file_name", "filename", "id")
"""Metadata that says where a text is from, the most telling first."""
_TITLES = ("title", "page_title", "subject", "name")
_DATES = {"last_modified_date": "last_modified", "creation_date": "created", "updatedat": "updated"}


@dataclass(frozen=True, slots=True)
class _Part:
    text: str
    metadata: Mapping[str, Any]

    @property
    def label(self) -> str:
        return str(self.metadata.get("page_label") or "")


def documents(nodes: Iterable[Any], file: object = None) -> dict[str, Document | str]:
    """Documents by uri, in the order in which they were given; a text says why there is none.

    Nodes of one place are parts of one document. Those that name no place belong to ``file``, where a reader was given
    one, else each is a document by its id, or by its content where the id is a new one each time.
    """
    grouped: dict[str, list[_Part]] = {}
    for node in nodes:
        part = _Part(_text(node), {str(key).lower(): value for key, value in (node.metadata or {}).items()})
        place = _place(part.metadata) or (os.fspath(file) if isinstance(file, str | os.PathLike) else "")
        grouped.setdefault(shown(uri_of(place)) if place else _id(node, part, grouped), []).append(part)
    return {uri: _document(uri, parts) for uri, parts in grouped.items()}


def _text(node: Any) -> str:
    return readable(str(node.get_content() or "")).strip() if hasattr(node, "get_content") else ""


def _place(metadata: Mapping[str, Any]) -> str:
    for name in _PLACES:
        value = metadata.get(name)
        # Some readers put a page's number, or the name of a whole service, into "source".
        if isinstance(value, str | os.PathLike) and (place := os.fspath(value).strip()):
            if name != "source" or any(mark in place for mark in "/\\."):
                return place
        elif name == "id" and isinstance(value, int):
            return str(value)
    return ""


def _id(node: Any, part: _Part, taken: Mapping[str, object]) -> str:
    own = shown(str(getattr(node, "id_", "") or ""))
    if not own or _is_random(own):
        own = f"text-{hashlib.sha256(part.text.encode()).hexdigest()[:16]}"
    uri, count = own, 1
    while uri in taken:
        count += 1
        uri = f"{own}#{count}"
    return uri


def _is_random(value: str) -> bool:
    try:
        return uuid.UUID(value).version == 4
    except ValueError:
        return False


def _document(uri: str, parts: Sequence[_Part]) -> Document | str:
    kept = [part for part in parts if part.text]
    if not kept:
        return "no text in it"
    pages: list[PageStart] = []
    length = 0
    for part in kept:
        if part.label:
            pages.append(PageStart(length, part.label))
        length += len(part.text) + 2
    text = "\n\n".join(part.text for part in kept)
    fields = {
        _DATES.get(key, key).replace("-", "_"): value for part in reversed(kept) for key, value in part.metadata.items()
    }
    title = next((found for name in _TITLES if (found := stated_title(fields.get(name)))), None)
    title = shortened(title or blocks.title_of(text) or title_from(str(fields.get("file_name") or uri)))
    modified = stated_date(fields)
    matters = json.dumps([text, title, str(modified), [[page.offset, page.label] for page in pages]])
    return Document(
        uri=uri,
        title=title,
        text=text,
        content_hash=hashlib.sha256(matters.encode()).hexdigest(),
        modified=modified,
        pages=tuple(pages),
    )
