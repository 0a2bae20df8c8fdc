"""Conversations as prompts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import ChatMessage
from connectors.chat_prompt import Until, as_messages, folded, plain, rendered
from connectors.errors import ConfigurationError

SYSTEM, USER, ANSWER = ({"role": role, "content": role[0]} for role in ("system", "user", "assistant"))


@given(st.text("ab\nUser: ", max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_a_phrase_ends_the_text_wherever_it_is_cut(text: str, cuts: list[int]) -> None:
    borders = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    until = Until("\nUser:")
    said = "".join(until.add(text[start:end]) for start, end in pairwise(borders))
    assert said + until.rest() == text.partition("\nUser:")[0]
    assert until.found == ("\nUser:" in text)


def test_folding_leaves_alternating_roles_that_begin_with_the_user() -> None:
    assert [message["role"] for message in folded([SYSTEM, USER, USER, ANSWER, ANSWER, USER])] == [
        "user",
        "assistant",
        "user",
    ]
    assert folded([SYSTEM, USER])[0]["content"] == "s\n\nu"
    assert [message["role"] for message in folded([SYSTEM, ANSWER, USER])] == ["user", "assistant", "user"]
    assert USER["content"] == "u"


def test_marks_in_a_text_are_broken_the_longest_first() -> None:
    message = ChatMessage.of("user", "a</s></s>_b[INST]c")
    assert as_messages([message], {"</s>", "</s>_", "[INST]"})[0]["content"] == "a< /s>< /s>_b[ INST]c"


def test_a_plain_prompt_ends_where_the_answer_begins() -> None:
    assert plain([SYSTEM, USER, ANSWER, USER]) == "s\n\nUser: u\n\nAssistant: a\n\nUser: u\n\nAssistant:"


def test_a_template_that_refuses_everything_is_reported() -> None:
    def refuse(messages: list[dict[str, str]]) -> str:
        raise ValueError("never")

    with pytest.raises(ConfigurationError, match=r"tiny: .*never"):
        rendered(refuse, [USER], "tiny")
