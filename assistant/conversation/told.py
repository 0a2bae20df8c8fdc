"""What a reader is told of the evidence of an answer, in the language of the surface: the one file of these words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assistant.knowledge.evidence import EvidenceState

Language = Literal["en", "de"]


@dataclass(frozen=True, slots=True)
class Told:
    """The words of one language; ``contact`` has a place for whom to ask."""

    states: Mapping[EvidenceState, str]
    differently: str
    elsewhere: str
    contact: str
    marked: str
    lost: str
    added: str


TOLD: Mapping[Language, Told] = {
    "en": Told(
        {
            "supported": "",
            "partly": "The documents may answer this only in part.",
            "not_in_documents": "The documents do not seem to answer this. What comes nearest:",
        },
        "Try it in other words",
        "in another collection",
        "ask {0}",
        "Underlined: not, or only partly, in the sources.",
        "Left out of what the sources say: {0}.",
        "Not in the sources: {0}.",
    ),
    "de": Told(
        {
            "supported": "",
            "partly": "Die Dokumente beantworten das vielleicht nur zum Teil.",
            "not_in_documents": "Die Dokumente scheinen das nicht zu beantworten. Am nächsten kommt:",
        },
        "Versuchen Sie es mit anderen Worten",
        "in einer anderen Sammlung",
        "fragen Sie {0}",
        "Unterstrichen: nicht oder nur zum Teil in den Quellen.",
        "Fehlt gegenüber den Quellen: {0}.",
        "Steht nicht in den Quellen: {0}.",
    ),
}
_OR: Mapping[Language, str] = {"en": ", or ", "de": " oder "}


def offer(language: Language, *, contact: str | None, elsewhere: bool) -> str:
    """What somebody can do whose question the documents do not answer, as a sentence: say it differently, search
    another collection where there is one, ask whoever is named."""
    told = TOLD[language]
    ways = [told.differently]
    if elsewhere:
        ways.append(told.elsewhere)
    if contact:
        ways.append(told.contact.format(contact))
    return _OR[language].join(ways) + "."
