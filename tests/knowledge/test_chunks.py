"""The splitter: nothing lost, nothing twice, nothing above the budget, and cuts where a person would cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.knowledge.blocks import sections
from assistant.knowledge.chunks import split
from assistant.knowledge.documents import Chunk, Document, PageStart
from assistant.knowledge.embedder import SHIPPED

CountTokens = Callable[[Sequence[str]], Sequence[int]]
DOCUMENT = Document(uri="a.md", title="Leave", text="", content_hash="0" * 64, modified=date(2026, 1, 2))


@cache
def minilm() -> CountTokens:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(each.ids) for each in tokenizer.encode_batch(list(texts))]


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def greedy_pairs(texts: Sequence[str]) -> list[int]:
    """Counts that are above the sum of the parts' where parts meet, and two special tokens."""
    return [2 + len(text.split()) + len(re.findall(r"\S\s\S", text)) // 7 for text in texts]


def chunks_of(text: str, count: CountTokens = words, most: int = 60, least: int = 10, **fields: Any) -> list[Chunk]:
    return split(replace(DOCUMENT, text=text, **fields), "hr", count, most, least)


def paragraph(number: int, length: int) -> str:
    return " ".join(f"w{number}x{index}" for index in range(length - 1)) + " end."


def test_a_section_that_fits_is_one_chunk_and_its_heading_is_not_in_the_text() -> None:
    text = f"{paragraph(0, 20)}\n\n## Sick\n\n{paragraph(1, 30)}\n\n### At *work*\n\n{paragraph(2, 30)}"
    intro, sick, work = chunks_of(text)
    assert (intro.section, intro.text) == ((), paragraph(0, 20))
    assert (sick.section, sick.text) == (("Sick",), paragraph(1, 30))
    assert (work.section, work.text) == (("Sick", "At work"), paragraph(2, 30))
    assert [(chunk.position, chunk.of) for chunk in (intro, sick, work)] == [(0, 3), (1, 3), (2, 3)]
    assert {(c.collection, c.document, c.title, c.modified) for c in (intro, sick, work)} == {
        ("hr", "a.md", "Leave", date(2026, 1, 2))
    }


def test_chunks_of_a_long_section_are_of_about_one_size() -> None:
    text = "## Long\n\n" + "\n\n".join(paragraph(number, 10) for number in range(7))
    assert [len(chunk.text.split()) for chunk in chunks_of(text)] in ([30, 40], [40, 30])


def test_a_list_stays_with_the_line_that_introduces_it() -> None:
    text = f"{paragraph(0, 44)}\n\nYou can use:\n\n- annual leave\n- sick leave\n\n{paragraph(1, 20)}"
    assert chunks_of(text)[1].text.startswith("You can use:\n\n- annual leave\n- sick leave")


def test_a_long_paragraph_is_cut_at_sentence_ends() -> None:
    said = "says e.g. what Dr. Who of the U.S. did at 5 p.m. there."
    text = " ".join(f"Sentence {number} {said}" for number in range(12))
    made = chunks_of(text)
    assert len(made) > 1
    assert all(chunk.text.startswith("Sentence") and chunk.text.endswith("there.") for chunk in made)


def test_a_sentence_that_is_too_long_is_cut_between_words_and_a_word_that_is_too_long_within() -> None:
    made = chunks_of(" ".join(f"word{number}" for number in range(200)))
    assert all(re.fullmatch(r"word\d+(?: word\d+)*", chunk.text) for chunk in made)
    giant = "x" * 500
    made = chunks_of(f"a b {giant} c d", characters, 100)
    assert "".join(chunk.text for chunk in made).replace(" ", "") == f"ab{giant}cd"
    assert all(len(chunk.embedding_text()) <= 100 for chunk in made)


def test_chinese_is_cut_at_its_full_stops() -> None:
    made = chunks_of("员工每年有二十五天假期。" * 20, characters, 80)
    assert len(made) > 1
    assert all(chunk.text.endswith("。") for chunk in made)


def test_a_long_table_is_cut_between_rows_and_its_head_is_never_alone() -> None:
    rows = "\n".join(f"| name {number} | role {number} |" for number in range(30))
    made = chunks_of(f"## Team\n\n| Name | Role |\n| --- | --- |\n{rows}")
    assert len(made) > 1
    assert made[0].text.startswith("| Name | Role |\n| --- | --- |\n| name 0 |")
    lines = [line for chunk in made for line in chunk.text.split("\n")]
    assert all(line.startswith("|") and line.endswith("|") for line in lines)


def test_long_code_is_cut_before_top_level_blocks_and_hash_lines_in_it_are_no_headings() -> None:
    body = "(a, b):\n    x = a + b\n\n    return x + "
    functions = "\n\n\n".join(f"# comment {each}\ndef f{each}{body}{each}" for each in range(12))
    made = chunks_of(f"```python\n{functions}\n```")
    assert len(made) > 1
    assert all(chunk.section == () for chunk in made)
    assert all(chunk.text.startswith("# comment") for chunk in made[1:])
    assert made[0].text.startswith("```python\n# comment 0")
    assert made[-1].text.endswith("+ 11\n```")


def test_an_unclosed_fence_does_not_swallow_the_rest() -> None:
    text = f"```\n{paragraph(0, 20)}\n\n## Real\n\n{paragraph(1, 20)}"
    assert chunks_of(text)[-1].section == ("Real",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One\n===\n\ntext\n\nTwo\n---\n\ntext", [("One",), ("One", "Two")]),
        ("# One #\n\ntext\n\n## Two `x` [y](http://z)\n\ntext", [("One",), ("One", "Two x y")]),
        ("## A\ntext\n#### B\ntext\n### C\ntext\n# D\ntext", [("A",), ("A", "B"), ("A", "C"), ("D",)]),
        ("#hashtag is no heading\n\n- item\n---", [()]),
        ("# " + "long " * 50, [()]),
    ],
)
def test_headings(text: str, expected: list[tuple[str, ...]]) -> None:
    assert [section.path for section in sections(text) if section.blocks] == expected


def test_a_heading_without_a_body_can_be_found() -> None:
    parent = f"# Parent\n\n## Child\n\n{paragraph(1, 40)}\n\n## Last"
    made = chunks_of(f"# Contact\n\n# Other\n\n{paragraph(0, 40)}\n\n{parent}")
    assert [(chunk.section, chunk.text.split("\n")[0]) for chunk in made] == [
        (("Contact",), "# Contact"),
        (("Other",), paragraph(0, 40)),
        (("Parent", "Child"), paragraph(1, 40)),
        (("Parent", "Last"), "## Last"),
    ]


def test_small_neighbours_become_one_chunk_under_their_common_heading() -> None:
    small = "## B\n\nfour words of text\n\n## C\n\n## D\n\nfour words of text"
    made = chunks_of(f"# A\n\n{paragraph(9, 30)}\n\n{small}\n\n## E\n\n{paragraph(0, 30)}")
    assert [chunk.section for chunk in made] == [("A",), ("A",), ("A", "E")]
    assert made[1].text == small


def test_a_line_that_only_leads_to_the_next_section_goes_with_it() -> None:
    chat, mail = paragraph(0, 30), paragraph(1, 30)
    made = chunks_of(f"## Tools\n\nThese are ours:\n\n### Chat\n\n{chat}\n\n### Mail\n\n{mail}")
    assert [chunk.section for chunk in made] == [("Tools",), ("Tools", "Mail")]
    assert made[0].text.startswith("These are ours:\n\n### Chat\n\n")


def test_a_gap_holds_the_headings_between_whole() -> None:
    headings = "\n\n".join(f"{'#' * level} {'Long heading ' * 14}" for level in range(2, 7))
    made = chunks_of(f"{paragraph(0, 40)}\n\n{headings}\n\n{paragraph(1, 40)}", most=200)
    assert [chunk.gap for chunk in made] == ["", f"\n\n{headings}\n\n"] and len(made[1].gap) > 500


def test_a_chunk_is_on_the_page_where_it_starts() -> None:
    pages = [paragraph(number, 40) for number in range(3)]
    starts = (PageStart(0, "i"), PageStart(len(pages[0]) + 2, "ii"), PageStart(len(pages[0]) * 2 + 4, "1"))
    assert [chunk.page for chunk in chunks_of("\n\n".join(pages), pages=starts)] == ["i", "ii", "1"]
    assert chunks_of("no pages")[0].page is None


def test_headings_that_leave_no_room_are_left_out_outermost_first() -> None:
    names = [f"level {number} " + "word " * 20 for number in range(1, 5)]
    headings = "\n\n".join(f"{'#' * level} {name}" for level, name in enumerate(names, 1))
    made = chunks_of(f"{headings}\n\n{paragraph(0, 90)}")
    assert {chunk.section for chunk in made} == {(" ".join(names[3].split()),)}
    assert max(words([chunk.embedding_text() for chunk in made])) <= 60


def test_an_overlong_title_is_shortened() -> None:
    made = chunks_of(paragraph(0, 100), characters, 100, title="t" * 300)
    assert all(len(chunk.embedding_text()) <= 100 and chunk.title.endswith("…") for chunk in made)


def test_nothing_to_split_and_too_small_a_budget() -> None:
    assert chunks_of("") == chunks_of(" \n\n ") == []
    with pytest.raises(ValueError, match="at least 32"):
        chunks_of("text", most=31)


def test_the_tokenizer_is_called_a_few_times() -> None:
    calls: list[int] = []

    def counted(texts: Sequence[str]) -> list[int]:
        calls.append(len(texts))
        return words(texts)

    chunks_of("\n\n".join(f"## H{number}\n\n{paragraph(number, 90)}" for number in range(50)), counted)
    assert len(calls) <= 6


def test_the_same_document_gives_the_same_ids() -> None:
    text = "\n\n".join(paragraph(number, 40) for number in range(5))
    assert [chunk.id for chunk in chunks_of(text)] == [chunk.id for chunk in chunks_of(text)]
    assert len({chunk.id for chunk in chunks_of(text)}) == len(chunks_of(text))


LINES = st.sampled_from(
    [
        "", "", "# Head", "## Sub *one*", "###### deep", "Under", "=====", "-----", "- item", "  - nested",
        "1. first", "```", "```python", "~~~", "> quoted words", "| a | b |", "| --- | --- |", "| 1 | 2 |",
        "    indented code", "A sentence. Another one! A third? Yes.", "** bold **", "#", "|", ">", "\t",
        "Ünïcödé ж 漢字。", "https://example.org/" + "x" * 120, "word " * 70, "\x0b", "Intro:",
        "Some more words that fill a line of an ordinary paragraph.", "- an item of several words, then.",
    ]
)  # fmt: skip
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LONG = st.lists(st.one_of(LINES, LINES, LINES, ANY), min_size=20, max_size=90).map("\n".join)
TEXTS = st.one_of(st.text(max_size=200), LONG, LONG, LONG)


@settings(max_examples=300, deadline=None)
@given(
    text=TEXTS,
    count=st.sampled_from([words, characters, greedy_pairs]),
    most=st.integers(60, 300),
    least=st.integers(0, 80),
    title=st.text(max_size=60),
)
def test_every_text_is_covered_once_in_order_and_within_the_budget(
    text: str, count: CountTokens, most: int, least: int, title: str
) -> None:
    made = chunks_of(text, count, most, least, title=title)
    assert [chunk.position for chunk in made] == list(range(len(made)))
    assert all(chunk.of == len(made) for chunk in made)
    assert all(chunk.text == text[chunk.start : chunk.end] == chunk.text.strip() != "" for chunk in made)
    assert all(before.end <= after.start for before, after in pairwise(made))
    sizes = count([chunk.embedding_text() for chunk in made])
    assert all(size <= most for size in sizes)
    _assert_covered(text, made)
    assert_joined_by_gaps(text, made)


def assert_joined_by_gaps(text: str, made: Sequence[Chunk]) -> None:
    """Each chunk's gap is the document's own text between it and the one before."""
    assert all(
        before.text + after.gap + after.text == text[before.start : after.end] for before, after in pairwise(made)
    )
    assert "".join(chunk.gap + chunk.text for chunk in made) == text[: made[-1].end if made else 0]


def _assert_covered(text: str, made: Sequence[Chunk]) -> None:
    left = list(text)
    for chunk in made:
        left[chunk.start : chunk.end] = " " * (chunk.end - chunk.start)
    found = sections(text)
    for section in found:
        left[section.start : section.body] = " " * (section.body - section.start)
    assert "".join(left).strip() == ""


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, least=st.integers(0, 80))
def test_every_heading_can_be_found(text: str, least: int) -> None:
    made = chunks_of(text, words, 300, least)
    for section in sections(text):
        heading = text[section.start : section.body].strip()
        depth = len(section.path)
        assert any(section.path == c.section[:depth] or heading in c.text for c in made)


@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_the_budget_holds_for_the_real_tokenizer(text: str) -> None:
    made = chunks_of(text, minilm(), 64, 20)
    assert all(size <= 64 for size in minilm()([chunk.embedding_text() for chunk in made]))
    _assert_covered(text, made)


def test_what_surely_fits_is_counted_in_its_parts_alone() -> None:
    counted: list[str] = []

    def count(texts: Sequence[str]) -> list[int]:
        counted.extend(texts)
        return words(texts)

    text = "\n\n".join(f"Paragraph {number} says a little about the moths at dusk." for number in range(4))
    (chunk,) = chunks_of(text, count, most=120)
    assert sum(map(len, counted)) < 1.2 * len(text) and chunk.embedding_text() not in counted
    counted.clear()
    (chunk,) = chunks_of(text, count, most=42)
    assert chunk.embedding_text() in counted, "near the bound it is"
