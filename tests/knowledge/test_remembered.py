"""Vectors that are kept: nothing is embedded twice, and nothing grows without end."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from assistant.conversation.grounding_checker import Checker
from assistant.conversation.turn import Message, Turn
from assistant.knowledge.embedder import Vectors
from assistant.knowledge.remembered import Remembered
from assistant.knowledge.retrieve import Retriever
from assistant.routing.classifier import Embedded


class Counting:
    """Embeds texts as their lengths, and notes which."""

    name, dimension, max_tokens = "counting", 2, 512

    def __init__(self) -> None:
        self.asked: list[str] = []

    def now(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return self.now(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    async def aclose(self) -> None:
        pass


async def test_a_text_is_embedded_once_and_comes_where_it_was_asked_for() -> None:
    embedder, remembered = Counting(), Remembered()
    first = await remembered.embed(["one", "three", "one"], embedder)
    assert first[:, 0].tolist() == [3, 5, 3] and embedder.asked == ["one", "three"]
    again = remembered.embed_now(["three", "fourth", "one"], embedder.now)
    assert again[:, 0].tolist() == [5, 6, 3] and embedder.asked == ["one", "three", "fourth"]


async def test_the_oldest_are_forgotten_and_no_text_is_kept() -> None:
    embedder, remembered = Counting(), Remembered(most=2)
    await remembered.embed(["a", "bb", "ccc"], embedder)
    await remembered.embed(["bb", "ccc"], embedder)
    assert embedder.asked == ["a", "bb", "ccc"]
    await remembered.embed(["a"], embedder)
    assert embedder.asked == ["a", "bb", "ccc", "a"]
    assert not any(text in repr(vars(remembered)) for text in ("'a'", "'bb'", "'ccc'"))


def test_more_than_fits_comes_back_whole() -> None:
    assert Remembered(most=1).embed_now(["a", "bb", "ccc"], Counting().now)[:, 0].tolist() == [1, 2, 3]


def test_threads_may_share_it() -> None:
    embedder, remembered = Counting(), Remembered(most=5)
    texts = ["x" * length for length in range(1, 40)]

    def ask(start: int) -> bool:
        wanted = texts[start:] + texts[:start]
        return remembered.embed_now(wanted, embedder.now)[:, 0].tolist() == [len(text) for text in wanted]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, [*range(39)] * 10))


class NoIndex:
    """Holds nothing."""

    async def search(self, query: object) -> list[object]:
        return []

    async def chunks(self, identities: object, collections: object) -> list[object]:
        return []


async def test_what_was_said_before_is_not_embedded_with_every_turn_after_it() -> None:
    embedder, index = Counting(), NoIndex()
    retriever = Retriever(index, embedder)  # type: ignore[arg-type]
    told: tuple[Message, ...] = ()
    for number in range(3):
        turn = Turn(f"question {number}", told, collections=frozenset({"demo"}))
        await retriever.search(turn, Embedded((await embedder.embed([turn.text]))[0], embedder.name))
        told = (*told, Message("user", turn.text), Message("assistant", f"answer {number}"))
    asked = [text for text in embedder.asked if text.startswith("question")]
    assert asked == ["question 0", "question 1", "question 2"]


async def test_an_answer_that_was_expected_is_not_embedded_while_the_next_turn_waits() -> None:
    embedder, index = Counting(), NoIndex()
    retriever = Retriever(index, embedder)  # type: ignore[arg-type]
    answer = "a long answer " * 100
    await retriever.expect(answer)
    made = list(embedder.asked)
    told = (Message("user", "first"), Message("assistant", answer))
    await retriever.search(Turn("and then?", told, collections=frozenset({"demo"})))
    assert made == [answer[:600]] and embedder.asked[1:] == ["and then?", "first"]


async def test_an_answer_that_there_is_none_is_embedded_neither_ahead_nor_with_the_next_turn() -> None:
    embedder, index = Counting(), NoIndex()
    retriever = Retriever(index, embedder)  # type: ignore[arg-type]
    answer = "The documents do not hold the answer to this. What comes nearest: the grey bicycle."
    await retriever.expect(answer)
    told = (Message("user", "first"), Message("assistant", answer))
    await retriever.search(Turn("and then?", told, collections=frozenset({"demo"})))
    assert embedder.asked == ["and then?", "first"]


def test_sentences_of_a_passage_are_embedded_for_the_first_answer_that_needs_them() -> None:
    embedder, remembered = Counting(), Remembered()
    passage = "Anyone may borrow the grey bicycle on weekdays. The kitchen is cleaned by all of us in turns."
    for claim in ("Anyone may take the grey scooter home.", "The grey bicycle is rented to people at weekends."):
        Checker([passage], [1], embedder.now, remembered=remembered).judge(claim)
    claims = [text for text in embedder.asked if text.startswith(("Anyone may take", "The grey bicycle is rented"))]
    others = [text for text in embedder.asked if text not in claims]
    assert len(claims) == 2 and others and len(others) == len(set(others))
