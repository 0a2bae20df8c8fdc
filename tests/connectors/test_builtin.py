"""The builtin connector with the shipped embedder: what it says must be in the documents."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.knowledge.embedder import FastEmbedder
from connectors import ChatMessage, ChatRequest, DocumentPart, TextPart
from connectors.builtin import NO_EXAMPLE_NOTE, NOTE, NOTHING_FITS, VOICE_NOTE, BuiltinModel, sentences

LEAVE = DocumentPart(
    1,
    "Annual leave",
    "Annual leave › Carry-over",
    "New employees get 26 days a year. Up to 5 days carry over until 30 June, e.g. for a long trip. "
    "The canteen opens at noon.",
)
CAPS = DocumentPart(
    2,
    "Travel",
    "Travel › Hotel caps",
    "| Where | Cap |\n|---|---|\n| London | £165 |\n| Paris | £150 |\n\n- Ask the desk first.",
)


@pytest.fixture(scope="module")
def model() -> BuiltinModel:
    pairs = [("Hello", "Hello, good to see you."), ("Thanks", "You're welcome.")]
    return BuiltinModel("builtin", FastEmbedder().embed_now, pairs)


async def ask(model: BuiltinModel, text: str, *documents: DocumentPart) -> tuple[str, str]:
    request = ChatRequest((ChatMessage.of("system", "…"), ChatMessage("user", (*documents, TextPart(text)))))
    deltas = [delta async for delta in model.stream(request)]
    return "".join(delta.text for delta in deltas), deltas[-1].note


async def test_quotes_the_sentence_that_answers_with_its_citation(model: BuiltinModel) -> None:
    answer, note = await ask(model, "how many days can I carry over?", LEAVE, CAPS)
    assert "Up to 5 days carry over until 30 June, e.g. for a long trip. [1]" in answer
    assert "canteen" not in answer and note == NOTE


async def test_a_table_row_keeps_its_head(model: BuiltinModel) -> None:
    answer, _ = await ask(model, "what is the hotel cap in London", CAPS)
    assert "| Where | Cap |\n| --- | --- |\n| London | £165 [2] |" in answer


async def test_without_documents_it_repeats_the_nearest_example(model: BuiltinModel) -> None:
    assert await ask(model, "hello there") == ("Hello, good to see you.", VOICE_NOTE)
    assert await ask(model, "thank you!") == ("You're welcome.", VOICE_NOTE)


async def test_it_says_so_where_no_example_fits(model: BuiltinModel) -> None:
    assert await ask(model, "Shorten this: the pump must be primed twice") == (NOTHING_FITS, NO_EXAMPLE_NOTE)


async def test_documents_without_a_sentence(model: BuiltinModel) -> None:
    answer, _ = await ask(model, "what?", DocumentPart(1, "t", "s", "# Only a heading"))
    assert answer == "The documents hold no text that answers this."


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="[]"), max_size=200), min_size=1, max_size=4))
async def test_every_quote_is_in_a_document(model: BuiltinModel, texts: list[str]) -> None:
    documents = [DocumentPart(n, "t", "s", text) for n, text in enumerate(texts, 1)]
    answer, _ = await ask(model, "what is it?", *documents)
    if answer.startswith("The documents hold no text"):
        return
    held = {word for text in texts for word in re.split(r"[\s|]+", text)} | {"-", "---", ">", ""}
    for word in re.split(r"[\s|]+", re.sub(r"\[\d\]", "", answer)):
        assert word in held or word.lstrip(">") in held


def test_abbreviations_do_not_end_a_sentence() -> None:
    assert sentences("Ask Dr. Vale, e.g. by mail. She answers.") == ["Ask Dr. Vale, e.g. by mail.", "She answers."]
