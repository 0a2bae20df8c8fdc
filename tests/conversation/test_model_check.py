"""The second check by a model: what it says of each claim, and what stands where it says nothing."""

import asyncio

import pytest

from assistant.conversation.events import Mark
from assistant.conversation.model_check import ModelCheck
from connectors import errors
from connectors.scripted import ScriptedModel, Step
from tests.test_docs import PASSAGE

ANSWER = "Five days can be carried over [1]. They end in June [1]. They are paid twice [1]."
MARKS = (
    Mark(0, 34, "supported", "", (1,)),
    Mark(35, 56, "unsupported", "nothing like it in the sources", (1,)),
    Mark(57, 82, "partly", "only part of it", (1,)),
)


def states(marks: tuple[Mark, ...]) -> list[str]:
    return [mark.state for mark in marks]


async def marked(*steps: Step) -> tuple[tuple[Mark, ...], ScriptedModel]:
    model = ScriptedModel(list(steps))
    return await ModelCheck(model, seconds=1.0).marked(ANSWER, MARKS, [PASSAGE]), model


async def test_the_model_is_asked_with_the_documents_and_its_word_counts() -> None:
    found, model = await marked(Step(["1: partly\n2: supp", "orted\n3. **Unsupported**\n"]))
    assert states(found) == ["partly", "supported", "unsupported"]
    assert found[1].why == "" and "does not find this" in found[2].why and "only part" in found[0].why
    assert [(mark.start, mark.end, mark.passages) for mark in found] == [(m.start, m.end, m.passages) for m in MARKS]
    asked = model.requests[0]
    assert asked.messages[-1].documents[0].text == "text" and asked.temperature == 0.0
    assert "1: Five days can be carried over [1].\n2: They end in June [1]." in asked.messages[-1].text


@pytest.mark.parametrize(
    "step",
    [
        Step(["I think that all of it is fine."]),
        Step([], errors.Unavailable("down")),
        Step(["7: supported\n0: supported"]),
        Step(["late"], delay=5.0),
    ],
    ids=["prose", "down", "other numbers", "late"],
)
async def test_where_it_says_nothing_the_own_check_stands(step: Step) -> None:
    async with asyncio.timeout(4):
        assert (await marked(step))[0] == MARKS


async def test_without_claims_nobody_is_asked() -> None:
    model = ScriptedModel([])
    assert await ModelCheck(model).marked("Hello!", (), [PASSAGE]) == ()
