"""LlamaIndex readers as a user would write them, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document


class FolderReader(BaseReader):
    """Each text file of a folder."""

    def __init__(self, folder: str, token: str = "") -> None:
        self.folder = Path(folder)
        self.token = token

    def load_data(self, fail: str = "") -> list[Document]:
        if fail:
            raise RuntimeError(
                f"GET https://ann:pw@api.example.org/?api_key={self.token} failed with {self.token}: {fail}"
            )
        files = sorted(self.folder.iterdir())
        return [Document(text=file.read_text(), metadata={"file_path": file.name}) for file in files]


class GivenReader(BaseReader):
    """Exactly the documents that it was made with."""

    def __init__(self, given: list[dict[str, Any]]) -> None:
        self.given = given

    def load_data(self, file: str | None = None) -> list[Document]:
        return [Document(**each) for each in self.given]


class NeedsMore(BaseReader):
    """Lacks a package."""

    def load_data(self) -> list[Document]:
        import surely_not_there_xyz  # noqa: F401

        return []


def load_nothing() -> None:
    """No reader at all."""
