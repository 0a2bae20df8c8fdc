"""The six kinds of event that a turn yields. Everything outside the engine reads only these.

``Routed`` is always first; ``Retrieved`` follows on routes that look up; then ``TextDelta``s; ``Checked``; and
exactly one of ``Finished`` and ``Failed`` ends the turn. The names are on the wire and stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assistant.knowledge.documents import Passage
from assistant.knowledge.evidence import Evidence, EvidenceState
from assistant.routing.router import Decision
from connectors import Cost, Fault


@dataclass(frozen=True, slots=True)
class Routed:
    """Which way the turn goes, and why."""

    turn: str
    conversation: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What was found, best first, and whether the passages can answer the turn. ``searched`` names the collections;
    ``fresh`` says that newer documents were put first, because the turn asks for the present state."""

    query: str
    searched: tuple[str, ...]
    passages: tuple[Passage, ...]
    evidence: Evidence
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


Support = Literal["supported", "partly", "unsupported"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What the sources say of one claim of the answer, at ``[start, end)`` of its text. ``why`` tells a reader what is
    wrong and is empty where nothing is; ``passages`` are the numbers of those that it rests on or was held against."""

    start: int
    end: int
    state: Support
    why: str = ""
    passages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of the finished answer says: its evidence state (None where nothing was looked up), the
    passages that it cites, and citation numbers that the model made up; they were taken out.

    ``lost`` are facts of the draft or the passages that did not survive being said in the organisation's voice, and
    ``added`` those that it says beyond them, as written."""

    evidence: EvidenceState | None
    cited: tuple[int, ...]
    invented: tuple[int, ...]
    lost: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    """The claims of the answer, in their order; small talk, questions and hedges are none."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer, what produced it, and how long that took.

    ``model`` is what the provider calls the model that answered, ``backend`` its name in the settings; ``faults`` are
    the models that were asked before it and failed. ``usage`` counts tokens: ``input_tokens``, ``output_tokens``,
    ``cached_tokens`` of the input, and ``estimated`` where the provider counts none; ``cost`` is known where a price
    is. ``timings`` are seconds since the turn began: ``routed``, ``retrieved``, ``first_token``, ``finished``;
    ``note`` is what the reader must know about this answer; ``cut`` says that the model stopped at its length limit.
    """

    answer: str
    model: str
    prompt_version: str
    usage: Mapping[str, int]
    timings: Mapping[str, float]
    note: str | None = None
    cut: bool = False
    backend: str = ""
    faults: tuple[Fault, ...] = ()
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no full answer: a stable code, a message for people, and the text that came before."""

    code: str
    message: str
    partial: str


Event = Routed | Retrieved | TextDelta | Checked | Finished | Failed
