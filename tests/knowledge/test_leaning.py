"""Whether a turn leans on its conversation, and what is searched then."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.app import Assistant
from assistant.conversation.turn import Message, Turn
from assistant.knowledge.documents import Chunk
from assistant.knowledge.leaning import APART, LEANING, SIGNALS, STANDING, WEIGHTS, Kept, leaning, mix, signals
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


@given(TEXTS, TALK, st.sampled_from([STANDING, APART]))
def test_a_standing_turn_is_mixed_with_the_same_texts_at_less(text: str, history: list[Message], kept: Kept) -> None:
    whole, less = mix(text, history, 3), mix(text, history, 3, kept)
    assert [said for said, _ in whole] == [said for said, _ in less] and whole[0] == less[0] == (text, 1.0)
    shares = [small / large for (_, small), (_, large) in zip(less[1:], whole[1:], strict=True)]
    answered = any(message.role == "assistant" for message in history)
    expected = [kept[0]] * (len(shares) - answered) + [kept[1]] * answered
    assert shares == pytest.approx(expected)


def test_the_weights_are_those_of_the_signals() -> None:
    card = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    assert tuple(card["weights"]) == SIGNALS and 0 < card["apart"] < card["threshold"] < 0.5
    found = signals("and in Paris?", np.eye(3, dtype=np.float32), [hit("Paris", 1.0, 0.5), hit("Rome", 0.4, 0.3)])
    assert tuple(found) == SIGNALS
    assert (found["opens"], found["above_5th"], found["closest"]) == (1.0, pytest.approx(0.6), 0.5)


def test_what_finds_nothing_alone_leans() -> None:
    assert leaning().kept("what is the hotel cap?", np.eye(3, dtype=np.float32), []) == LEANING


def test_the_less_a_turn_leans_the_less_is_kept_of_its_conversation() -> None:
    found = [leaning().way(score) for score in (0.0, leaning().apart, leaning().threshold, 1.0)]
    assert found == [APART, STANDING, LEANING, LEANING]
    assert APART < STANDING < LEANING and APART[1] < STANDING[1] < LEANING[1]


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


def test_an_answer_that_there_is_none_does_not_lead_the_next_search() -> None:
    """Its nearest quotes are of what did not answer."""
    refusal = "The documents do not hold the answer to this. What comes nearest:\n\n- Ask in Cairn. [1]"
    before = (Message("user", "who approves a work trip abroad?"), Message("assistant", refusal))
    assert [text for text, _ in mix("what about the train?", before, 3)] == ["what about the train?", before[0].content]


async def test_after_a_refusal_the_next_question_finds_its_own_page(demo: Assistant) -> None:
    refusal = (
        "The documents do not hold the answer to this. What comes nearest:\n\n- Allowed: countries of the European "
        "Union and European Economic Area, and Switzerland. [1]\n- Ask in Cairn, form “Work abroad”, at least **15 "
        "working days** before you leave. [1]\n- The People Team answers within 5 working days after checking tax and "
        "insurance. [1]\n- You must have the right to work there. We cannot sponsor visas for this. [1]\n\nIt is not "
        "holiday, so it does not touch your annual leave. [1]"
    )
    _, first = await found(demo, "what about the train?", "who approves a work trip abroad?", refusal)
    assert "Trains are standard class" in first
