"""The main model's opinion: asked only where the router is unsure, and never in the way."""

from dataclasses import dataclass, field

import pytest

from assistant.conversation.turn import Message, Turn
from assistant.knowledge.retrieve import Found
from assistant.routing.classifier import Scores
from assistant.routing.router import UNSURE, Costs, Router
from assistant.routing.second_opinion import ModelOpinion
from connectors import errors
from connectors.scripted import ScriptedModel, Step


@pytest.mark.parametrize(
    ("said", "looks_up"),
    [("LOOKUP", True), ("answer", False), (" Lookup.", True), ("Look up", True), ("**ANSWER**", False), ("maybe", None),
     ("", None), ("LOOKUP because " + "it is long " * 20, None)],
)  # fmt: skip
async def test_one_word_is_read(said: str, looks_up: bool | None) -> None:
    model = ScriptedModel([Step([said])])
    assert await ModelOpinion(model, "Acme").looks_up(Turn("and the other one?", (Message("user", "hi"),))) is looks_up
    system, asked = model.requests[0].messages
    assert "Acme" in system.text and asked.text == "user: hi\nuser: and the other one?"


async def test_a_model_that_fails_has_no_opinion() -> None:
    model = ScriptedModel([Step([], error=errors.Unavailable("the model is down"))])
    assert await ModelOpinion(model, "Acme").looks_up(Turn("x")) is None


@dataclass
class Judge:
    says: bool | None
    asked: list[str] = field(default_factory=list)

    async def looks_up(self, turn: Turn) -> bool | None:
        self.asked.append(turn.text)
        return self.says


class Fixed:
    version = "fixed"


@pytest.mark.parametrize("information", [0.01, 0.2 - UNSURE / 2 - 0.01, 0.2 + UNSURE, 0.99])
async def test_it_is_not_asked_where_the_router_is_sure(information: float) -> None:
    judge = Judge(information < 0.2)
    decision = await Router(Fixed(), Costs(), opinion=judge).route(
        Turn("x"), Scores(information, 0), "never", Found("x")
    )
    assert judge.asked == [] and decision.route == ("retrieve" if information >= 0.2 else "voice")


@pytest.mark.parametrize(("says", "route"), [(True, "retrieve"), (False, "voice"), (None, "retrieve")])
async def test_it_decides_where_the_router_is_unsure(says: bool | None, route: str) -> None:
    judge = Judge(says)
    decision = await Router(Fixed(), Costs(), opinion=judge).route(Turn("x"), Scores(0.25, 0), "never", Found("x"))
    assert judge.asked == ["x"] and decision.route == route
    assert any("main model" in reason for reason in decision.reasons) == (says is not None)


async def test_a_chosen_route_is_not_put_to_it() -> None:
    judge = Judge(True)
    turn = Turn("x", route="voice")
    assert (
        await Router(Fixed(), Costs(), opinion=judge).route(turn, Scores(0.25, 0), "never", Found("x"))
    ).route == "voice"
    assert judge.asked == []
