"""The cues stay quick whatever is typed: they run on every turn, beside everybody else's."""

import time

import pytest

from assistant.conversation.turn import Message
from assistant.routing import features


def seconds(turn: str, previous: str) -> float:
    began = time.perf_counter()
    features.cues(turn, (Message("user", "hi"), Message("assistant", previous)))
    return time.perf_counter() - began


@pytest.mark.parametrize("unit", ["„", "?", "shall i ", '"', "a ", "1 %", ": ", "\n", "can i look ", "make this "])
def test_the_time_for_a_long_turn_grows_with_its_length_only(unit: str) -> None:
    short, long = unit * (4_000 // len(unit)), unit * (32_000 // len(unit))
    base = min(seconds(short, short) for _ in range(3))
    assert min(seconds(long, long) for _ in range(3)) < 40 * base + 0.05, "eight times the text, not sixty-four"


def test_a_long_conversation_costs_no_more_than_its_last_messages() -> None:
    history = [Message("user", "word " * 4000), Message("assistant", "word " * 4000)] * 100
    assert features.cues("and?", history).tolist() == features.cues("and?", history[-features.READ_MESSAGES :]).tolist()
