"""Which route a turn takes, and why, in words. The classifier scores; costs and the surface's policy decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import RouteName, Turn
from assistant.routing.classifier import Classifier, Scores

VoicePolicy = Literal["always", "on_request", "never"]
UNSURE = 0.25
"""Within this distance above or below the threshold what the retriever found has a say."""
CLOSE, FAR = 0.55, 0.25
"""Cosine of the best passage from which it counts as a close match, and below which nothing is near."""

_SAYS = {
    "asks_first": "opens with a question word",
    "asks": "asks for something",
    "asks_foreign": "asks for something",
    "follow_up": "follows up on what was said",
    "yes": "says yes",
    "no": "says no",
    "thanks": "says thanks",
    "greets": "is a greeting",
    "edits": "asks for work on a text",
    "edits_given_text": "asks for work on the text that it brings",
    "refers": "refers to what was said",
    "drafts": "asks for a draft",
    "audience": "names an audience",
    "doubts": "doubts a fact",
    "about_assistant": "is about the assistant",
    "source": "asks for the source",
    "pasted": "brings its own text",
    "quoted": "quotes a text",
    "arithmetic": "is a calculation",
    "trouble": "reports a problem",
    "chores": "is a chore that needs no documents",
    "previous_offers_lookup": "answers an offer to look something up",
    "previous_offers_edit": "answers an offer to rework a text",
    "previous_offers_draft": "answers an offer to write a draft",
    "previous_anything_else": "answers “anything else?”",
    "previous_asks_back": "answers a question of the assistant",
}


@dataclass(frozen=True, slots=True)
class Costs:
    """What a mistake costs, relative to each other. The threshold follows: looking up is right when
    P(information) * missed_lookup ≥ (1 - P(information)) * needless_lookup."""

    missed_lookup: float = 4.0
    needless_lookup: float = 1.0

    @property
    def threshold(self) -> float:
        """The P(information) at which both mistakes cost the same (Elkan, IJCAI 2001, equation 2)."""
        return self.needless_lookup / (self.needless_lookup + self.missed_lookup)


@dataclass(frozen=True, slots=True)
class Decision:
    """The route of one turn. ``scores`` holds P(information) and P(voice), ``threshold`` what the first was compared
    with, ``reasons`` plain words, ``query`` what is searched for (empty if nothing is), ``requested`` whether a
    person chose the route, ``version`` the classifier's."""

    route: RouteName
    information: float
    voice: float
    threshold: float
    reasons: tuple[str, ...]
    query: str
    requested: bool
    version: str


class Router:
    """Decides from scores, costs and policy. Ties go to looking up. ``voice_model`` says whether there is one; where
    it is missing, the reasons say who answers."""

    def __init__(
        self, classifier: Classifier, costs: Costs, voice_threshold: float = 0.5, *, voice_model: bool = True
    ) -> None:
        self._voice_model = voice_model
        self._classifier = classifier
        self._costs = costs
        self._voice_threshold = voice_threshold

    @property
    def version(self) -> str:
        """Version of the classifier."""
        return self._classifier.version

    async def scores(self, turn: Turn) -> Scores:
        """What the classifier says, and the turn's vector."""
        return await self._classifier.scores(turn.text, turn.history)

    def decide(
        self,
        turn: Turn,
        scores: Scores,
        policy: VoicePolicy,
        query: str,
        similarity: float | None,
        *,
        fresh: bool = False,
    ) -> Decision:
        """The decision; ``similarity`` is the best passage's cosine, or None if there was nothing to search, ``fresh``
        whether the turn asks for the present state, so that newer documents were put first."""
        if turn.route is not None:
            route: RouteName = turn.route
            reasons = [f"you chose “{ROUTES[route].title}”"]
        else:
            looks_up, reasons = self._looks_up(scores, similarity)
            route, more = self._with_voice(scores, policy) if looks_up else ("voice", [])
            reasons += more
        if fresh and ROUTES[route].looks_up:
            reasons.append("asks for the present state, so newer documents lead")
        if ROUTES[route].role == "voice" and not self._voice_model and policy != "never":
            reasons.append("no voice model is configured, so the main model answers")
        return Decision(
            route=route,
            information=round(scores.information, 4),
            voice=round(scores.voice, 4),
            threshold=round(self._costs.threshold, 4),
            reasons=tuple(reasons),
            query=query if ROUTES[route].looks_up else "",
            requested=turn.route is not None,
            version=self.version,
        )

    def undecided(self, turn: Turn) -> Decision:
        """The decision where the turn could not be scored: as asked, or else to look up."""
        return Decision(
            route=turn.route or "retrieve",
            information=1.0,
            voice=0.0,
            threshold=round(self._costs.threshold, 4),
            reasons=("the router could not read this turn",),
            query=turn.text,
            requested=turn.route is not None,
            version=self.version,
        )

    def _looks_up(self, scores: Scores, similarity: float | None) -> tuple[bool, list[str]]:
        threshold, score = self._costs.threshold, scores.information
        looks_up = score >= threshold
        reasons = _spoken(scores.speaks_for) if looks_up else _spoken(scores.speaks_against)
        reasons = reasons or ["seems to need a fact" if looks_up else "reads like conversation"]
        if similarity is None:
            return looks_up, [*reasons, "there are no documents to search"]
        near = f"closest passage {similarity:.2f}"
        if looks_up and score < threshold + UNSURE and similarity < FAR:
            return False, [*_spoken(scores.speaks_against), f"nothing in the documents comes near ({near})"]
        if not looks_up and score >= threshold - UNSURE / 2 and similarity >= CLOSE:
            return True, [*_spoken(scores.speaks_for), f"unsure, but the documents have a close match ({near})"]
        if looks_up:
            close = similarity >= CLOSE
            reasons.append(f"the documents have a close match ({near})" if close else f"worth a look ({near})")
        else:
            reasons.append("nothing has to be looked up for it")
        return looks_up, reasons

    def _with_voice(self, scores: Scores, policy: VoicePolicy) -> tuple[RouteName, list[str]]:
        if policy == "always":
            return "both", ["this surface always answers in our voice"]
        if policy == "never":
            return "retrieve", []
        if scores.voice >= self._voice_threshold:
            return "both", [f"somebody else will read it ({scores.voice:.2f})"]
        return "retrieve", ["the answer is for the person who asks"]


def _spoken(cues: Sequence[str]) -> list[str]:
    return [_SAYS[name] for name in cues if name in _SAYS][:1]
