"""What of a passage can be quoted, and how quotes become Markdown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import DocumentPart
from connectors.builtin_text import answer, language
from connectors.extract import CODE_CHARACTERS, LIST_CHARACTERS, Quote, quotes, sentences

PAGE = """Home
Products
About us

# Returns

You have 30 days to return an item. This also holds for
gifts. Can I return shoes? Worn shoes are
not taken back.

Bring with you:

- the item
- the receipt

```sh
returns --open 42
```
"""


def test_headings_crumbs_and_questions_are_no_quotes() -> None:
    found = quotes(0, PAGE)
    assert [(each.kind, each.text) for each in found] == [
        ("sentence", "You have 30 days to return an item."),
        ("sentence", "This also holds for\ngifts."),
        ("sentence", "Worn shoes are\nnot taken back."),
        ("list", "- the item\n- the receipt"),
        ("code", "```sh\nreturns --open 42\n```"),
    ]
    assert [each.leans for each in found] == [False, True, False, False, False]
    assert found[2].under == "Can I return shoes?" and found[3].head == "Bring with you:"


def test_long_lists_come_in_items_and_long_code_not_at_all() -> None:
    item = "- " + "word " * 40
    found = quotes(0, "Choose one:\n\n" + "\n".join([item] * (LIST_CHARACTERS // len(item) + 2)))
    assert {each.kind for each in found} == {"item"} and {each.head for each in found} == {"Choose one:"}
    assert quotes(0, "```\n" + "x = 1\n" * (CODE_CHARACTERS // 6 + 1) + "```") == []


@given(st.text())
def test_what_is_quoted_stands_in_the_passage(text: str) -> None:
    kept = re.sub(r"\s+", "", text)
    for quote in quotes(0, text):
        assert "".join(re.sub(r"\s+", "", line) for line in quote.text.splitlines()) in kept


def test_abbreviations_do_not_end_a_sentence() -> None:
    assert sentences("Ask Dr. Vale, e.g. by mail. She answers.") == ["Ask Dr. Vale, e.g. by mail.", "She answers."]
    assert sentences("Das gilt z. B. für Büros. Sonst nicht.") == ["Das gilt z. B. für Büros.", "Sonst nicht."]
    assert sentences("Am 3. Mai ist zu. Danach offen.") == ["Am 3. Mai ist zu.", "Danach offen."]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bring **your badge.", "Bring **your badge.** [7]"),
        ("It** is needed.", "**It** is needed. [7]"),
        ("Run `make.", "Run `make.` [7]"),
        ("Rule [3] holds, `a[3]` too.", "Rule [3\\] holds, `a[3]` too. [7]"),
        ("As said [^1] and [2, 3] (Source 4).", "As said [^1\\] and [2, 3\\] (Source 4\\). [7]"),
        ("See [3](https://example.org) for it.", "See [3](https://example.org) for it. [7]"),
    ],
)
def test_marks_are_put_in_pairs_and_numbers_are_no_citations(text: str, shown: str) -> None:
    assert answer([Quote(0, 0, 0, "sentence", text)], [DocumentPart(7, "t", "", text)]) == shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Wie viele Tage habe ich?", "de"), ("How many days do I have?", "en"), ("", "en"), ("¿Cuántos días?", "en")],
)
def test_language(text: str, expected: str) -> None:
    assert language(text) == expected
