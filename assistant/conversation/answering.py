"""What is asked of which model for a decided turn: one request, or a draft and how it is said again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from assistant.conversation.answer import Answer, Ask, held, streamed, two_pass
from assistant.conversation.citations import cited
from assistant.conversation.compose import compose, restyle
from assistant.conversation.routes import ROUTES, Role, Route
from assistant.conversation.turn import RouteName, Turn
from assistant.knowledge.evidence import Evidence
from assistant.knowledge.retrieve import Found
from assistant.routing.router import VoicePolicy
from assistant.voice.examples import VoiceExample
from connectors import ChatModel, DocumentPart


@dataclass(frozen=True, slots=True)
class SurfacePolicy:
    """What the engine must know of a surface: its voice policy, the organisation's name, whom to ask instead; and, for
    all alike, whether a draft is made first for what is said in the voice (``two_pass``), and whether the plain answer
    is served where facts did not survive that (``plain``)."""

    voice: VoicePolicy
    organisation: str
    contact: str | None = None
    two_pass: bool = False
    plain: bool = False


class Models(Protocol):
    """Who plays which role on which surface."""

    def of(self, surface: str, role: Role) -> ChatModel:
        """The model that does."""


@dataclass(frozen=True, slots=True)
class Answering:
    """One turn with what was found for it, and who may be asked."""

    turn: Turn
    found: Found
    evidence: Evidence | None
    models: Models
    policy: SurfacePolicy
    examples: Sequence[VoiceExample] = ()

    def pieces(self, chosen: RouteName, role: Role, answer: Answer) -> AsyncGenerator[str]:
        """The pieces of the answer, not yet begun; what is known of it goes into ``answer``."""
        route, plainly = ROUTES[chosen], ROUTES["retrieve"]
        if chosen == "both" and role == "voice":
            if self.policy.two_pass:
                draft = self._ask(plainly, "main")
                return two_pass(draft, self._restyle, answer, _given(self.turn), hold=self.policy.plain)
            if self.policy.plain:
                plain = self._ask(plainly, "main")
                return held(self._ask(route, role), plain, answer, _known(self.turn, plain))
        return streamed(self._ask(route, role), answer)

    def _ask(self, route: Route, role: Role) -> Ask:
        passages = self.found.passages if route.looks_up else ()
        request, version = compose(
            route,
            self.turn,
            passages,
            organisation=self.policy.organisation,
            contact=self.policy.contact,
            today=date.today(),
            examples=self.examples,
            evidence=self.evidence.state if self.evidence else None,
            answered=self.found.evidence.score if route.name == "retrieve" else None,
            standing=self.found.standing,
        )
        return Ask(self.models.of(self.turn.surface, role), request, version, frozenset(p.number for p in passages))

    def _restyle(self, draft: str) -> Ask:
        request, version = restyle(
            self.turn, draft, organisation=self.policy.organisation, today=date.today(), examples=self.examples
        )
        return Ask(self.models.of(self.turn.surface, "voice"), request, version, frozenset(cited(draft)))


def _given(turn: Turn) -> str:
    """What people said, and what was answered, in the conversation up to now."""
    return "\n\n".join([*(message.content for message in turn.history), turn.text])


def _known(turn: Turn, plain: Ask) -> str:
    """What an answer may hold: the request's documents with their facts and numbers, and the conversation."""
    parts = [part for message in plain.request.messages for part in message.parts]
    documents = [part for part in parts if isinstance(part, DocumentPart)]
    shown = [fact for each in documents for fact in (each.title, each.section, each.date) if fact]
    numbers = "".join(f"[{number}]" for number in sorted(plain.numbers))
    return "\n\n".join([numbers, *shown, *(part.text for part in parts), turn.text])
