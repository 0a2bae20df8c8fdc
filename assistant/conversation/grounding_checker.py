"""Holds claims against passages: for each one a state, the passages it rests on, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.conversation.events import Support
from assistant.conversation.grounding_model import GROUPS, Model, load
from assistant.conversation.grounding_reasons import reason
from assistant.conversation.grounding_signals import Signals, signals
from assistant.conversation.grounding_sources import Place, Sources
from assistant.conversation.reading import negates, read
from assistant.knowledge.embedder import Vectors
from assistant.knowledge.remembered import Remembered
from connectors import Embed

SETTLED = 0.6
"""Share of a claim's words in the passages from which its meaning need not be asked for."""
EMBEDDED = 16
"""Texts whose vectors are asked for, of an answer, at most: some 20 ms with the shipped model where none is known."""
VERBATIM = 4
"""Words from which a claim that stands in a passage as it is needs no closer look."""

FOREIGN = "in another language than its sources: only its figures could be compared"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``passages`` are indices into the sources, the best first; ``wrong`` and ``held`` the probabilities behind the
    state."""

    state: Support
    why: str = ""
    passages: tuple[int, ...] = ()
    wrong: float = 0.0
    held: float = 1.0


class Checker:
    """The passages of a turn, ready to hold claims against. ``numbers`` are what answers cite them by; ``remembered``
    are vectors of sentences of passages, from earlier answers."""

    def __init__(
        self,
        texts: Sequence[str],
        numbers: Sequence[int],
        embed: Embed | None = None,
        model: Model | None = None,
        remembered: Remembered | None = None,
    ) -> None:
        self.sources = Sources(texts)
        self.numbers = tuple(numbers)
        self._embed = embed
        self._remembered = remembered or Remembered()
        self._room = EMBEDDED
        self._asked: set[str] = set()
        self._claims: dict[str, Vectors] = {}
        self.model = model or load()

    def judge(self, claim: str, cites: Sequence[int] = ()) -> Verdict:
        """What the passages say of a claim; ``cites`` are indices of those that it names, which are asked first."""
        everyone = range(len(self.numbers))
        if not self.numbers:
            return Verdict("unsupported", "there is no source for it")
        asked = list(dict.fromkeys(cites)) or list(everyone)
        verdict = self._against(claim, asked)
        if verdict.state == "supported" or len(asked) == len(everyone):
            return verdict
        others = [index for index in everyone if index not in asked]
        elsewhere = self._against(claim, others)
        if elsewhere.state == "supported":
            named = " ".join(f"[{self.numbers[index]}]" for index in asked)
            there = self.numbers[elsewhere.passages[0]] if elsewhere.passages else 0
            return replace(elsewhere, state="partly", why=f"not in {named}; it stands in [{there}]")
        together = self._against(claim, list(everyone))
        if together.state == "supported":
            return replace(together, state="partly", why="only part of it stands in what it cites")
        return verdict

    def _against(self, claim: str, among: Sequence[int]) -> Verdict:
        if (index := self._verbatim(claim, among)) is not None:
            return Verdict("supported", passages=(index,))
        found = signals(claim, self.sources, among)
        passages = _passages(found.best)
        foreign = all(self.sources.readings[index].german != read(claim).german for index in among)
        wrong = self.model.wrong(found.values)
        held, nothing, thin = self._held(claim, found)
        state = self._state(wrong, foreign, found, nothing=nothing, thin=thin)
        if state == "supported":
            return Verdict(state, "", passages, wrong, held)
        if state == "partly" and foreign:
            return Verdict(state, FOREIGN, passages, wrong, held)
        ranked = sorted(GROUPS, key=lambda group: -self.model.wrong.speaks(found.values, group))
        if wrong < self.model.doubtful and not foreign:
            ranked = []
        why = reason(found, self.sources, self.numbers, among, ranked, nothing and not foreign)
        return Verdict(state, why, passages, wrong, held)

    def _state(self, wrong: float, foreign: bool, found: Signals, *, nothing: bool, thin: bool) -> Support:
        """A claim in another language than its sources can be held against them only by its facts."""
        model = self.model
        if foreign:
            return "unsupported" if any(fact.kind != "name" for fact in found.missing) else "partly"
        if wrong >= model.unsupported or nothing:
            return "unsupported"
        return "partly" if wrong >= model.doubtful or thin else "supported"

    def _verbatim(self, claim: str, among: Sequence[int]) -> int | None:
        words = read(claim).spaced
        if words.count(" ") <= VERBATIM:
            return None
        for index in among:
            spaced = self.sources.readings[index].spaced
            at = spaced.find(words)
            if at >= 0 and not any(negates(word) for word in spaced[:at].split(" ")[-2:]):
                return index
        return None

    def _held(self, claim: str, found: Signals) -> tuple[float, bool, bool]:
        """How likely the claim is in the passages, whether next to nothing is, and whether little is. The meaning is
        asked for only where the words leave it open."""
        model = self.model
        if found.values["held_all"] >= SETTLED:
            return 1.0, False, False
        closeness = self._closeness(claim, found.best)
        if closeness is None:
            held = model.held_by_words(found.values)
            return held, held < model.nothing_by_words, held < model.thin_by_words
        held = model.held({**found.values, "closeness": closeness})
        return held, held < model.nothing, held < model.thin

    def _closeness(self, claim: str, places: Sequence[Place]) -> float | None:
        """The cosine of the claim and the nearest of these sentences; None where an answer has had its share."""
        if self._embed is None:
            return None
        if not places:
            return 0.0
        sentences = [self.sources.text_of(place) for place in places]
        wanted = {claim, *sentences} - self._asked
        if len(wanted) > self._room:
            return None
        self._room -= len(wanted)
        self._asked |= wanted
        if claim not in self._claims:
            self._claims[claim] = self._embed([claim])[0]
        own = self._claims[claim]
        return float((self._remembered.embed_now(sentences, self._embed) @ own).max())


def _passages(places: Sequence[Place]) -> tuple[int, ...]:
    """The passages that hold nearly as much of a claim as the best one."""
    top = places[0].held if places else 0.0
    return tuple(dict.fromkeys(place.passage for place in places if place.held >= 0.85 * top))[:2]
