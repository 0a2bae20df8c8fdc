"""Which words of a turn carry its decision: each phrase is left out, and the turn is scored again.

Occlusion (Zeiler and Fergus, ECCV 2014; for words, Li et al., "Understanding neural networks through representation
erasure", 2016) asks nothing of the classifier but its scores, so it fits any.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from assistant.conversation.turn import Turn
from assistant.routing.classifier import Scores

Score = Callable[[Turn], Awaitable[Scores]]
UNITS = 24
"""A longer turn is cut into so many runs of words, so that explaining it stays quick."""
LONGEST = 3
"""Units that are left out together at most."""
SHOWN = 6
NOTICEABLE = 0.15
"""Least move, in log-odds, that is worth showing."""
EDGE = 1e-5


@dataclass(frozen=True, slots=True)
class Part:
    """A phrase of the turn, ``text[start:end]``, with P(information) and P(voice) of the turn without it."""

    words: str
    start: int
    end: int
    information: float
    voice: float


async def parts(score: Score, turn: Turn, full: Scores, *, voice: bool) -> list[Part]:
    """The phrases whose absence moves the scores most, first, none overlapping; at most six. With ``voice`` P(voice)
    counts as well as P(information). ``full`` are the scores of the whole turn."""
    units = _units(turn.text)
    moved: list[tuple[float, Part]] = []
    for length in range(1, min(LONGEST, len(units) - 1) + 1):
        for first in range(len(units) - length + 1):
            start, end = units[first][0], units[first + length - 1][1]
            left = f"{turn.text[:start].rstrip()} {turn.text[end:].lstrip()}".strip()
            without = await score(replace(turn, text=left))
            move = _move(full.information, without.information)
            move += _move(full.voice, without.voice) if voice else 0.0
            part = Part(turn.text[start:end], start, end, without.information, without.voice)
            # A longer phrase moves more by its length alone: it has to earn its place.
            moved.append((move / math.sqrt(length), part))
    return _apart(moved)


async def without_history(score: Score, turn: Turn) -> Scores | None:
    """The scores of the turn as the first of a conversation, None if it is."""
    return await score(replace(turn, history=())) if turn.history else None


def _units(text: str) -> list[tuple[int, int]]:
    words = [match.span() for match in re.finditer(r"\S+", text)]
    run = math.ceil(len(words) / UNITS)
    return [(words[at][0], words[min(at + run, len(words)) - 1][1]) for at in range(0, len(words), max(run, 1))]


def _move(full: float, without: float) -> float:
    return abs(_logit(full) - _logit(without))


def _logit(p: float) -> float:
    kept = min(max(p, EDGE), 1 - EDGE)
    return math.log(kept / (1 - kept))


def _apart(moved: list[tuple[float, Part]]) -> list[Part]:
    chosen: list[Part] = []
    for move, part in sorted(moved, key=lambda each: -each[0]):
        if move < NOTICEABLE or len(chosen) == SHOWN:
            break
        if all(part.end <= other.start or part.start >= other.end for other in chosen):
            chosen.append(part)
    return chosen
