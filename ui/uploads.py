"""Where Gradio keeps what is uploaded until it has been read: in a folder of this user alone, empty at every start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

FORGET = (600, 3600)
"""Every ten minutes what is older than an hour goes: Gradio's ``delete_cache``, in seconds."""
MEGABYTE = 1_000_000
DESK_MEGABYTES = 100
FORM = 100_000
"""Bytes around a file in the form that carries it."""


def keep_in(folder: Path) -> None:
    """Have Gradio put uploads there. It reads this as it is imported, so this comes before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ["GRADIO_TEMP_DIR"] = str(folder.resolve())
