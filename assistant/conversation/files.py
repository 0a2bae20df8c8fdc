"""Turns in a conversation that has files attached: whether they are about a file, and that they are looked up then."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from assistant.conversation.turn import Attached, RouteName, Turn
from assistant.knowledge.attached import ATTACHED_TITLE
from assistant.knowledge.retrieve import Found
from assistant.routing.router import Decision

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_FILES = frozenset(
    "file files document documents doc docs pdf docx attachment attachments attached upload uploaded "
    "spreadsheet sheet slides presentation datei dateien dokument dokumente anhang anhänge angehängt "
    "angehängte angehängten hochgeladen hochgeladene hochgeladenen tabelle präsentation".split()
)
"""Words for a file as such."""
_POINTS = frozenset(
    "this these that the it its my our your here a an of in on to for from with by and or me us i you we just "
    "new der die das den dem des dies diese dieser dieses diesen diesem es sein seine ihr ihre mein meine "
    "meinen hier ein eine einen einer eines von vom im aus zu zum zur für mit und oder mir uns ich du sie wir".split()
)
_ASKS_ALL = frozenset(
    "summarise summarize summary summaries summarised summarized tldr tl dr gist overview outline recap "
    "digest takeaways takeaway about contents content describe explain read translate say says said contain "
    "contains mean means tell give show zusammenfassen zusammenfassung zusammen fasse fass überblick inhalt "
    "beschreibe beschreib erkläre erklär lies lesen übersetze worum geht geht's steht sagt sag gib zeig "
    "bedeutet handelt".split()
)
"""What is asked of a file as a whole."""
_PLAIN = frozenset(
    "what what's whats is are does do can could would will please thanks thank hi hello ok okay now think "
    "opinion shortly short brief briefly quick quickly main key most important whole entire all full points "
    "point bullet bullets sentence sentences paragraph paragraphs line lines words word list in up down some "
    "few one two three four five six seven eight nine ten english german simple plain terms language at look "
    "check out go through over have has both each every was ist sind kannst könntest bitte danke hallo kurz "
    "knapp kürzer wichtigsten wichtigste wichtige ganze ganzen alles punkte punkt stichpunkte stichpunkten "
    "satz sätze sätzen absatz zeilen wörter wörtern einem zwei drei vier fünf deutsch englisch auf einfach "
    "einfachen worten durch an mal dir schau meinst davon darin drin".split()
)
"""Says nothing of what in the file is meant."""
_COURTESY = frozenset("thanks thank you hi hello ok okay great please danke hallo bitte super".split())
_THE = r"(?:the|this|that|these|my|our|your|attached|der|die|das|dem|den|des|diese\w?|mein\w*|unser\w*)"
_A_FILE = rf"{_THE}\s+(?:attached\s+|uploaded\s+|angehängte\w?\s+)?(?:{'|'.join(sorted(_FILES))})\b"
_ABOUT_FILE = re.compile(
    rf"\bwhat\s+(?:does|do|did)\s+{_A_FILE}\s+(?:say|tell|mention|state)(?:\s+(?:me|us))?(?:\s+(?:about|on|of))?\b"
    rf"|\bwas\s+(?:steht|sagt)\s+(?:in\s+)?{_A_FILE}(?:\s+(?:über|zu[mr]?)\b)?"
    rf"|\b(?:(?:according\s+to|laut|in|of|from|on|aus|von)\s+)?{_A_FILE}",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"\b(?:summar|overview|gist|digest|tl;?dr|(?:key|main) (?:points|takeaways)|zusammenf|überblick|résum|resum|riass)"
)


def meaning(turn: Turn, collection: str, files: Sequence[tuple[str, bool]]) -> Turn:
    """The turn with the files that it can find, each given by its name and whether it is new. It is about those that it
    names; else, where it speaks of a file as such, or is the first one since, about the new ones, or all of them."""
    names, new = tuple(name for name, _ in files), tuple(name for name, fresh in files if fresh)
    said = turn.text.casefold()
    words = _WORD.findall(said)
    named = tuple(name for name in names if _named(name, said))
    bare = _is_bare(words, named)
    speaks = not _FILES.isdisjoint(words) or (bare and "about" in words)
    first = bool(new) and not _is_courtesy(said)
    meant = named or (new or names if speaks or first else ())
    summary = bool(meant) and _SUMMARY.search(said) is not None
    left = " ".join(_ABOUT_FILE.sub(" ", turn.text).split())
    asked = left if _WORD.search(left) else turn.text
    return replace(turn, attached=Attached(collection, names, new, meant, asked, bool(meant) and bare, summary))


def _is_courtesy(said: str) -> bool:
    words = _WORD.findall(said)
    return bool(words) and _COURTESY.issuperset(words)


def _is_bare(words: list[str], named: tuple[str, ...]) -> bool:
    """Whether nothing is said that could be looked for."""
    of_names = {word.casefold() for name in named for word in _WORD.findall(name)}
    known = _FILES | _POINTS | _ASKS_ALL | _PLAIN | of_names
    return all(word in known or word.isdigit() for word in words)


def _named(name: str, said: str) -> bool:
    """Whether a text holds a file's name, or speaks of it by a word of its name ("the report")."""
    stem = PurePath(name).stem.casefold()
    if name.casefold() in said or (len(_WORD.findall(stem)) > 1 and stem in said):
        return True
    words = "|".join(re.escape(word) for word in _WORD.findall(stem) if len(word) > 3 or not word.isalpha())
    return bool(words) and re.search(rf"\b{_THE}\s+(?:{words})\b", said) is not None


def looked_up(decision: Decision, turn: Turn, found: Found, *, in_voice: bool) -> Decision:
    """The decision for a turn with files: it is looked up where it is about one, or where only nothing near spoke
    against it, unless the person chose the route. A file that is the closest match is called by what it is."""
    files = turn.attached
    if files is None:
        return decision
    looks_up = decision.route in ("retrieve", "both")
    reasons = tuple(reason.replace(files.collection, f"the {ATTACHED_TITLE}") for reason in decision.reasons)
    unsure = not looks_up and decision.information >= decision.threshold and not _is_courtesy(turn.text.casefold())
    if decision.requested or not (files.meant or unsure):
        return replace(decision, reasons=reasons)
    if looks_up:
        return replace(decision, reasons=("a file is attached", *(reasons if not files.whole else reasons[2:])))
    route: RouteName = "both" if in_voice else "retrieve"
    return replace(decision, route=route, reasons=("a file is attached, so it is looked up",), query=found.query)
