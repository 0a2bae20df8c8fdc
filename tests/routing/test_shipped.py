"""What the shipped router makes of the turns that people say most, and of those held apart from its training."""

import pytest

from assistant.conversation.turn import Message, Turn
from assistant.knowledge.embedder import FastEmbedder
from assistant.routing import evaluation
from assistant.routing.classifier import LearnedClassifier
from assistant.routing.encoder import SHIPPED, TurnEncoder
from assistant.routing.heads import load
from assistant.routing.labelled import read
from assistant.routing.retrain import HELD_APART
from assistant.routing.router import Costs, Router

COSTS = Costs()
ANSWERED = (Message("user", "how many days of leave do I get?"), Message("assistant", "You get 26 days a year."))


@pytest.fixture(scope="module")
def router() -> Router:
    return Router(LearnedClassifier(FastEmbedder(threads=1), TurnEncoder(threads=1), load(SHIPPED)), COSTS)


@pytest.mark.parametrize(
    "said",
    [
        "How do I reset my password?", "I forgot my password", "how can i reset my password", "vpn", "opening hours",
        "Where do I find my payslip?", "How do I call in sick?", "how do I return an item",
        "the printer is jammed again", "Can I bring my dog to the office?",
        "who do I call when my laptop is stolen?", "Wie melde ich mich krank?", "I need a new badge",
        "do you ship to Spain?",
    ],
)  # fmt: skip
async def test_what_people_ask_every_day_is_looked_up(router: Router, said: str) -> None:
    assert (await router.scores(Turn(said))).information >= COSTS.threshold
    assert (await router.scores(Turn(said, ANSWERED))).information >= COSTS.threshold


@pytest.mark.parametrize(
    "said",
    ["thanks!", "got it", "ok great, thank you", "makes sense", "shorter please", "are you a robot?", "Danke dir!",
     "how do I boil an egg?", "what is 15% of 80?"],
)  # fmt: skip
async def test_what_needs_no_document_is_not(router: Router, said: str) -> None:
    assert (await router.scores(Turn(said, ANSWERED))).information < COSTS.threshold


@pytest.mark.parametrize(
    ("name", "right", "missed", "needless"), [("hard", 0.87, 0.07, 0.21), ("ordinary", 0.93, 0.05, 0.1)]
)
async def test_turns_held_apart_are_decided_as_well_as_is_said(
    router: Router, name: str, right: float, missed: float, needless: float
) -> None:
    found = evaluation.report(await evaluation.run(router, read(HELD_APART / f"{name}.jsonl"), lambda _: None), COSTS)
    figures = found["information"]
    assert figures["accuracy"] >= right and figures["missed"] <= missed and figures["needless"] <= needless
    assert found["voice"]["accuracy"] >= 0.9 and figures["ece"] <= 0.07
