"""Turns that ask for the present state: newer documents rank higher for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from assistant.knowledge.store import Hit

BOOST = 0.15
"""What the newest document gains, on the scale of the cosine: it leads a text that is a little closer, and not one
that is about something else."""
HALF_LIFE_DAYS = 365.0

_CUES = (
    r"latest|newest|most (?:recent|current)|current(?:ly)?|recent(?:ly)?|lately|up[- ]to[- ]date|as of (?:now|today)",
    r"right now|nowadays|these days|at the moment|at present|presently|today'?s",
    r"this (?:year|month|week|quarter)(?:'?s)?",
    r"still (?:valid|true|the case|apply|applies|in (?:force|effect|place|use)|correct|accurate|current|available)",
    r"still (?:offered|possible|allowed|required|needed|mandatory|open)",
    r"any (?:news|updates?)|what'?s new\b(?! hire| employee| joiner| starter)|changed (?:lately|recently|since)",
    r"new (?:rules?|polic(?:y|ies)|rates?|prices?|limits?|versions?)",
    r"(?:is|are|costs?|rates?|prices?|limits?)\b[^.?!]{0,40} now(?= ?(?:\?|$))",
    r"(?:rates?|prices?|menu|open|closed|status)\b[^.?!]{0,30} today",
    r"aktuell\w*|neuest\w*|derzeit\w*|gegenwärtig\w*|zur ?zeit|momentan\w*|heutig\w*|heutzutage|dieses jahr",
    r"diese(?:n monat| woche)|noch (?:gültig|aktuell|in kraft)|gilt\b[^.?!]{0,40} noch",
    r"actuel\w*|(?:derni(?:er|ère)s? (?:version|mise à jour|règle|tarif|nouvelle)|plus récent)\w*|en ce moment",
    r"en vigueur|cette année|ce mois-ci|cette semaine|à jour|toujours (?:valable|valide|possible)s?",
    r"actualmente|(?:la|el|los|las) \w+(?: de \w+)? actual(?:es)?|últim[ao]s? (?:versi[óo]n|norma|tarifa|noticia)\w*",
    r"más recientes?|este (?:año|mes)|esta semana|hoy en día|vigentes?",
    r"(?:todavía|aún|sigue siendo) (?:es )?(?:válid[oa]|posible)",
)
_ASKS = re.compile(rf"\b(?:{'|'.join(_CUES)})(?!\w)", re.IGNORECASE)

_SPEAKER = r"(?:i|we|i'?m|i'?ve|we'?re|we'?ve|(?:^|(?<=[.!?,;] ))(?:my|our) \w+)\b"
_ASKING = "".join(f"(?<!{word} )" for word in "do did can may will must should could would have had am are if".split())
_TIMES = (
    "current(?:ly)?|recent(?:ly)?|lately|right now|at the moment|at present|these days|this (?:year|month|week|quarter)"
)
_TELLS = rf"{_ASKING}{_SPEAKER}[^.?!,;]{{0,60}}? (?:{_TIMES})(?! (?:rules?|rates?|prices?))"
"""What somebody says of themselves ("I currently work in Berlin"), not what they ask ("do I currently …")."""
_OTHERWISE = (
    _TELLS,
    r"(?:my|our|his|her|their|your|its) (?:most )?(?:current|recent(?:ly)?|latest|newest)",
    r"current (?:and (?:former|past|future) )?(?:employees?|employer|staff|job|account|affairs)",
    r"(?:direct|alternating|electric) current",
    r"a (?:recent|recently) \w+",
    r"latest(?= (?:possible|time|date|day|point|moment|hour))|at the latest",
    r"time this (?:year|month|week|quarter)",
    r"(?:keep|kept|keeps|keeping|stay|bring|brought)\b[^.?!]{0,40} up[- ]to[- ]date",
    r"(?:mein|unser|sein|ihr)\w* (?:aktuell|derzeitig|momentan|neuest|heutig)\w*",
    r"(?:mon|ma|mes|notre|nos|votre) \w+ actuel\w*",
    r"(?:mi|mis|su|sus|nuestr[ao]s?) \w+ actual(?:es)?",
)
_NOT = re.compile(rf"\b(?:{'|'.join(_OTHERWISE)})(?!\w)", re.IGNORECASE)


def asks_for_present(text: str) -> bool:
    """Whether a turn asks for the latest state of something, in English, German, French or Spanish."""
    plain = " ".join(text.replace("’", "'").split())
    return bool(_ASKS.search(_NOT.sub(" ; ", plain)))


def newer_first(hits: Sequence[Hit]) -> list[Hit]:
    """The hits by score and recency. Recency halves for each year that a document is older than the newest one found;
    one without a date gains nothing."""
    dates = [hit.chunk.modified for hit in hits if hit.chunk.modified is not None]
    if not dates:
        return list(hits)
    newest = max(dates)
    lifted = [replace(hit, score=hit.score + BOOST * _recency(hit.chunk.modified, newest)) for hit in hits]
    return sorted(lifted, key=lambda hit: -hit.score)


def _recency(modified: date | None, newest: date) -> float:
    return 0.5 ** ((newest - modified).days / HALF_LIFE_DAYS) if modified is not None else 0.0
