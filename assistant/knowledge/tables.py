"""Tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

PART = 600
"""Characters of rows after which the header is repeated: about what fits one chunk, so that each part of a
long table says what its columns mean."""

_SEPARATOR = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_CELL = re.compile(r"(?<!\\)\|")


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows as a Markdown table whose first row is the header, written anew before every ``PART`` characters.

    Empty rows and columns are left out; a table of one column becomes a list.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    width = max((len(row) for row in cells), default=0)
    cells = [row + [""] * (width - len(row)) for row in cells if any(row)]
    used = [column for column in range(width) if any(row[column] for row in cells)]
    if not used:
        return ""
    if len(used) == 1:
        return "\n".join(f"- {row[used[0]]}" for row in cells)
    lines = [f"| {' | '.join(row[column] for column in used)} |" for row in cells]
    head = f"{lines[0]}\n|{' --- |' * len(used)}"
    parts: list[list[str]] = [[]]
    length = 0
    for line in lines[1:]:
        if parts[-1] and length + len(line) > max(PART - len(head), PART // 3):
            parts.append([])
            length = 0
        parts[-1].append(line)
        length += len(line)
    return "\n\n".join("\n".join((head, *part)) for part in parts)


def _cell(value: str) -> str:
    return _CELL.sub(r"\|", " ".join(value.split()))


def compacted(text: str) -> str:
    """Markdown in which every table is rewritten by ``table``: no padding, header repeated when long."""
    if "|" not in text:
        return text
    lines = text.split("\n")
    out: list[str] = []
    index = 0
    while index < len(lines):
        head, below = lines[index], lines[index + 1] if index + 1 < len(lines) else ""
        if "|" not in head or "|" not in below or not _SEPARATOR.match(below):
            out.append(head)
            index += 1
            continue
        rows = [_split(head)]
        index += 2
        while index < len(lines) and "|" in lines[index] and lines[index].strip():
            rows.append(_split(lines[index]))
            index += 1
        out += ["", *table(rows).split("\n"), ""]
    return "\n".join(out)


def _split(line: str) -> list[str]:
    line = line.strip().removeprefix("|")
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    return [cell.replace("\\|", "|") for cell in _CELL.split(line)]
