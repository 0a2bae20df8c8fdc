"""The builtin connector with the shipped embedder: what it says must be in the documents."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.knowledge.embedder import FastEmbedder
from connectors import ChatMessage, ChatRequest, DocumentPart, TextPart
from connectors.builtin import ANSWERED, NO_EXAMPLE_NOTE, NOTE, VOICE_NOTE, BuiltinModel
from connectors.builtin_text import FOR_OPERATORS, NEAREST, NOT_HELD, NOTHING_FITS, nothing_fits

LEAVE = DocumentPart(
    1,
    "Annual leave",
    "Annual leave › Carry-over",
    "New employees get 26 days a year. Up to 5 days carry over until 30 June, e.g. for a long trip. "
    "They must be used by then. The canteen opens at noon.",
)
CAPS = DocumentPart(
    2,
    "Travel",
    "Travel › Hotel caps",
    "| Where | Cap |\n|---|---|\n| London | £165 |\n| Paris | £150 |\n\n- Ask the desk first.",
)
LAPTOP = DocumentPart(
    3,
    "Lost devices",
    "",
    "# Lost devices\n\nIf you lose your laptop, do this at once:\n\n1. Call the IT desk.\n2. Change your password.\n"
    "3. Tell your manager.\n\nThe desk is open until 18:00. See rule [1] of the handbook.",
)


@pytest.fixture(scope="module")
def model() -> BuiltinModel:
    pairs = [("Hello", "Hello, good to see you."), ("Thanks", "You're welcome.")]
    return BuiltinModel("builtin", FastEmbedder().embed_now, pairs)


async def ask(
    model: BuiltinModel,
    text: str,
    *documents: DocumentPart,
    before: tuple[str, ...] = (),
    evidence: float | None = None,
) -> tuple[str, str | None]:
    history = [ChatMessage.of("assistant" if place % 2 else "user", said) for place, said in enumerate(before)]
    turn = ChatMessage("user", (*documents, TextPart(text)))
    request = ChatRequest((ChatMessage.of("system", "…"), *history, turn), evidence=evidence)
    deltas = [delta async for delta in model.stream(request)]
    return "".join(delta.text for delta in deltas), deltas[-1].note


async def test_quotes_the_sentence_that_answers_with_its_citation(model: BuiltinModel) -> None:
    answer, note = await ask(model, "how many days can I carry over?", LEAVE, CAPS)
    assert "Up to 5 days carry over until 30 June, e.g. for a long trip. [1]" in answer
    assert "canteen" not in answer and note == NOTE


async def test_a_sentence_that_leans_on_another_is_never_alone(model: BuiltinModel) -> None:
    answer, _ = await ask(model, "by when must they be used?", LEAVE)
    at = answer.find("They must be used by then. [1]")
    assert at == -1 or answer[:at].endswith("for a long trip. [1] ")


async def test_a_table_row_keeps_its_head(model: BuiltinModel) -> None:
    answer, _ = await ask(model, "what is the hotel cap in London", CAPS)
    assert "| Where | Cap |\n| --- | --- |\n| London | £165 [2] |" in answer and "Paris" not in answer


async def test_a_short_table_is_whole_where_no_row_stands_out(model: BuiltinModel) -> None:
    answer, _ = await ask(model, "what are the caps for a hotel?", CAPS)
    assert "| London | £165 [2] |\n| Paris | £150 [2] |" in answer


async def test_a_list_is_whole_and_has_what_introduces_it(model: BuiltinModel) -> None:
    answer, _ = await ask(model, "I lost my laptop, what do I do?", LEAVE, LAPTOP)
    assert (
        "If you lose your laptop, do this at once: [3]\n\n"
        "1. Call the IT desk. [3]\n2. Change your password. [3]\n3. Tell your manager. [3]"
    ) in answer
    assert "# Lost" not in answer


async def test_what_two_documents_say_alike_is_said_once(model: BuiltinModel) -> None:
    copy = DocumentPart(2, "Leave", "", "Up to 5 days carry over until the 30 June, e.g. for a long trip.")
    answer, _ = await ask(model, "how many days can I carry over?", LEAVE, copy)
    assert answer.count("5 days carry over") == 1


async def test_a_number_in_brackets_of_a_document_is_no_citation(model: BuiltinModel) -> None:
    rule = DocumentPart(4, "Rules", "", "Badges follow rule [1] of the handbook on access to buildings.")
    answer, _ = await ask(model, "which rule do badges follow?", rule)
    assert answer == "Badges follow rule [1\\] of the handbook on access to buildings. [4]"


async def test_a_follow_up_is_read_with_its_conversation(model: BuiltinModel) -> None:
    before = ("What is the cap for a hotel in London?", "It is £165.")
    answer, _ = await ask(model, "and in Paris?", CAPS, LEAVE, before=before)
    assert "| Paris | £150 [2] |" in answer


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("Who leads the office?", "en"),
        ("Wer leitet das Büro?", "de"),
        ("¿Quién dirige?", "en"),
    ],
)
async def test_what_the_documents_do_not_hold_is_said_plainly(model: BuiltinModel, asked: str, language: str) -> None:
    answer, _ = await ask(model, asked, LEAVE, CAPS, evidence=ANSWERED - 0.01)
    assert answer.startswith(f"{NOT_HELD[language]} {NEAREST[language]}\n\n") and re.search(r"\[[12]\]", answer)
    answered, _ = await ask(model, asked, LEAVE, CAPS, evidence=ANSWERED)
    assert NOT_HELD[language] not in answered


async def test_documents_without_a_sentence(model: BuiltinModel) -> None:
    answer, _ = await ask(model, "what?", DocumentPart(1, "t", "s", "# Only a heading"))
    assert answer == NOT_HELD["en"]


async def test_without_documents_it_repeats_the_nearest_example(model: BuiltinModel) -> None:
    assert await ask(model, "hello there") == ("Hello, good to see you.", VOICE_NOTE)
    assert await ask(model, "thank you!") == ("You're welcome.", VOICE_NOTE)


async def test_it_says_so_where_no_example_fits(model: BuiltinModel) -> None:
    assert await ask(model, "Shorten this: the pump must be primed twice") == (
        NOTHING_FITS["en"] + FOR_OPERATORS["en"],
        NO_EXAMPLE_NOTE,
    )
    answer, _ = await ask(model, "Bitte kürze das: die Pumpe muss zweimal entlüftet werden")
    assert answer == nothing_fits("das ist das") == NOTHING_FITS["de"] + FOR_OPERATORS["de"]


async def test_what_is_only_as_german_as_an_example_is_not_answered_with_it(model: BuiltinModel) -> None:
    german = BuiltinModel("main", model._embed, [("Nein danke, das war alles", "Dann bis zum nächsten Mal.")])
    assert await ask(german, "nein danke, das wars") == ("Dann bis zum nächsten Mal.", VOICE_NOTE)
    assert await ask(german, "Bitte kürze das") == (nothing_fits("Bitte kürze das"), NO_EXAMPLE_NOTE)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=200), min_size=1, max_size=4))
async def test_every_word_is_in_a_document(model: BuiltinModel, texts: list[str]) -> None:
    documents = [DocumentPart(n, "t", "s", text) for n, text in enumerate(texts, 1)]
    answer, _ = await ask(model, "what is it?", *documents)
    held = {word for text in texts for word in re.findall(r"[^\W_]+", text)}
    said = re.findall(r"[^\W_]+", re.sub(r" ?\[\d\]", " ", answer.removeprefix(NOT_HELD["en"])))
    assert set(said) <= held
