"""What the encoder reads of a conversation, and that it reads it alike each time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.turn import Message
from assistant.routing.encoder import (
    DIMENSION,
    EARLIER_WORDS,
    LATEST_WORDS,
    READ_MESSAGES,
    EncoderError,
    TurnEncoder,
    pair,
)

MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["user", "assistant"]), st.text("ab c", max_size=900)), max_size=9
)


@pytest.fixture(scope="module")
def encoder() -> TurnEncoder:
    return TurnEncoder(threads=1)


@given(st.text(max_size=50), MESSAGES)
def test_the_latest_message_comes_first_and_long_ones_are_cut(turn: str, history: list[Message]) -> None:
    said, context = pair(turn, history)
    assert said == turn
    parts = context.split(" | ") if history else []
    assert len(parts) <= READ_MESSAGES and len(parts) == min(len(history), READ_MESSAGES)
    for part, message in zip(parts, reversed(history), strict=False):
        assert part.startswith(f"{message.role}:")
    sizes = [len(part.split()) for part in parts]
    assert all(size <= EARLIER_WORDS + 2 for size in sizes[1:]) and all(size <= LATEST_WORDS + 2 for size in sizes[:1])


def test_a_long_answer_keeps_its_beginning_and_its_offer() -> None:
    answer = "First words. " + "filler " * 300 + "Shall I look up the price?"
    _, context = pair("yes", [Message("assistant", answer)])
    assert "First words." in context and context.endswith("Shall I look up the price?")


def test_a_pair_has_one_vector(encoder: TurnEncoder) -> None:
    history = [Message("user", "how many days of leave"), Message("assistant", "26.")]
    one, again = encoder.encode("and for contractors?", history), encoder.encode("and for contractors?", history)
    assert one.shape == (DIMENSION,) and np.array_equal(one, again)
    assert not np.allclose(one, encoder.encode("and for contractors?", []), atol=1e-2)


@pytest.mark.parametrize("turn", ["", "😀" * 500, "x" * 20_000, "\u200b", "word " * 5000])
def test_whatever_is_said_can_be_read(encoder: TurnEncoder, turn: str) -> None:
    found = encoder.encode(turn, [Message("assistant", turn)] * 8)
    assert found.shape == (DIMENSION,) and np.isfinite(found).all()


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="cannot be loaded"):
        TurnEncoder(tmp_path).encode("x", [])
