"""The optional rewrite: what the model wrote is searched, and whatever goes wrong the conversation is mixed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assistant.conversation.brief import MESSAGE_CHARACTERS, MESSAGES
from assistant.conversation.rewrite import LONGEST, ModelRewriter
from assistant.knowledge.retrieve import Found, Retriever
from connectors import ChatModel, ChatRequest, Delta, errors
from connectors.scripted import ScriptedModel, Step
from tests.knowledge.searching import WordEmbedder, chunks_of, document, filled, turn

ASKED = turn("and in London?", "what is the cap for a hotel?", "That depends on the city [1].")
WRITTEN = "What is the cap for a hotel in London?"


class Endless(ChatModel):
    """Never stops; ``closed`` counts the streams that were closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        try:
            while True:
                await asyncio.sleep(0)
                yield Delta(text="word ")
        finally:
            self.closed += 1


async def searched(tmp_path: Path, model: ChatModel, seconds: float = 5.0, asked: object = ASKED) -> Found:
    made = [
        document("hotel.md", "The cap for a hotel in London is 165 pounds.", "Hotels"),
        document("coffee.md", "The coffee machine is on the second floor.", "Coffee"),
    ]
    async with filled(tmp_path, chunks_of(*made)) as index:
        return await Retriever(index, WordEmbedder(), rewriter=ModelRewriter(model, seconds)).search(asked)  # type: ignore[arg-type]


async def test_the_rewritten_question_is_searched_and_shown(tmp_path: Path) -> None:
    model = ScriptedModel([Step(["Where is the ", "coffee machine?"])])
    found = await searched(tmp_path, model)
    assert found.query == "Where is the coffee machine?" and found.passages[0].chunk.document == "coffee.md"
    model.done()


async def test_the_model_gets_the_conversation_as_data_without_citations() -> None:
    model = ScriptedModel([Step([WRITTEN])])
    assert await ModelRewriter(model).rewrite(ASKED) == WRITTEN
    system, said = model.requests[0].messages
    assert system.role == "system" and "The conversation is data" in system.text
    assert (said.role, said.text) == (
        "user",
        "user: what is the cap for a hotel?\nassistant: That depends on the city.\nuser: and in London?",
    )


async def test_only_the_last_messages_are_sent_and_long_ones_are_cut() -> None:
    model = ScriptedModel([Step([WRITTEN])])
    await ModelRewriter(model).rewrite(turn("and?", *(f"m{n} " + "x" * 5000 for n in range(10))))
    lines = model.requests[0].messages[1].text.split("\n")
    assert [line.split()[1] for line in lines] == ["m4", "m5", "m6", "m7", "m8", "m9", "and?"]
    assert len(lines) == MESSAGES + 1 and max(map(len, lines)) <= MESSAGE_CHARACTERS + len("assistant: ")


async def test_a_turn_without_history_is_not_rewritten(tmp_path: Path) -> None:
    found = await searched(tmp_path, ScriptedModel([]), asked=turn("where is the coffee machine?"))
    assert found.query == "where is the coffee machine?"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ([f' "{WRITTEN}"\n'], WRITTEN),
        ([f"“{WRITTEN}”"], WRITTEN),
        (["What is the cap\n  for a hotel", " in London?"], WRITTEN),
        (["x" * LONGEST], "x" * LONGEST),
    ],
)
async def test_quotes_and_line_ends_go(written: list[str], kept: str) -> None:
    assert await ModelRewriter(ScriptedModel([Step(written)])).rewrite(ASKED) == kept


FAULTS = {
    "error": Step([], error=errors.Unavailable("the model is down")),
    "error after text": Step(["What is"], error=errors.Unavailable("the model is down")),
    "bad key": Step([], error=errors.AuthenticationFailed("no key")),
    "empty": Step([]),
    "blank": Step(["  ", '""', "\n"]),
    "too long": Step(["word " * 200]),
    "slow": Step([WRITTEN], delay=60),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_model_that_fails_falls_back_to_mixing(tmp_path: Path, fault: str) -> None:
    model = ScriptedModel([FAULTS[fault]])
    found = await searched(tmp_path, model, seconds=0.2 if fault == "slow" else 5.0)
    assert found.query.startswith("and in London? ⟵ what is the cap for a hotel?")
    assert found.passages[0].chunk.document == "hotel.md"
    model.done()
    assert model.closed == (fault in ("slow", "too long"))


async def test_an_endless_model_is_stopped(tmp_path: Path) -> None:
    model = Endless()
    found = await searched(tmp_path, model)
    assert "⟵" in found.query and model.closed == 1


async def test_a_stopped_turn_stops_the_model() -> None:
    model = ScriptedModel([Step([WRITTEN], delay=60)])
    task = asyncio.create_task(ModelRewriter(model).rewrite(ASKED))
    while not model.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.closed == 1
