"""A trimmed request keeps what the answer rests on, whatever is thrown at it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import ChatMessage, DocumentPart, TextPart
from connectors.tokens import UNKNOWN, Counter
from connectors.trim import SHORTEST, DoesNotFit, Messages, least, trimmed

COUNTER = Counter(UNKNOWN)
texts = st.builds(lambda word, times: (word + " ") * times, st.text(min_size=1, max_size=12), st.integers(1, 120))
documents = st.builds(DocumentPart, st.integers(1, 9), st.just("Leave"), st.just("Claims"), texts)


@st.composite
def conversations(draw: st.DrawFn) -> Messages:
    """As ``compose`` makes them: exchanges, then a message of what was left unanswered, documents and the turn."""
    exchanges = draw(st.lists(st.tuples(texts, texts), max_size=6))
    history = [
        message
        for said, answer in exchanges
        for message in (ChatMessage.of("user", said), ChatMessage.of("assistant", answer))
    ]
    unanswered = tuple(TextPart(text) for text in draw(st.lists(texts, max_size=2)))
    last = (*unanswered, *draw(st.lists(documents, max_size=4)), TextPart(draw(texts)))
    return (ChatMessage.of("system", draw(texts)), *history, ChatMessage("user", last))


def attempt(messages: Messages, room: int) -> Messages | None:
    try:
        return trimmed(messages, room, COUNTER)
    except DoesNotFit as error:
        assert error.missing == least(messages, COUNTER) - room > 0
        return None


@given(conversations(), st.floats(0, 1.1))
def test_what_the_answer_rests_on_is_kept_whole_and_in_order(messages: Messages, share: float) -> None:
    room = int(COUNTER.messages(messages) * share)
    kept = attempt(messages, room)
    assert (kept is None) == (least(messages, COUNTER) > room)
    if kept is None:
        return
    assert COUNTER.messages(kept) <= room
    assert kept[0] == messages[0]
    assert kept[-1].documents == messages[-1].documents
    assert kept[-1].parts[-1] == messages[-1].parts[-1]
    roles = [message.role for message in kept[1:]]
    assert roles[0] == roles[-1] == "user"
    assert all(before != after for before, after in pairwise(roles))


@given(conversations(), st.floats(0, 1.1))
def test_the_newest_history_is_kept_and_only_the_newest_is_cut(messages: Messages, share: float) -> None:
    kept = attempt(messages, int(COUNTER.messages(messages) * share))
    if kept is None:
        return
    history = kept[1:-1]
    newest = messages[len(messages) - 1 - len(history) : -1]
    for index, (now, before) in enumerate(zip(history, newest, strict=True)):
        assert now.role == before.role
        if len(history) > 2 or index < len(history) - 2:
            assert now == before
        elif now != before:
            head, tail = now.text.split("\n…\n", 1)[0], now.text.rsplit("\n…\n", 1)[1]
            assert before.text.startswith(head) and before.text.endswith(tail)
            assert SHORTEST - 5 <= len(now.text) < len(before.text)


@given(conversations(), st.floats(0, 1.1), st.floats(0, 1.1))
def test_a_larger_room_never_keeps_less(messages: Messages, one: float, other: float) -> None:
    total = COUNTER.messages(messages)
    small, large = (attempt(messages, int(total * share)) for share in sorted((one, other)))
    if small is not None:
        assert large is not None
        assert COUNTER.messages(small) <= COUNTER.messages(large)
        assert len(small) <= len(large)


@given(conversations())
def test_what_fits_is_left_alone(messages: Messages) -> None:
    assert trimmed(messages, COUNTER.messages(messages), COUNTER) is messages


def exchange(number: int, size: int = 50) -> tuple[ChatMessage, ChatMessage]:
    return ChatMessage.of("user", f"question {number} " * size), ChatMessage.of("assistant", f"answer {number} " * size)


SYSTEM = ChatMessage.of("system", "Be brief.")
TURN = ChatMessage.of("user", "And now?")


def test_the_oldest_exchange_goes_first_and_whole() -> None:
    messages = (SYSTEM, *exchange(1), *exchange(2), *exchange(3), TURN)
    assert trimmed(messages, COUNTER.messages(messages) - 1, COUNTER) == (SYSTEM, *exchange(2), *exchange(3), TURN)


def test_two_messages_in_a_row_go_together() -> None:
    twice = (ChatMessage.of("user", "first " * 50), *exchange(1))
    messages = (SYSTEM, *twice, *exchange(2), TURN)
    assert trimmed(messages, COUNTER.messages(messages) - 1, COUNTER) == (SYSTEM, *exchange(2), TURN)


def test_a_long_newest_exchange_is_cut_in_its_middle() -> None:
    long = ChatMessage.of("assistant", "first words " + "and so on " * 500 + "last words")
    messages = (SYSTEM, *exchange(1), ChatMessage.of("user", "Tell me"), long, TURN)
    kept = trimmed(messages, 400, COUNTER)
    assert [message.role for message in kept] == ["system", "user", "assistant", "user"]
    assert kept[1].text == "Tell me"
    assert kept[2].text.startswith("first words") and "\n…\n" in kept[2].text
    assert kept[2].text.endswith("last words")


def test_what_was_said_before_the_turn_is_history_too() -> None:
    document = DocumentPart(1, "Leave", "", "Thirty days.")
    last = ChatMessage("user", (TextPart("earlier " * 400), document, TextPart("And now?")))
    kept = trimmed((SYSTEM, last), least((SYSTEM, last), COUNTER), COUNTER)
    assert kept[-1].parts == (document, TextPart("And now?"))
    cut = trimmed((SYSTEM, last), least((SYSTEM, last), COUNTER) + 100, COUNTER)[-1].parts
    assert cut[1:] == last.parts[1:]
    assert "\n…\n" in cut[0].text


def test_documents_of_earlier_turns_stay_with_their_exchange() -> None:
    told = ChatMessage("user", (DocumentPart(1, "Leave", "", "Thirty days."), TextPart("How many?")))
    messages = (SYSTEM, *exchange(1), told, ChatMessage.of("assistant", "Thirty."), *exchange(2), TURN)
    kept = trimmed(messages, least(messages, COUNTER), COUNTER)
    assert kept == (SYSTEM, told, ChatMessage.of("assistant", "Thirty."), TURN)


@pytest.mark.parametrize("messages", [(TURN,), (SYSTEM, TURN)])
def test_nothing_to_trim(messages: Messages) -> None:
    with pytest.raises(DoesNotFit) as caught:
        trimmed(messages, 5, COUNTER)
    assert caught.value.missing == COUNTER.messages(messages) - 5
