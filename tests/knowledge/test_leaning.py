"""Whether a turn leans on its conversation, and what is searched then."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.app import Assistant
from assistant.conversation.turn import Message, Turn
from assistant.knowledge.documents import Chunk
from assistant.knowledge.leaning import SIGNALS, STANDING, WEIGHTS, leaning, mix, signals
from assistant.knowledge.store import Hit
from connectors.base import ChatMessage, ChatRequest, DocumentPart, TextPart
from connectors.builtin import BuiltinModel

TEXTS = st.text(min_size=1, max_size=120)
TALK = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), TEXTS), min_size=1, max_size=6)
CARRY = "How many days of annual leave can I carry over?"
CARRIED = (
    "You can carry over up to 5 days. They must be used by 30 June, after which they are lost. You may buy up to 5 "
    "extra days. You may sell up to 3 days, as long as you keep at least 23."
)
HOTEL, CAP = "What is the hotel cap per night in London?", "The cap per night in London is £165."


def hit(text: str, score: float, similarity: float) -> Hit:
    return Hit(Chunk("demo", "a.md", "A", (), text, 0, len(text), 0, 1, content_hash="h"), score, similarity)


@given(TEXTS, TALK)
def test_a_standing_turn_is_mixed_with_the_same_texts_at_less(text: str, history: list[Message]) -> None:
    whole, less = mix(text, history, 3), mix(text, history, 3, standing=True)
    assert [said for said, _ in whole] == [said for said, _ in less] and whole[0] == less[0] == (text, 1.0)
    shares = [small / large for (_, small), (_, large) in zip(less[1:], whole[1:], strict=True)]
    answered = any(message.role == "assistant" for message in history)
    expected = [STANDING[0]] * (len(shares) - answered) + [STANDING[1]] * answered
    assert shares == pytest.approx(expected)


def test_the_weights_are_those_of_the_signals() -> None:
    card = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    assert tuple(card["weights"]) == SIGNALS and 0 < card["threshold"] < 0.5
    found = signals("and in Paris?", np.eye(3, dtype=np.float32), [hit("Paris", 1.0, 0.5), hit("Rome", 0.4, 0.3)])
    assert tuple(found) == SIGNALS
    assert (found["opens"], found["above_5th"], found["closest"]) == (1.0, pytest.approx(0.6), 0.5)


def test_what_finds_nothing_alone_leans() -> None:
    assert not leaning().stands("what is the hotel cap?", np.eye(3, dtype=np.float32), [])


async def found(demo: Assistant, text: str, *before: str) -> tuple[bool, str]:
    history = tuple(Message("assistant" if n % 2 else "user", said) for n, said in enumerate(before))
    made = await demo.base.search(Turn(text, history, collections=frozenset({"demo"})))
    return made.standing, made.passages[0].chunk.text


@pytest.mark.parametrize(
    ("text", "before", "holds"),
    [
        ("how long does my manager have to answer a leave request?", (CARRY, CARRIED), "five working days to answer"),
        (HOTEL, (CARRY, CARRIED), "£165"),
        ("what is the mileage rate for a motorcycle?", (HOTEL, CAP), "26p"),
    ],
)
async def test_a_question_that_stands_on_its_own_finds_what_it_finds_alone(
    demo: Assistant, text: str, before: tuple[str, ...], holds: str
) -> None:
    assert await found(demo, text) == (False, (await found(demo, text))[1]), "nothing was said before"
    standing, first = await found(demo, text, *before)
    assert standing and holds in first


@pytest.mark.parametrize(
    ("text", "before", "holds"),
    [
        ("and elsewhere in Europe?", (HOTEL, CAP), "Cap per night"),
        ("and if I don't use them in time?", (CARRY, CARRIED), "30 June"),
        ("and a car?", ("what is the mileage rate for a motorcycle?", "It is 26p."), "48p"),
        ("und in Europa?", (HOTEL, CAP), "Cap per night"),
    ],
)
async def test_a_follow_up_leans_on_what_it_follows(
    demo: Assistant, text: str, before: tuple[str, ...], holds: str
) -> None:
    standing, first = await found(demo, text, *before)
    assert not standing and holds in first


async def test_a_search_without_history_never_stands(demo: Assistant) -> None:
    assert await found(demo, HOTEL) == (False, (await found(demo, HOTEL))[1])


@pytest.mark.parametrize("standing", [True, False])
async def test_the_builtin_model_reads_a_standing_turn_alone(demo: Assistant, standing: bool) -> None:
    leave = DocumentPart(
        1,
        "Leave",
        "",
        "You can carry over up to 5 days to the next year. Your manager has five working days to answer.",
    )
    talk = [
        ChatMessage.of("user", "How many days can I carry over to the next year?"),
        ChatMessage.of("assistant", "…"),
    ]
    asked = ChatMessage("user", (leave, TextPart("how long has my manager to answer?")))
    model = BuiltinModel("builtin", demo.router_embedder.embed_now)
    pieces = [each.text async for each in model.stream(ChatRequest((*talk, asked), standing=standing))]
    alone = [each.text async for each in model.stream(ChatRequest((asked,)))]
    assert ("".join(pieces) == "".join(alone)) == standing
