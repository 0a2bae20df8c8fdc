"""The parts of a passage that can be quoted: sentences, list items and whole lists, table rows, short code.

Every quote is a slice of the passage. Headings, crumbs of navigation and cut-off pieces are not quotes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["sentence", "item", "list", "row", "code"]

LIST_CHARACTERS = 520
"""A list of up to so many characters is quoted whole; of a longer one the items that fit."""
CODE_CHARACTERS = 600
SHORTEST_WORDS = 4
NARROW, WRAPPED = 50, 120
"""How long the longest line of wrapped text is; elsewhere every line stands on its own."""

_MARKER = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+(?=\S)")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_RULE = re.compile(r"[ \t]*(?:[-*_=][ \t]*){3,}$|<!--.*-->$")
_SEPARATOR = re.compile(r"[|\-: \t]+$")
_END = re.compile(
    r"(?<=[a-z]{3}[.!?])(?=[A-Z][a-z]+ )|"
    r"(?<=[.!?…。])[\"'”’»)\]*_]*\s+(?=[^\W\d_a-zß-öø-ÿ]|\d|[\"'“„‘«(\[*_`])"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.\s?g|i\.\s?e|etc|vs|approx|No|Nos|Mr|Mrs|Ms|Dr|St|Inc|Ltd|Co|Corp|Sec|Art|Abs|Nr|Str|ca|"
    r"z\.\s?B|d\.\s?h|u\.\s?a|bzw|vgl|inkl|U\.S|[^\W\d_])|(?<!\w)\d{1,2})\.\s*$"
)
_LEANS = re.compile(
    r"[\"'“(*_]*(?:It|They|This|That|These|Those|He|She|Its|Their|His|Her|Them|Then|Otherwise|However|But|And|So|Also|"
    r"Therefore|Thus|Instead|Or|Such|Additionally|Moreover|Furthermore|In addition|As a result|For this reason|"
    r"After that|Before that|If so|If not|The same|The latter|The former|Both|Neither|"
    r"Sie|Es|Er|Dies\w*|Das|Danach|Dabei|Dazu|Dafür|Damit|Dann|Außerdem|Jedoch|Deshalb|Daher|Sonst)\b"
)
_GOES_ON = re.compile(r"(?:[,;(–-]|\b(?:and|or|the|a|an|of|to|for|in|on|with|by|und|oder|der|die|das|von|mit))$")
_CLOSED = re.compile(r"[.!?…。][\"'”’»)\]*_`]*\s*$")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Quote:
    """A quotable part. ``document`` and ``position`` say where it stands, ``block`` which paragraph, list or table it
    is of; ``head`` is what belongs above it: a table's head, the sentence that a list or code is introduced by.
    ``leans`` says that it cannot be read without the one before; ``under`` is the heading or question above it."""

    document: int
    position: int
    block: int
    kind: Kind
    text: str
    head: str = ""
    leans: bool = False
    under: str = ""


@dataclass(frozen=True, slots=True)
class _Block:
    kind: Literal["prose", "item", "row", "code", "heading"]
    text: str


def quotes(document: int, text: str) -> list[Quote]:
    """All quotable parts of a passage in their order."""
    found: list[Quote] = []
    blocks = list(_blocks(text))
    place = 0
    under = ""
    while place < len(blocks):
        kind = blocks[place].kind
        end = place + 1
        while kind in ("item", "row") and end < len(blocks) and blocks[end].kind == kind:
            end += 1
        head = _introduction(blocks[place - 1].text) if place and blocks[place - 1].kind == "prose" else ""
        for made, part, above, leans in _parts([each.text for each in blocks[place:end]], kind, head):
            if made is None:
                under = part
            else:
                found.append(Quote(document, len(found), place, made, part, above, leans, under))
        place = end
    return found


def sentences(text: str) -> list[str]:
    """Sentences of one paragraph; common abbreviations do not end one."""
    found: list[str] = []
    start = 0
    for gap in _END.finditer(text):
        if _ABBREVIATION.search(text[start : gap.start()]):
            continue
        found.append(text[start : gap.end()].strip())
        start = gap.end()
    return [each for each in (*found, text[start:].strip()) if each]


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return _WORD.findall(text.casefold())


_Part: TypeAlias = tuple[Kind | None, str, str, bool]


def _parts(texts: Sequence[str], kind: str, head: str) -> Iterator[_Part]:
    if kind == "heading":
        yield None, texts[0], "", False
    elif kind == "prose":
        yield from _of_prose(texts[0])
    elif kind == "code":
        if len(texts[0]) <= CODE_CHARACTERS:
            yield "code", texts[0], head, False
    elif kind == "row":
        yield from _of_table(texts)
    else:
        yield from _of_list(texts, head)


def _of_prose(text: str) -> Iterator[_Part]:
    for sentence in sentences(text):
        if sentence.endswith(":"):
            continue
        if sentence.endswith("?") or not _CLOSED.search(sentence):
            yield None, sentence, "", False
        elif len(words(sentence)) >= SHORTEST_WORDS:
            yield "sentence", sentence, "", _LEANS.match(sentence) is not None


def _of_table(rows: Sequence[str]) -> Iterator[_Part]:
    separated = len(rows) > 1 and _SEPARATOR.match(rows[1])
    head = rows[0] if separated else ""
    for row in rows[2 if separated else 0 :]:
        if words(row):
            yield "row", row, head, False


def _of_list(items: Sequence[str], head: str) -> Iterator[_Part]:
    whole = textwrap.dedent("\n".join(items))
    said = [item for item in items if len(words(_MARKER.sub("", item, count=1))) >= 2]
    if len(items) > 1 and len(whole) <= LIST_CHARACTERS and (head or len(said) == len(items)):
        yield "list", whole, head, False
        return
    for item in items:
        text = _MARKER.sub("", item, count=1).strip()
        if _says_something(text) or (head and words(text)):
            yield "item", text, head, False


def _says_something(text: str) -> bool:
    """Whether it reads as a statement: ended as one, or long enough to be one all the same."""
    count = len(words(text))
    return count >= SHORTEST_WORDS and (_CLOSED.search(text) is not None or count >= 8) and text.count(" | ") < 2


def _introduction(text: str) -> str:
    last = sentences(text)[-1:]
    return last[0] if last and last[0].endswith(":") and len(last[0]) < 300 else ""


def _blocks(text: str) -> Iterator[_Block]:
    """Paragraphs, list items, table rows and fenced code; headings and rules are left out."""
    lines = text.splitlines()
    place = 0
    while place < len(lines):
        line = lines[place]
        bare = line.strip()
        end = place + 1
        if fence := _FENCE.match(line):
            while end < len(lines) and not lines[end].strip().startswith(fence[1]):
                end += 1
            yield _Block("code", textwrap.dedent("\n".join(lines[place : end + 1])))
            end += 1
        elif bare.startswith("|"):
            yield _Block("row", bare)
        elif _MARKER.match(line) and not _RULE.match(line):
            while end < len(lines) and lines[end].strip() and not _starts(lines[end]):
                end += 1
            yield _Block("item", "\n".join(lines[place:end]).rstrip())
        elif bare.startswith("#"):
            yield _Block("heading", bare.strip("# "))
        elif bare and not _RULE.match(line):
            while end < len(lines) and lines[end].strip() and not _starts(lines[end]):
                end += 1
            yield from (_Block("prose", each) for each in _paragraphs(lines[place:end]))
        place = end


def _starts(line: str) -> bool:
    """Whether a line begins something new of its own."""
    return line.lstrip().startswith(("|", "#")) or bool(_MARKER.match(line) or _FENCE.match(line) or _RULE.match(line))


def _paragraphs(lines: Sequence[str]) -> Iterator[str]:
    """Lines in a row as paragraphs: one line is the next one's beginning where it was only wrapped."""
    bare = [line.strip().lstrip("> ").removeprefix(": ").lstrip("_ ") for line in lines]
    width = max(map(len, bare))
    made = ""
    for number, line in enumerate(bare):
        made += line
        if number + 1 == len(bare):
            continue
        following = bare[number + 1]
        first = following.split(" ", 1)[0]
        fits = not NARROW <= width <= WRAPPED or len(line) + 1 + len(first) <= width - 8
        if fits and not following[:1].islower() and not _GOES_ON.search(line):
            yield made
            made = ""
        else:
            made += "\n"
    if made:
        yield made
