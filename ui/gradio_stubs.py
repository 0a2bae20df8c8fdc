"""Gradio's classes, defined without the type stubs that it writes on every import."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STUBBED = ("ComponentMeta", "BlocksMeta")
"""Metaclasses of Gradio that write stubs for their classes; the second for one of another class."""


@contextmanager
def unwritten() -> Iterator[None]:
    """Within it Gradio is imported as if its classes had no files: it would parse each file anew for every class in it,
    and write a stub beside it, for editors. That takes 0.7 s of a start and wants a folder that it may write to."""
    of = inspect.getfile

    def getfile(given: Any) -> str:
        if type(given).__name__ in STUBBED or getattr(given, "__name__", "") == "BlocksEvents":
            raise OSError("no stub is wanted")  # what Gradio expects of a class without a file
        return of(given)

    inspect.getfile = getfile  # type: ignore[assignment]  # it takes all that the other takes
    try:
        yield
    finally:
        inspect.getfile = of
