"""Any LlamaIndex reader, by the dotted name of its class: what it gives, loaded all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Self

from assistant.knowledge.documents import Document
from assistant.knowledge.loading import IMPORTING, ReadError
from assistant.knowledge.properties import shortened
from assistant.knowledge.sources import Fetched, Listed, Listing, SourceError, SourceSpec
from assistant.knowledge.sources.nodes import documents
from assistant.knowledge.sources.urls import is_secret, masked_text

_HUB = "llama_index."


class ReaderSource:
    """A reader's documents. ``arguments`` go to its class, ``load`` to its ``load_data``.

    It is read whole at each listing, for a reader cannot say what has changed.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self.spec = spec
        self._arguments: Mapping[str, Any] = spec.options.get("arguments") or {}
        self._load: Mapping[str, Any] = spec.options.get("load") or {}
        self._documents: dict[str, Document | str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._documents = {}

    async def list(self) -> Listing:
        self._documents = await asyncio.to_thread(self._read)
        troubles = {uri: each for uri, each in self._documents.items() if isinstance(each, str)}
        return Listing(tuple(Listed(uri, None, troubles.get(uri, "")) for uri in self._documents))

    async def fetch(self, listed: Listed, known: str | None) -> Fetched:
        found = self._documents.get(listed.uri)
        if not isinstance(found, Document):
            raise ReadError(found or "the reader did not give it")
        return Fetched(found, None)

    def _read(self) -> dict[str, Document | str]:
        made = self._class()
        try:
            reader = made(**self._arguments)
            if not callable(load := getattr(reader, "load_data", None)):
                raise SourceError(f"{self.spec.location} is no reader: it has no load_data")
            return documents(load(**self._load), self._load.get("file"))
        except SourceError:
            raise
        except ImportError as error:
            raise SourceError(_hint(self.spec.location, error)) from None
        except Exception as error:  # a reader may raise anything, and its traceback shows its arguments
            raise SourceError(self._why(error)) from None

    def _class(self) -> Any:
        with IMPORTING:
            from assistant.knowledge.formats import root_logger_kept

        module, _, name = self.spec.location.rpartition(".")
        try:
            with IMPORTING, root_logger_kept():
                return getattr(import_module(module), name)
        except ImportError as error:
            raise SourceError(_hint(self.spec.location, error)) from error
        except (AttributeError, ValueError, TypeError) as error:
            raise SourceError(f"there is no reader {self.spec.location}: check the name of its class") from error
        except Exception as error:  # code of others runs at import
            raise SourceError(self._why(error)) from None

    def _why(self, error: Exception) -> str:
        secrets = [*_texts(self._arguments), *_texts(self._load, only_secret=True)]
        text = shortened(" ".join(masked_text(str(error), *secrets).split()), 300)
        return f"the reader {self.spec.location} failed: {type(error).__name__}{f': {text}' if text else ''}"


def _texts(value: object, only_secret: bool = False, name: str = "") -> Iterator[str]:
    """All that stands in arguments, or what has a secret's name there; what is shorter than a key is no secret."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(each, only_secret, str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, only_secret, name)
    elif isinstance(value, str | int) and len(str(value)) >= 4 and (not only_secret or is_secret(name)):
        yield str(value)


def _hint(location: str, error: ImportError) -> str:
    """What to install: LlamaIndex's packages are called like their modules."""
    parts = location.split(".")
    missing = (error.name or "").split(".")
    if location.startswith(_HUB) and (not error.name or error.name.startswith(_HUB.rstrip("."))):
        package = "-".join(parts[:3]).replace("_", "-")
        return f"the reader {location} is not installed: pip install {package}"
    if error.name and missing[0] != parts[0]:
        return f"the reader {location} needs the package {missing[0]}: pip install {missing[0]}"
    return f"there is no module {location.rpartition('.')[0]}: pip install the package that it comes with"
