"""An answer, read as claims: its sentences with their places, the citations that belong to each, and which of them
state something that documents could hold. Small talk, questions, offers, hedges, headings and code state nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from assistant.conversation.citations import cited, split_code, without_citations

_MARKERS = r"(?:\s?\[\d{1,2}\](?!\())*"
_END = re.compile(rf"(?:[.!?…]+[\"'”“»’)\]*_]*{_MARKERS})(?=\s|$|[A-ZÄÖÜ][a-z])")
_NO_END = re.compile(
    r"(?:\b(?:e\.?g|i\.?e|etc|vs|cf|Dr|Mr|Mrs|Ms|Prof|St|No|Nr|approx|ca|bzw|usw|vgl|z|d|u|z\. ?B|"
    r"d\. ?h|u\. ?a|inkl|zzgl|Abs|Art|"
    r"Inc|Ltd|Co|Jr|Sr|Mio|Mrd|Std|Tel|Str|pp?|vol|fig|[A-Z]|a\.m|p\.m|(?:[A-Za-z]\.)+[A-Za-z])|(?:^|\s)\d{1,2})\.$"
)
_LOWER = re.compile(r"\s+[a-zäöü]")
_MONTH_AFTER = re.compile(
    r"\s+(?:Jan|Feb|März|Mär|Apr|Mai|Juni|Juli|Aug|Sep|Okt|Nov|Dez|Quartal|Tag|Etage|Stock|Jahrhundert|Klasse)",
    re.IGNORECASE,
)
_LEAD = re.compile(r"^[ \t>]*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?")
_ITEM = re.compile(r"^[ \t>]*(?:[-*+•]|\d{1,3}[.)])[ \t]+")
_HEADING = re.compile(r"^[ \t>]*(?:#{1,6}\s|[=-]{3,}\s*$|\*\*[^*]{1,60}\*\*:?\s*$|__[^_]{1,60}__:?\s*$)")
_RULE = re.compile(r"^[ \t>]*\|?[\s:|-]*--[\s:|-]*$")
_MARKS = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)|(\*\*|__|~~|`+)|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)|<[^>\n]{1,80}>")
_ANSWERED = re.compile(
    r"^(?:(?:yes|no|sure|certainly|of course|correct|wrong|actually|right|absolutely|sorry|"
    r"unfortunately|indeed|true|great question|"
    r"you(?:'re| are) (?:right|correct)|that(?:'s| is) (?:not )?(?:right|correct|incorrect|true|false|wrong)|"
    r"ja|nein|doch|genau|leider|natürlich|gerne?|stimmt|richtig|falsch)\b[\s,.!:;–—-]*(?:but |aber )?)+",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:(?:i|we) (?:do(?:n't| not)|cannot|can't|could(?:n't| not)|am not|'m not|did(?:n't| not)) (?:\w+ ){0,2}"
    r"(?:have|know|find|say|tell|sure|certain|able|see|aware|answer|provide|offer|contain|hold|possess)|"
    r"(?:documents?|passages?|sources?|text|information|context|"
    r"pages?) (?:\w+ ){0,2}(?:do(?:es)?(?:n't| not)|did(?:n't| not)) "
    r"(?:\w+ )?(?:say|mention|state|contain|hold|give|specify|include|provide|cover|address|answer|tell)|"
    r"not (?:in|found in|covered (?:in|by)|mentioned in|part of) (?:the|your|these|our) (?:documents|passages|sources)|"
    r"ich (?:kann|konnte|weiß|habe|finde) (?:\w+ ){0,4}(?:nichts?|keine?n?)|"
    r"(?:dokumente?n?|quellen?|unterlagen|texte?n?) (?:\w+ ){0,4}(?:nicht|keine?n?|nichts)|steht nicht in den)\b",
    re.IGNORECASE,
)
_TALK = re.compile(
    r"^(?:(?:hello|hi|hey|dear|thanks?|thank you|you(?:'re| are) welcome|i(?:'m| am) (?:sorry|happy|glad|afraid|here)|"
    r"(?:please )?(?:let me|feel free|do not hesitate|don't hesitate|tell me|ask me)|i (?:hope|"
    r"can help|would recommend|suggest|recommend)|"
    r"would you|do you|can i|shall i|should i|here (?:is|are) (?:what|the|some|a)|if you (?:have|"
    r"need|want|like) (?:any|more|further|me)|"
    r"hope (?:this|that)|have a|good (?:morning|luck|question)|best (?:regards|wishes)|kind regards|"
    r"the (?:question|user) (?:seems|is asking)|in short\W*$|in summary\W*$|"
    r"hallo|guten (?:tag|morgen|abend)|danke|vielen dank|gern geschehen|es tut mir leid|"
    r"sag(?:en sie)? (?:mir )?|melde|melden sie|"
    r"soll ich|möchten sie|möchtest du|wenn sie (?:noch|weitere|mehr)|viele grüße|mit freundlichen|"
    r"ich hoffe|ich empfehle|hier (?:ist|sind))\b)",
    re.IGNORECASE,
)
_BUT = re.compile(
    r"(?:,|;)?\s(?:but|however|though|aber|doch|jedoch),? (?:i can (?:say|tell you) that |the |die |der |das )?",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?<=\]\()[^)\s]+(?=[)\s])|https?://[^\s|]*[\w/]")
_CONTENT = re.compile(r"[^\W_]{2,}|\d")
FEWEST_WORDS = 2
"""Words that a sentence needs to state anything."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, list item's sentence or table row at ``[start, end)`` of the answer. ``text`` is what it says,
    without Markdown and citations; ``cites`` the numbers that belong to it; ``head`` the words that it completes
    (a lead-in, the head of its table); ``claim`` whether it states something."""

    start: int
    end: int
    text: str
    cites: tuple[int, ...]
    head: str = ""
    claim: bool = True


@dataclass(frozen=True, slots=True)
class _Block:
    start: int
    end: int
    kind: str
    head: str = ""


def sentences(answer: str) -> list[Sentence]:
    """All sentences of an answer but those in code, in their order."""
    text = _blanked(answer)
    found: list[Sentence] = []
    lead = ""
    for block in _blocks(text):
        if block.kind == "paragraph":
            lead = ""
        inner = [_sentence(answer, start, end) for start, end in _split(text, block)]
        inner = [each for each in inner if each.text]
        if block.kind in ("item", "row") and inner:
            shared = tuple(dict.fromkeys(number for each in inner for number in each.cites))
            head = block.head or lead
            inner = [replace(each, cites=each.cites or shared, head=head) for each in inner]
        found += inner
        if inner and inner[-1].text.endswith(":"):
            lead = inner[-1].text
    return [replace(each, claim=is_claim(each.text)) for each in found]


def claims(answer: str) -> list[Sentence]:
    """The sentences that state something."""
    return [each for each in sentences(answer) if each.claim]


def is_claim(text: str) -> bool:
    """Whether a sentence states something that documents could hold. A lead-in ("There are three:") is read with its
    list, not alone."""
    said = stated(text)
    if not said or text.rstrip(" \"'”»)").endswith(("?", ":")):
        return False
    return len(_CONTENT.findall(said)) >= FEWEST_WORDS


def stated(text: str) -> str:
    """What of a sentence is a statement: without "Yes," before it, and without a hedge before a "but"."""
    said = _ANSWERED.sub("", text).strip()
    if _HEDGE.search(said):
        parts = _BUT.split(said, maxsplit=1)
        said = parts[1].strip() if len(parts) > 1 and not _HEDGE.search(parts[1]) else ""
    return "" if _TALK.match(said) else said


def plain(text: str) -> str:
    """A piece of an answer without Markdown and citations, on one line."""
    bare = without_citations(_LEAD.sub("", text))
    bare = _MARKS.sub(lambda match: match[1] or "", bare)
    return " ".join(bare.replace("|", " · ").strip(" ·\n\t>").split())


def _blanked(answer: str) -> str:
    """The answer with its fenced code as spaces and code within a line and addresses as letters, in which no sentence
    ends; everything at its place."""
    pieces = split_code(answer)
    pieces[1::2] = [re.sub(r"[^\n]", " ", code) if "\n" in code else "x" * len(code) for code in pieces[1::2]]
    return _ADDRESS.sub(lambda match: "x" * len(match[0]), "".join(pieces))


def _blocks(text: str) -> Iterator[_Block]:
    """Paragraphs, list items and table rows, each with its place."""
    lines = [(match.start(), match.end(), match[0]) for match in re.finditer(r"[^\n]+", text)]
    head, table = "", False
    open_from: int | None = None
    last = 0
    kind = "paragraph"
    for number, (start, end, line) in enumerate(lines):
        gap = text[last:start].count("\n") > 1
        row = line.lstrip(" \t>").startswith("|")
        if open_from is not None and (gap or row or not line.strip() or _HEADING.match(line) or _ITEM.match(line)):
            yield _Block(open_from, last, kind)
            open_from = None
        last = end
        if not line.strip() or _HEADING.match(line) or _RULE.match(line):
            continue
        if row:
            begins = number + 1 < len(lines) and _RULE.match(lines[number + 1][2])
            if begins:
                head, table = plain(line), True
            else:
                yield _Block(start, end, "row", head if table else "")
            continue
        head, table = "", False
        if open_from is None:
            open_from, kind = start, "item" if _ITEM.match(line) else "paragraph"
    if open_from is not None:
        yield _Block(open_from, last, kind)


def _split(text: str, block: _Block) -> Iterator[tuple[int, int]]:
    """The sentences of a block; a row is one. Places are without the marks and spaces around."""
    if block.kind == "row":
        yield _trimmed(text, block.start, block.end)
        return
    start = block.start + len(_LEAD.match(text[block.start : block.end])[0])  # type: ignore[index]  # it matches nothing, too
    for end in _END.finditer(text, start, block.end):
        before, after = text[max(start, end.start() - 12) : end.end()], text[end.end() : end.end() + 14]
        if end.end() < block.end and end[0] == "." and _goes_on(before, after):
            continue
        yield _trimmed(text, start, end.end())
        start = end.end()
    if text[start : block.end].strip():
        yield _trimmed(text, start, block.end)


def _goes_on(before: str, after: str) -> bool:
    if _LOWER.match(after) or _NO_END.search(before):
        return not re.search(r"\b\d{3,}\.$|\d{1,2}\.$", before) or bool(
            _LOWER.match(after) or _MONTH_AFTER.match(after)
        )
    return False


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and (text[start].isspace() or text[start] in ">|"):
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == "|"):
        end -= 1
    return start, end


def _sentence(answer: str, start: int, end: int) -> Sentence:
    return Sentence(start, end, plain(answer[start:end]), tuple(cited(answer[start:end])))
