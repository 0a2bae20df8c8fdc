"""Citations in an answer, ``[1]`` or ``[2][3]``: to be found and taken out, and never mistaken for an index in code."""

from __future__ import annotations

import re

_CODE = re.compile(
    # A fence of three or more, perhaps in a quotation or a list item, to its end or to that of the text;
    r"^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})"
    r".*?(?:^[ \t>]*(?P=fence)[`~]*[ \t\r]*$|\Z)"
    # or code within a line, between two runs of as many backticks.
    r"|(?<![`\\])(?P<run>`{1,3})(?!`)[^\n]+?(?<!`)(?P=run)(?!`)",
    re.DOTALL | re.MULTILINE,
)
_CITED = re.compile(r"\[(\d{1,2})\](?!\()")
# A bracket right after a word or another index is an index; one right before a parenthesis is a link.
_REMOVED = re.compile(r"[ \t]?(?<![\w\]])\[\d{1,2}\](?:[,;]?[ \t]?\[\d{1,2}\])*(?!\()")


def split_code(text: str) -> list[str]:
    """``text`` in pieces: prose at even places, code (fences, and spans within a line) at odd ones."""
    pieces: list[str] = []
    end = 0
    for code in _CODE.finditer(text):
        pieces += [text[end : code.start()], code[0]]
        end = code.end()
    return [*pieces, text[end:]]


def cited(text: str) -> list[int]:
    """The numbers that the prose of ``text`` cites, each once, in their order."""
    return list(dict.fromkeys(int(number) for prose in split_code(text)[::2] for number in _CITED.findall(prose)))


def without_citations(text: str) -> str:
    """``text`` with the citations taken out of its prose; its code stays as it is."""
    pieces = split_code(text)
    pieces[::2] = [_REMOVED.sub("", prose) for prose in pieces[::2]]
    return "".join(pieces)
