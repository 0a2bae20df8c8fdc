"""Which route a turn takes, and why, in words. The classifier scores; costs and the surface's policy decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import RouteName, Turn
from assistant.routing.classifier import Classifier, Embedded, Embedding, Scores

if TYPE_CHECKING:
    from assistant.knowledge.retrieve import Found

VoicePolicy = Literal["always", "on_request", "never"]
UNSURE = 0.25
"""Within this distance above or below the threshold what the retriever found has a say."""
CLOSE, FAR = 0.55, 0.25
"""Cosine of the best passage from which it counts as a close match, and below which nothing is near."""

_FOR: Mapping[str, str] = {
    "doubts": "doubts a fact",
    "source": "asks for the source",
    "asks_first": "asks for a fact",
    "drafts": "orders a text",
    "follow_up": "follows up",
    "asks_foreign": "asks for a fact",
    "asks": "asks for a fact",
    "trouble": "reports a problem",
    "question_mark": "asks something",
}
_AGAINST: Mapping[str, str] = {
    "edits_given_text": "works on the text that it brings",
    "about_assistant": "is about the assistant",
    "chores": "needs no documents",
    "no": "declines",
    "thanks": "says thanks",
    "edits": "works on a text",
    "quoted": "brings its own text",
    "pasted": "brings its own text",
    "arithmetic": "is a calculation",
    "greets": "is a greeting",
    "refers": "is about what was said",
}
"""What a cue says for looking up and against it, the plainest first."""


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


class Opinion(Protocol):
    """Another judge of whether to look up."""

    async def looks_up(self, turn: Turn) -> bool | None:
        """Whether to look the turn up, None where it cannot say."""


class Router:
    """Decides from scores, costs and policy. Ties go to looking up. ``voice_model`` says whether there is one; where
    it is missing, the reasons say who answers. ``ask_threshold`` is the P(too vague) from which it is asked back what
    is meant, None where that route is off."""

    def __init__(
        self,
        classifier: Classifier,
        costs: Costs,
        voice_threshold: float = 0.5,
        *,
        voice_model: bool = True,
        ask_threshold: float | None = None,
        opinion: Opinion | None = None,
    ) -> None:
        self._opinion = opinion
        self._ask_threshold = ask_threshold
        self._voice_model = voice_model
        self._classifier = classifier
        self._costs = costs
        self._voice_threshold = voice_threshold

    @property
    def version(self) -> str:
        """Version of the classifier."""
        return self._classifier.version

    async def embed(self, turn: Turn) -> Embedded:
        """The turn's own vector, which the search reads too. Raises EmbedderError."""
        return await self._classifier.embed(turn.text)

    async def scores(self, turn: Turn, embedded: Embedding | None = None) -> Scores:
        """What the classifier says. Raises EmbedderError."""
        return await self._classifier.scores(turn.text, turn.history, embedded)

    async def route(self, turn: Turn, scores: Scores, policy: VoicePolicy, found: Found) -> Decision:
        """``decide`` with what the search found, and the main model's opinion where the router is unsure and may ask
        for it."""
        opinion = None
        if self._opinion is not None and turn.route is None and self._unsure(scores):
            opinion = await self._opinion.looks_up(turn)
        best = max(found.passages, key=lambda passage: passage.similarity, default=None)
        return self.decide(
            turn,
            scores,
            policy,
            found.query,
            found.similarity,
            fresh=found.fresh,
            closest=best.chunk.collection if best is not None else "",
            opinion=opinion,
        )

    def _unsure(self, scores: Scores) -> bool:
        return self._costs.threshold - UNSURE / 2 <= scores.information < self._costs.threshold + UNSURE

    def decide(
        self,
        turn: Turn,
        scores: Scores,
        policy: VoicePolicy,
        query: str,
        similarity: float | None,
        *,
        fresh: bool = False,
        closest: str = "",
        opinion: bool | None = None,
    ) -> Decision:
        """The decision; ``similarity`` is the best passage's cosine, or None if there was nothing to search, and
        ``closest`` the collection that holds it; ``fresh`` says whether the turn asks for the present state, so that
        newer documents were put first; ``opinion`` is whether another judge would look up, None without one."""
        if turn.route is not None:
            route: RouteName = turn.route
            reasons = [f"you chose “{ROUTES[route].title}”"]
        else:
            looks_up, reasons = self._looks_up(scores, similarity, closest)
            if opinion is not None:
                says = "has to be looked up" if opinion else "needs no look-up"
                looks_up, reasons = opinion, [_spoken(scores, opinion), f"unsure, and the main model says it {says}"]
            route, more = self._with_voice(scores, policy) if looks_up else ("voice", [])
            if looks_up and self._ask_threshold is not None and scores.ask >= self._ask_threshold:
                route, more = "ask", [f"too vague to look up ({scores.ask:.2f}), so it is asked what is meant"]
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

    def _looks_up(self, scores: Scores, similarity: float | None, closest: str) -> tuple[bool, list[str]]:
        threshold, score = self._costs.threshold, scores.information
        looks_up = score >= threshold
        if similarity is None:
            return looks_up, [_spoken(scores, looks_up)]
        where = closest or "the documents"
        near = f"{max(0.0, similarity):.2f}"
        if looks_up and score < threshold + UNSURE and similarity < FAR:
            return False, [_spoken(scores, False), f"unsure, but nothing in the documents comes near ({near})"]
        if not looks_up and score >= threshold - UNSURE / 2 and similarity >= CLOSE:
            return True, [_spoken(scores, True), f"unsure, but {where} has a close match ({near})"]
        if looks_up:
            found = f"{where} has a close match ({near})" if similarity >= CLOSE else f"worth a look ({near})"
            return True, [_spoken(scores, True), found]
        return False, [_spoken(scores, False), "nothing has to be looked up for it"]

    def _with_voice(self, scores: Scores, policy: VoicePolicy) -> tuple[RouteName, list[str]]:
        route: RouteName = "both" if self.in_voice(policy, scores.voice) else "retrieve"
        if policy == "always":
            return route, ["this surface always answers in our voice"]
        if policy == "never":
            return route, []
        return route, [
            f"somebody else will read it ({scores.voice:.2f})" if route == "both" else "nobody else will read it"
        ]

    def in_voice(self, policy: VoicePolicy, voice: float) -> bool:
        """Whether a turn that is looked up is answered in voice, by P(voice) and the surface's policy."""
        return policy == "always" or (policy == "on_request" and voice >= self._voice_threshold)


def _spoken(scores: Scores, looks_up: bool) -> str:
    """The plainest cue for the decision, in words, with those of the turn that show it."""
    cues = scores.cues
    if looks_up and "yes" in cues and "previous_offers_lookup" in cues:
        return "accepts the offer to look it up"
    if not looks_up and "yes" in cues and ("previous_offers_edit" in cues or "previous_anything_else" in cues):
        return "answers an offer that needs no look-up"
    for cue, says in (_FOR if looks_up else _AGAINST).items():
        if cue in cues:
            return f"{says}: “{cues[cue]}”" if cues[cue] else says
    return "seems to need a fact" if looks_up else "reads like conversation"
