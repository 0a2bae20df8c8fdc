"""Whether a passage answers a turn: a small cross-encoder reads both together.

Closeness tells what a passage is about, not whether it states what is asked: "who approves it" and "who pays it" are
alike. This model was trained on questions that a passage answers and on near misses that it does not
(``models/README.md``). It reads English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from assistant.conversation.turn import Message
from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.rerank import CrossEncoder
from assistant.knowledge.store import Hit

SHIPPED = Path(__file__).parent / "models" / "switchyard-answerability-1"
SHAPE = "Xenova/ms-marco-MiniLM-L-6-v2"
"""What fastembed takes the shipped files for: they are of the same shape."""
GONE = "the model that reads passages cannot be used. Install Switchyard again, or set retrieval.read_in_doubt: false"
READ = 2
"""Passages that are read, the best first, each some 10 ms of a core; a third tells nothing more (docs/figures.md)."""
EARLIER, EARLIER_WORDS = 2, 40
"""Earlier user turns that are read with a turn, and words of each."""
SAID_BEFORE = " // "
ENGLISH = frozenset(
    "the of and to in is are for what how do does can i my we our you your it on with when where who which not if be "
    "this that a an at by or from".split()
)
OTHERS = frozenset(
    "der das und oder ist nicht kein ein eine ich wir ihr sie mir wie wann welche kann hat habe haben hab dem zu zum "
    "zur im von sind auch noch mal ja nein bitte danke schon beim es auf mit le les et est pas une je nous vous pour "
    "avec sur comment combien qui quand dans du au el los las y para con por hay del una il gli di che quando sono het "
    "een niet ik wij voor hoe waar uma onde nie jak czy gdzie kiedy ve bir de".split()
)
"""Words that are everywhere in English, and in other languages of its script but not in English."""
_WORD = re.compile(r"[^\W\d_]+")
_SHORTENED = re.compile(r"(?<=\w)['’](?:ve|re|ll|m|d|s|t)\b", re.IGNORECASE)
"""Of "I've": a "ve" by itself is Turkish."""


class Answerability:
    """Loaded on first use; passages are read side by side."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        self._model = CrossEncoder(SHAPE, folder=folder, threads=1)

    async def warm_up(self) -> None:
        """Load the model. Raises EmbedderError where it cannot be."""
        await self._scores("warm up", ["warm up"])

    async def logits(self, turn: str, history: Sequence[Message], hits: Sequence[Hit]) -> list[float]:
        """The log-odds that each of the first ``READ`` hits answers the turn; none where turn or best hit are not in
        English. Raises EmbedderError where the model cannot be loaded."""
        if not hits or not english(turn) or not english(hits[0].chunk.text):
            return []
        return await self._scores(asked(turn, history), [text_of(hit) for hit in hits[:READ]])

    async def _scores(self, question: str, texts: Sequence[str]) -> list[float]:
        try:
            return await self._model.scores(question, texts)
        except EmbedderError as error:
            raise EmbedderError(f"{GONE} ({error.__cause__})") from error


def english(text: str) -> bool:
    """Whether a text may be in English, by its commonest words and its letters."""
    words = _WORD.findall(_SHORTENED.sub("", text.casefold()))
    ours, others = sum(word in ENGLISH for word in words), sum(word in OTHERS or not word.isascii() for word in words)
    return others * 2 <= ours


def asked(turn: str, history: Sequence[Message]) -> str:
    """What is read of a turn: its own words, then the user's earlier turns, the latest first."""
    earlier = [message.content for message in history if message.role == "user"][-EARLIER:]
    return SAID_BEFORE.join([turn, *(" ".join(each.split()[:EARLIER_WORDS]) for each in reversed(earlier))])


def text_of(hit: Hit) -> str:
    """What is read of a passage."""
    heading = hit.chunk.heading
    return f"{heading}. {hit.chunk.text}" if heading else hit.chunk.text
