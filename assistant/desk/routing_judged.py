"""What people said of decisions, held against the decisions: how often which way was right, and what scores mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.conversation.correct import Meant
from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import RouteName
from assistant.desk.routing import LABEL
from assistant.records.corrections import Correction
from assistant.routing.evaluation import LABELLED, Judged, expected_calibration_error, reliability
from assistant.routing.router import Decision

LOOKING_UP = frozenset(name for name, route in ROUTES.items() if route.looks_up)


@dataclass(frozen=True, slots=True)
class Confusion:
    """``counts`` [routes, LABELLED]: turns that the router sent a way, by the way that people say was right. ``people``
    and ``desk`` say how many of them were said in the chat and at the desk."""

    routes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    people: int
    desk: int

    @property
    def told(self) -> Mapping[str, int]:
        """The mistakes by their kind: missed and needless lookups, and the wrong voice."""
        cells = [
            (sent in LOOKING_UP, sent, right, self.counts[row][column])
            for row, sent in enumerate(self.routes)
            for column, right in enumerate(LABELLED)
        ]
        return {
            "missed": sum(n for looked, _, right, n in cells if not looked and right != "voice"),
            "needless": sum(n for looked, _, right, n in cells if looked and right == "voice"),
            "voice": sum(n for looked, sent, right, n in cells if looked and right not in ("voice", sent)),
        }


def decided(corrections: Sequence[Correction]) -> list[Correction]:
    """Those of decisions that the router made itself."""
    return [each for each in corrections if not each.decision.get("requested")]


def right_way(correction: Correction) -> RouteName:
    """The way that a person says was right."""
    return Meant(correction.information, correction.voice).route


def confusion(corrections: Sequence[Correction]) -> Confusion:
    """Of the router's own decisions; a way that nothing was sent is there all the same."""
    own = decided(corrections)
    routes = tuple(dict.fromkeys([*LABELLED, *(str(each.decision["route"]) for each in own)]))
    counts = [[0] * len(LABELLED) for _ in routes]
    for each in own:
        counts[routes.index(str(each.decision["route"]))][LABELLED.index(right_way(each))] += 1
    desk = sum(each.verdict == LABEL for each in own)
    return Confusion(routes, tuple(map(tuple, counts)), len(own) - desk, desk)


def in_cell(corrections: Sequence[Correction], sent: str, right: str) -> list[Correction]:
    """The turns of a cell, the newest first."""
    own = [each for each in decided(corrections) if each.decision["route"] == sent and right_way(each) == right]
    return sorted(own, key=lambda each: each.made_at, reverse=True)


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins as of ``evaluation.reliability``, with the turns in them and the expected calibration error, None of no
    turns."""

    bins: Sequence[Mapping[str, float | int]]
    turns: int
    error: float | None


def live(corrections: Sequence[Correction]) -> Reliability:
    """P(information) of live turns, against what people said of them."""
    judged = [_judged(each) for each in decided(corrections)]
    if not judged:
        return Reliability((), 0, None)
    return Reliability(reliability(judged), len(judged), expected_calibration_error(judged))


def _judged(correction: Correction) -> Judged:
    made: Mapping[str, Any] = correction.decision
    scores = made["scores"]
    decision = Decision(
        route=made["route"],
        information=scores["information"],
        voice=scores["voice"],
        threshold=made["threshold"],
        reasons=tuple(made.get("reasons", ())),
        query=str(made.get("query", "")),
        requested=False,
        version=str(made.get("router_version", "")),
    )
    looked_up = made["route"] in ROUTES and ROUTES[made["route"]].role == "voice"
    return Judged(correction.labelled(), decision, float(scores["information"]), looked_up)
