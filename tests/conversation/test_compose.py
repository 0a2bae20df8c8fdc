"""What a model gets of a conversation: roles in turns, a budget, no stale citations, and code as it was."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.citations import cited, split_code, without_citations
from assistant.conversation.compose import HISTORY_CHARACTERS, MESSAGE_CHARACTERS, compose, document
from assistant.conversation.grounding import check
from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import Message, Turn
from assistant.conversation.wire import passage
from assistant.knowledge.documents import Chunk, Passage
from connectors import ChatMessage, DocumentPart, TextPart

CHUNK = Chunk("c", "leave.md", "Leave", (), "26 days.", 0, 8, 0, 1, "hash")
PASSAGES = [Passage(number, CHUNK, 1.0, 0.9) for number in (1, 2)]
SNIPPET = "m[1][2] + arr[0] # [3], [4]"
CODES = [
    f"`{SNIPPET}`",
    f"``{SNIPPET} ` [5]``",
    f"```python\n{SNIPPET}\n```",
    f"~~~\n{SNIPPET}\n\n```\n[6]\n~~~",
    f"````\n```\n{SNIPPET}\n```\n[7]\n````",
    f"1. so:\n   ```\n   {SNIPPET}\n   ```",
    f"- ```\n  {SNIPPET}\n  ```",
    f"```\r\n{SNIPPET}\r\n```\r",
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["", " ", "\n", "[1]", "26 days [1][2].", "ok"]),
    st.builds(lambda word, count: word * count, st.sampled_from(["a", "word ", "[1] "]), st.integers(0, 6000)),
)
HISTORIES = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), TEXTS), max_size=12)


def messages(history: Sequence[Message], text: str = "and now?") -> tuple[ChatMessage, ...]:
    turn = Turn(text, history=tuple(history))
    return compose(
        ROUTES["retrieve"], turn, PASSAGES, organisation="Alder", contact=None, today=date(2026, 1, 2)
    )[0].messages  # fmt: skip


@given(HISTORIES)
def test_roles_alternate_from_the_system_to_the_question(history: list[Message]) -> None:
    roles = [message.role for message in messages(history)]
    assert roles == ["system", *(["user", "assistant"] * len(roles))[: len(roles) - 1]] and roles[-1] == "user"


@given(HISTORIES)
def test_history_keeps_to_its_budget_and_no_message_is_empty(history: list[Message]) -> None:
    *earlier, last = messages(history)[1:]
    assert last.parts[-1] == TextPart("and now?")
    assert [part.number for part in last.documents] == [1, 2]
    before = [message.text for message in earlier] + [part.text for part in last.parts[:-1] if type(part) is TextPart]
    assert sum(map(len, before)) <= HISTORY_CHARACTERS
    assert all(len(text) <= MESSAGE_CHARACTERS and text.strip() for text in before)


@given(st.lists(st.text("abc .", min_size=1, max_size=200).filter(str.strip), max_size=12))
def test_a_history_within_the_budget_is_kept_whole(texts: list[str]) -> None:
    history = [Message("assistant" if n % 2 else "user", text) for n, text in enumerate(texts)]
    found = messages(history)[1:]
    assert [part.text for message in found for part in message.parts if type(part) is TextPart] == [*texts, "and now?"]


def test_unanswered_turns_go_before_the_documents_of_the_next() -> None:
    history = [Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("user", "d")]
    *_, last = found = messages(history)
    assert [message.role for message in found] == ["system", "user", "assistant", "user"]
    assert [type(part) for part in last.parts] == [TextPart, DocumentPart, DocumentPart, TextPart]
    assert last.text == "c\n\nd\n\nand now?"


def test_a_message_that_was_nothing_but_citations_leaves_no_gap() -> None:
    found = messages([Message("user", "a"), Message("assistant", " [1]"), Message("user", "b")])
    assert [message.text for message in found[1:]] == ["a\n\nb\n\nand now?"]


def test_a_long_message_is_shortened_and_drops_nothing_older() -> None:
    long = "head " + "x" * 20_000 + " tail"
    found = messages([Message("user", "first"), Message("assistant", long)])
    assert found[1].text == "first"
    text = found[2].text
    assert text.startswith("head x") and text.endswith("x tail") and "…" in text
    assert MESSAGE_CHARACTERS - 5 <= len(text) <= MESSAGE_CHARACTERS


def test_the_newest_messages_are_kept() -> None:
    history = [Message("assistant" if n % 2 else "user", f"{n} " + "x" * 3000) for n in range(9)]
    found = messages(history)[1:]
    # 5, 6, 7 and 8 would fit; 5 is the assistant's and would come first, 8 is unanswered.
    assert [message.text.split()[0] for message in found] == ["6", "7", "8"]


@pytest.mark.parametrize(("length", "kept"), [(3000, 4), (3001, 2)])
def test_the_budget_is_exact(length: int, kept: int) -> None:
    history = [Message(role, "x" * length) for role in ("user", "assistant", "user", "assistant")]
    assert len(messages(history)) == 1 + kept + 1


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("26 days [1][2].", "26 days."),
        ("26 days [1], [2]; then 5 [3].", "26 days; then 5."),
        ("(see the handbook)[1] or “so”[2]", "(see the handbook) or “so”"),
        ("arr[0] + m[1][2] is a sum [3]", "arr[0] + m[1][2] is a sum"),
        ("a link [1](https://x.test) and [price]", "a link [1](https://x.test) and [price]"),
        ("see `config.yaml`[1] and `x[0]` [2].", "see `config.yaml` and `x[0]`."),
        ("a stray ` here [1]\nand ` there [2]", "a stray ` here\nand ` there"),
    ],
)
def test_citations_go_and_indexes_stay(text: str, left: str) -> None:
    assert without_citations(text) == left


PROSE = st.text("ab .,[]12\n", max_size=30).filter(lambda text: not cited(text))


@given(st.lists(st.tuples(PROSE, st.sampled_from(CODES)), min_size=1, max_size=4))
def test_code_is_untouched_and_cites_nothing(pairs: list[tuple[str, str]]) -> None:
    text = "".join(f"{prose} [9]\n{code}\n" for prose, code in pairs)
    quiet = without_citations(text)
    for _, code in pairs:
        assert code in quiet
        quiet = quiet.replace(code, "", 1)
    assert "[9]" not in quiet
    assert set(cited(text)) <= {9, 11, 12, 21, 22} and 9 in cited(text)


@given(st.text("`~ab[1]\n \\>-", max_size=80))
def test_pieces_are_the_text(text: str) -> None:
    pieces = split_code(text)
    assert "".join(pieces) == text and len(pieces) % 2 == 1
    assert all(set(code) & set("`~") for code in pieces[1::2])


@pytest.mark.parametrize("code", CODES)
def test_an_index_in_code_is_no_citation(code: str) -> None:
    checked = check(f"As it says [2]:\n{code}\nand [8], [2].", PASSAGES, "supported")
    assert (checked.cited, checked.invented) == ((2,), (8,))


def test_a_fence_that_is_cut_off_is_code_to_the_end() -> None:
    assert cited("so [1]:\n```\nx = y [2]\n") == [1]


def test_a_passage_of_code_says_its_symbol_and_line() -> None:
    chunk = replace(CHUNK, title="server.py", section=("Server", "handle"), line=12)
    assert document(Passage(1, chunk, 1.0, 0.9)).section == "Server › handle, line 12"
    assert document(Passage(1, replace(chunk, section=()), 1.0, 0.9)).section == ""
    assert (passage(Passage(1, chunk, 1.0, 0.9))["line"], passage(PASSAGES[0])["line"]) == (12, None)


def test_an_older_passage_tells_the_model_which_one_differs() -> None:
    older, plain = document(replace(PASSAGES[1], newer=1)), document(PASSAGES[0])
    assert older.note == "older than document 1, which states other values" and plain.note is None
    assert replace(older, note=None) == document(PASSAGES[1])


def test_a_passage_on_the_wire_says_where_the_match_stands_and_what_is_newer_or_the_same() -> None:
    plain = passage(PASSAGES[0])
    assert (plain["found"], plain["newer"], plain["duplicates"]) == ([0, 8], None, [])
    told = passage(replace(PASSAGES[1], found=(3, 7), newer=1, duplicates=("b.md", "c.md")))
    assert (told["found"], told["newer"], told["duplicates"]) == ([3, 7], 1, ["b.md", "c.md"])
