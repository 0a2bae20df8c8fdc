"""Which turns are about an attached file, and that those are looked up."""

from __future__ import annotations

import pytest

from assistant.conversation.files import looked_up, meaning
from assistant.conversation.turn import Message, Turn
from assistant.knowledge.retrieve import Found
from assistant.routing.router import Decision

HIDDEN = "attached:1"
OLD = [("Bridge report 2031.pdf", False), ("party.docx", False)]
NEW = [("Bridge report 2031.pdf", False), ("party.docx", True)]
SAID = (Message("user", "hello"), Message("assistant", "Hi."))


def asked(text: str, files: list[tuple[str, bool]]) -> Turn:
    return meaning(Turn(text, SAID, collections=frozenset({HIDDEN, "docs"}), conversation="1"), HIDDEN, files)


@pytest.mark.parametrize(
    "text",
    ["tl;dr", "Summarise this", "What is this about?", "Give me the key points in three bullets, please", "?",
     "Fasse das kurz zusammen", "Worum geht es?", "What does it say?", "Please read this"],
)  # fmt: skip
def test_the_first_turn_after_a_file_is_about_all_of_it(text: str) -> None:
    files = asked(text, NEW).attached
    assert files is not None and files.meant == ("party.docx",) and files.whole


@pytest.mark.parametrize("text", ["thanks!", "ok, danke", "Hello"])
def test_but_courtesy_is_not(text: str) -> None:
    files = asked(text, NEW).attached
    assert files is not None and files.meant == ()


@pytest.mark.parametrize(
    ("text", "meant", "searched"),
    [
        ("Who plays?", ("party.docx",), "Who plays?"),
        ("What does the file say about food?", ("party.docx",), "food?"),
        ("Was steht in der Datei über Musik?", ("party.docx",), "Musik?"),
        ("Who inspected it according to the report?", ("Bridge report 2031.pdf",), None),
        ("What does bridge report 2031.pdf recommend?", ("Bridge report 2031.pdf",), None),
    ],
)
def test_a_question_is_about_the_file_that_it_names_or_the_new_one(
    text: str, meant: tuple[str, ...], searched: str | None
) -> None:
    files = asked(text, NEW).attached
    assert files is not None and (files.meant, files.whole) == (meant, False)
    assert files.asked == (searched or text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("What is the hotel cap in London?", 0),
        ("Shorten your last answer", 0),
        ("Which party did you mean?", 0),
        ("Summarise both files", 2),
        ("Is that in the attachment?", 2),
        ("And the report?", 1),
    ],
)
def test_later_turns_are_about_a_file_only_where_they_say_so(text: str, meant: int) -> None:
    files = asked(text, OLD).attached
    assert files is not None and len(files.meant) == meant


def decision(route: str, information: float, *, requested: bool = False) -> Decision:
    reasons = ("reads like conversation", f"unsure, but {HIDDEN} has a close match (0.60)")
    return Decision(route, information, 0.1, 0.2, reasons, "", requested, "v")  # type: ignore[arg-type]


def decided(text: str, files: list[tuple[str, bool]], own: Decision, *, in_voice: bool = False) -> Decision:
    return looked_up(own, asked(text, files), Found("searched"), in_voice=in_voice)


def test_a_turn_about_a_file_is_looked_up_and_says_why() -> None:
    made = decided("tl;dr", NEW, decision("voice", 0.01))
    assert (made.route, made.query, made.reasons) == (
        "retrieve", "searched", ("a file is attached, so it is looked up",),
    )  # fmt: skip
    assert decided("tl;dr", NEW, decision("ask", 0.9), in_voice=True).route == "both"
    kept = decided("Who plays?", NEW, decision("both", 0.9))
    assert kept.route == "both" and kept.reasons[0] == "a file is attached"
    assert kept.reasons[2] == "unsure, but the attached file has a close match (0.60)"


def test_an_unsure_turn_beside_files_is_looked_up_and_others_are_as_they_were() -> None:
    assert decided("and who plays?", OLD, decision("voice", 0.3)).route == "retrieve"
    assert decided("and who plays?", OLD, decision("voice", 0.1)).route == "voice"
    assert decided("thanks", OLD, decision("voice", 0.3)).route == "voice"
    assert decided("tl;dr", NEW, decision("voice", 0.1, requested=True)).route == "voice"
    without = decision("voice", 0.9)
    assert looked_up(without, Turn("hello"), Found(""), in_voice=False) is without
