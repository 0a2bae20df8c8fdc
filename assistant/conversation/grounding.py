"""What the documents say about an answer: which passages it cites, and what a reader is told of its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.conversation.citations import cited
from assistant.conversation.events import Checked
from assistant.knowledge.documents import Passage
from assistant.knowledge.evidence import EvidenceState

EVIDENCE: Mapping[EvidenceState, str] = {
    "supported": "",
    "partly": "The documents may answer this only in part.",
    "not_in_documents": "The documents do not seem to answer this. What comes nearest:",
}
"""What a reader is told before the answer."""


def check(answer: str, passages: Sequence[Passage], state: EvidenceState | None) -> Checked:
    """Which passages the prose of the answer cites, and which numbers in it belong to none."""
    numbers = cited(answer)
    known = {passage.number for passage in passages}
    return Checked(
        evidence=state,
        cited=tuple(number for number in numbers if number in known),
        invented=tuple(number for number in numbers if number not in known),
    )
