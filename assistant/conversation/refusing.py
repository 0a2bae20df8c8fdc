"""Whether an answer says that the documents do not hold what was asked for."""

from __future__ import annotations

import re

FIRST = 2
"""Sentences in which an answer says so."""
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_NOT_HELD = re.compile(
    r"(?:documents?|passages?|sources?|context)\b[^.]{0,60}?\b(?:do(?:es)? not|don['’]t|doesn['’]t|cannot)\b|"
    r"\bnot (?:in|covered by|found in|part of) the (?:documents|passages|sources)|"
    r"\b(?:no|not have|don['’]t have|not find|not contain)\b[^.]{0,30}\binformation\b|\bI (?:do not|don['’]t) know\b|"
    r"\b(?:Dokumente?n?|Quellen|Unterlagen)\b[^.]{0,60}?\b(?:kein\w*|nicht|nichts)\b|"
    r"\bkeine (?:Angaben?|Informationen?)\b",
    re.IGNORECASE,
)


def refuses(answer: str) -> bool:
    """Whether an answer begins by saying that the documents do not hold it, in English or German."""
    return any(_NOT_HELD.search(sentence) for sentence in SENTENCE_END.split(answer.strip(), maxsplit=FIRST)[:FIRST])
