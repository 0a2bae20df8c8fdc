"""A model's thoughts never reach the reader, wherever its stream is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.reasoning import Thoughts


def shown(pieces: list[str]) -> str:
    thoughts = Thoughts()
    return "".join([thoughts.feed(piece) for piece in pieces] + [thoughts.rest()])


def cut(text: str, at: list[int]) -> list[str]:
    places = sorted({place % (len(text) + 1) for place in at})
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


CASES = [
    ("<think>I ponder</think>Yes.", "Yes."),
    ("\n <think>\nI ponder <b></thin>\n</think>\n\n Yes.", "Yes."),
    ("<think></think>", ""),
    ("<think>cut off", ""),
    ("<think>a</think>b <think>c</think>", "b <think>c</think>"),
    ("Say <think>x</think>", "Say <think>x</think>"),
    ("<thin air>", "<thin air>"),
    ("<thi", "<thi"),
    ("  two blanks", "  two blanks"),
    ("\n", "\n"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_thoughts_are_left_out_at_once_and_letter_by_letter(text: str, expected: str) -> None:
    assert shown([text]) == expected
    assert shown(list(text)) == expected


@given(st.sampled_from(CASES), st.lists(st.integers(0, 60), max_size=8))
def test_thoughts_are_left_out_wherever_the_text_is_cut(case: tuple[str, str], at: list[int]) -> None:
    text, expected = case
    assert shown(cut(text, at)) == expected


@given(st.text(), st.lists(st.integers(0, 200), max_size=8))
def test_any_other_text_arrives_whole(text: str, at: list[int]) -> None:
    if not text.lstrip().startswith("<think>"):
        assert shown(cut(text, at)) == text


def test_an_answer_is_not_held_back() -> None:
    thoughts = Thoughts()
    assert thoughts.feed("Y") == "Y"
