"""What the documents say about an answer: which passages it cites, and of each of its claims whether they bear it out.

No language model is asked. A claim is held against the passages that it cites, then against the others: its words, its
meaning where the words leave it open, and its hard facts, which must stand there for the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.conversation.citations import cited
from assistant.conversation.claims import Sentence, claims, stated
from assistant.conversation.events import Checked, Mark
from assistant.conversation.grounding_checker import Checker
from assistant.conversation.reading import read
from assistant.knowledge.documents import Passage
from assistant.knowledge.evidence import EvidenceState
from assistant.knowledge.remembered import Remembered
from connectors import Embed

EVIDENCE: Mapping[EvidenceState, str] = {
    "supported": "",
    "partly": "The documents may answer this only in part.",
    "not_in_documents": "The documents do not seem to answer this. What comes nearest:",
}
"""What a reader is told before the answer."""
MOST_CLAIMS = 60
"""Claims of an answer that are looked at; the rest of a longer one goes unmarked."""
SHORT = 24
"""Characters below which an item or a row is read together with the words that it completes."""


def check(
    answer: str,
    passages: Sequence[Passage],
    state: EvidenceState | None,
    embed: Embed | None = None,
    remembered: Remembered | None = None,
) -> Checked:
    """Which passages the prose of the answer cites, which numbers in it belong to none, and a mark for each claim.
    Blocks for some ten milliseconds; without passages nothing is marked. ``embed`` is the embedder in this thread,
    ``remembered`` what it made of passages before."""
    numbers = cited(answer)
    known = {passage.number for passage in passages}
    return Checked(
        evidence=state,
        cited=tuple(number for number in numbers if number in known),
        invented=tuple(number for number in numbers if number not in known),
        marks=tuple(marks(answer, passages, embed, remembered)) if passages else (),
    )


def marks(
    answer: str, passages: Sequence[Passage], embed: Embed | None = None, remembered: Remembered | None = None
) -> list[Mark]:
    """The claims of the answer, each with what the passages say of it."""
    numbers = [passage.number for passage in passages]
    checker = Checker([source(passage) for passage in passages], numbers, embed, remembered=remembered)
    return [_mark(claim, checker) for claim in claims(answer)[:MOST_CLAIMS]]


def prepare(passages: Sequence[Passage]) -> None:
    """Read the passages ahead, while the model still answers: the check then finds them read."""
    for passage in passages:
        read(source(passage))


def source(passage: Passage) -> str:
    """What a passage says, its headings and its date with it."""
    chunk = passage.chunk
    dated = f"\n{chunk.modified.isoformat()}" if chunk.modified else ""
    return f"{chunk.heading}{dated}\n\n{chunk.text}"


def _mark(claim: Sentence, checker: Checker) -> Mark:
    said = stated(claim.text)
    text = f"{claim.head.rstrip(':')}: {said}" if claim.head and len(said) < SHORT else said
    verdict = checker.judge(text, [checker.numbers.index(n) for n in claim.cites if n in checker.numbers])
    return Mark(claim.start, claim.end, verdict.state, verdict.why, tuple(checker.numbers[n] for n in verdict.passages))
