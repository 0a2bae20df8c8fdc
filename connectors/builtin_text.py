"""Quotes as Markdown with their citations, and what is said where nothing answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from connectors.base import DocumentPart
from connectors.extract import Quote, words

NOT_HELD = {
    "en": "The documents do not hold the answer to this.",
    "de": "Die Dokumente enthalten keine Antwort darauf.",
}
NOTHING_FITS = {
    "en": "That is more than I can do on my own: without a language model I quote your documents and make a little "
    "small talk.",
    "de": "Das kann ich allein nicht: Ohne Sprachmodell zitiere ich eure Dokumente und plaudere ein wenig.",
}
FOR_OPERATORS = {
    "en": " Whoever runs this assistant can add one in `assistant.yaml`.",
    "de": " Wer diesen Assistenten betreibt, kann in `assistant.yaml` eines eintragen.",
}
"""What follows for whoever runs the assistant: nothing for the readers of another site."""
NEAREST = {"en": "What comes nearest:", "de": "Am nächsten kommt:"}

_GERMAN = frozenset(
    "der die das den dem des ein eine einen einem einer und oder nicht ist sind war wird wie was wer wo wann warum "
    "welche welcher welches wenn ich du er sie wir ihr mir mich uns mein meine unser kann muss darf soll gibt habe hat "
    "haben für mit von zum zur beim auf im am bei nach über auch noch bitte viel viele lange".split()
)
_ENGLISH = frozenset(
    "the a an and or not is are was were will how what who where when why which if i you he she we they me us my our "
    "can must may should do does did have has for with from to of on in at by also please many much long".split()
)
_MARKER = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+")
_MARKER_LIKE = re.compile(
    r"(`[^`\n]*`)|(\[[^\[\]\n]{0,40}\d[^\[\]\n]{0,40})\](?!\()|"
    r"(\((?:cit|doc|passage|ref|source|src|beleg|dokument|quelle)\w*[ .:#]*\d[^()\n]{0,40})\)",
    re.IGNORECASE,
)
"""Code, or what a reader would take for a citation."""
_PAIRED = ("**", "__", "`")


def language(text: str) -> str:
    """``de`` or ``en``; of any other language ``en`` too."""
    said = words(text)
    return "de" if sum(word in _GERMAN for word in said) > sum(word in _ENGLISH for word in said) else "en"


def answer(quotes: Sequence[Quote], documents: Sequence[DocumentPart]) -> str:
    """The quotes as Markdown, each with its citation: sentences flow, items stay lists, rows tables with their head."""
    blocks: list[str] = []
    for (document, _, kind), group in groupby(quotes, key=lambda each: (each.document, _block(each), each.kind)):
        some = list(group)
        cite = f" [{documents[document].number}]"
        blocks += _sentences(some, cite) if kind == "sentence" else _set_apart(some, kind, cite)
    return "\n\n".join(blocks)


def nothing_fits(said: str) -> str:
    """That neither documents nor voice examples are to hand, in the language of the turn."""
    spoken = language(said)
    return NOTHING_FITS[spoken] + FOR_OPERATORS[spoken]


def not_held(asked: str, quotes: Sequence[Quote], documents: Sequence[DocumentPart]) -> str:
    """That the documents do not answer, in the language of the turn, with what comes nearest."""
    spoken = language(asked)
    if not quotes:
        return NOT_HELD[spoken]
    return f"{NOT_HELD[spoken]} {NEAREST[spoken]}\n\n{answer(quotes, documents)}"


def _block(quote: Quote) -> int:
    """Sentences of one document flow together, whatever paragraph they are of."""
    return -1 if quote.kind == "sentence" else quote.block


def _sentences(quotes: Sequence[Quote], cite: str) -> list[str]:
    return [" ".join(_shown(quote.text) + cite for quote in quotes)]


def _set_apart(quotes: Sequence[Quote], kind: str, cite: str) -> list[str]:
    """A list, a table or code, below what introduces it."""
    head = quotes[0].head
    if kind == "row":
        columns = (head or quotes[0].text).strip("| ").count("|") + 1
        first = [head or "|" + "  |" * columns, "|" + " --- |" * columns]
        return ["\n".join([*first, *(_shown(quote.text).rstrip("| ") + cite + " |" for quote in quotes)])]
    above = [_shown(head) + cite] if head else []
    if kind == "code":
        return [*above, *(quote.text for quote in quotes), *([] if head else [cite.strip()])]
    if kind == "list":
        return [*above, "\n".join(line for quote in quotes for line in _cited_items(quote.text, cite))]
    return [*above, "\n".join(f"- {_indented(_shown(quote.text))}{cite}" for quote in quotes)]


def _cited_items(text: str, cite: str) -> Iterator[str]:
    lines = [line for line in _shown(text).splitlines() if line.strip()]
    for number, line in enumerate(lines):
        last = number + 1 == len(lines) or _MARKER.match(lines[number + 1])
        yield line + cite if last else line


def _indented(text: str) -> str:
    return "\n  ".join(line.strip() for line in text.splitlines() if line.strip())


def _shown(text: str) -> str:
    """The text with its marks in pairs, and with no bracketed number that would read as a citation of ours."""
    text = _MARKER_LIKE.sub(lambda found: found[1] or (f"{found[2]}\\]" if found[2] else f"{found[3]}\\)"), text)
    for mark in _PAIRED:
        if text.count(mark) % 2:
            opens = re.search(rf"(?:^|[\s(\"'“]){re.escape(mark)}\S", text)
            text = text + mark if opens else mark + text
    return text
