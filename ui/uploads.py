"""Where Gradio keeps what is uploaded until it has been read: in a folder of this user alone, empty at every start."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

FORGET = (600, 3600)
"""Every ten minutes what is older than an hour goes: Gradio's ``delete_cache``, in seconds."""
MEGABYTE = 1_000_000
DESK_MEGABYTES = 100
FORM = 100_000
"""Bytes around a file in the form that carries it."""


MOST_WAITING = 2_000 * MEGABYTE
"""Bytes of all uploads that have not been read yet."""


def full() -> bool:
    """Whether no more may be uploaded for now. What is older than an hour goes: Gradio forgets what was broken off."""
    total, old = 0, time.time() - FORGET[1]
    for each in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*"):
        with suppress(OSError):
            found = each.stat()
            if not each.is_file():
                continue
            if found.st_mtime < old:
                each.unlink()
            else:
                total += found.st_size
    return total > MOST_WAITING


def keep_in(folder: Path) -> None:
    """Have Gradio put uploads there. It reads this as it is imported, so this comes before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ["GRADIO_TEMP_DIR"] = str(folder.resolve())
