"""What a person means who says that the route of a turn was wrong.

| verdict | the answer had been looked up | it had not |
|---|---|---|
| ``look_up`` | information, and voice as it was | information, and voice as the router would have it |
| ``no_lookup`` | no information | no information |
| ``in_voice`` | information and voice | the same where it was in doubt, else no information |
| ``plainly`` | information without voice | the same where it was in doubt, else it means nothing |

In doubt: P(information) called for a lookup and the router let it be, as where nothing in the documents came near.
Where a person had chosen the route, there is no doubt: their choice says whether to look up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import RouteName
from assistant.records.corrections import Correction
from assistant.routing.router import VoicePolicy

Verdict = Literal["look_up", "no_lookup", "in_voice", "plainly"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Voiced = Callable[[str, float], bool]
"""Whether, on a surface, what is looked up is answered in the organisation's voice, given P(voice)."""


def voiced_by(policies: Mapping[str, VoicePolicy], threshold: float) -> Voiced:
    """The router's rule: the surface's policy settles it, on request P(voice) does from ``threshold`` on."""

    def voiced(surface: str, score: float) -> bool:
        policy = policies.get(surface, "on_request")
        return policy == "always" or (policy == "on_request" and score >= threshold)

    return voiced


@dataclass(frozen=True, slots=True)
class Meant:
    """What a turn should have been labelled; ``voice`` is None where nothing is to be looked up."""

    information: bool
    voice: bool | None

    @property
    def route(self) -> RouteName:
        """The way that such a turn goes."""
        return "voice" if not self.information else "both" if self.voice else "retrieve"


def meant(verdict: Verdict, decision: Mapping[str, Any], voiced: bool) -> Meant | None:
    """The table above, for a decision as recorded. ``voiced`` is whether the router would have the answer in the voice
    if it looked it up. None where ``plainly`` is said of an answer for which nothing was to be looked up."""
    looked_up = decision["route"] in ROUTES and ROUTES[decision["route"]].looks_up
    in_doubt = not decision["requested"] and decision["scores"]["information"] >= decision["threshold"]
    if verdict == "look_up":
        return Meant(True, decision["route"] == "both" if looked_up else voiced)
    if verdict == "no_lookup":
        return Meant(False, None)
    if looked_up or in_doubt:
        return Meant(True, verdict == "in_voice")
    return Meant(False, None) if verdict == "in_voice" else None


def row(correction: Correction) -> dict[str, Any]:
    """A correction as JSON: the labelled turn, and what was said of which decision by whom and when."""
    return {
        **correction.labelled().to_json(),
        "verdict": correction.verdict,
        "route": Meant(correction.information, correction.voice).route,
        "decision": dict(correction.decision),
        "person": correction.person,
        "made_at": correction.made_at.isoformat(),
    }
