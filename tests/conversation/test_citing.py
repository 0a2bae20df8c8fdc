"""Markers become ``[n]`` or go, however the stream cuts them; everything else passes as it came."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.conversation import citations
from assistant.conversation.citations import cited, split_code, without_citations
from assistant.conversation.citing import Citations
from assistant.conversation.markers import LONGEST

PASSAGES = {1, 2, 3, 12}
PIECES = [
    piece.replace("§", " ")
    for piece in r"""[ ] ( ) [1] [2] [7] [9] [12] ` `` ``` ~~~ \ [1,7] [7,1] (Source§2) (source§7) 【1】 【7†s】
    【4:0†s】 [^7] [^1] [[7]] [[1]] a a[ cap 165 . , ; ! [1-3] [1– doc§ [doc§2] so é ](http://x.y) [7](x http://x?q=
    [2024] [price] [x] [٣] [٩] [99999999999999999999999] [0]""".split()
] + ["[1\u200b]", "[\u20607]"]
SPACES = [" ", "  ", "\n", "\n\n", "    ", "\t", "> ", "- ", "1. ", "\u200b", "\u202e"]
MARKUP = st.lists(st.sampled_from(PIECES + SPACES), max_size=30).map("".join)


def resolved(*pieces: str) -> tuple[str, tuple[int, ...], tuple[int | str, ...]]:
    """What the reader gets of these pieces, what they cite, and what they invent."""
    citations = Citations(PASSAGES)
    said = "".join([*(citations.feed(piece) for piece in pieces), citations.end()])
    return said, citations.cited, citations.invented


@settings(max_examples=400)
@given(MARKUP, st.data())
def test_every_way_of_cutting_gives_the_same(text: str, data: st.DataObject) -> None:
    whole = resolved(text)
    assert resolved(*text) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    assert resolved(*(text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True))) == whole


@given(st.lists(st.text(st.characters(exclude_characters="[【［(`~\\"), max_size=20)))
def test_text_without_brackets_passes_at_once_but_for_a_space_at_the_end(pieces: list[str]) -> None:
    citations, came, said = Citations(PASSAGES), "", ""
    for piece in pieces:
        came += piece
        said += citations.feed(piece)
        assert said == came.removesuffix(" ")
    assert said + citations.end() == came and citations.invented == ()


@given(MARKUP)
def test_what_is_held_back_is_short_and_what_was_said_stays(text: str) -> None:
    whole = resolved(text)[0]
    citations, said = Citations(PASSAGES), ""
    for letter in text:
        said += citations.feed(letter)
        assert whole.startswith(said)
    assert said + citations.end() == whole


@given(
    st.lists(st.sampled_from(["The cap", " is £165", " [1]", "[2]", ".", " See", " [x]", " (so)", "\n"]), max_size=20)
)
def test_plain_citations_are_held_back_for_less_than_a_marker(pieces: list[str]) -> None:
    citations, came, said = Citations(PASSAGES), "", ""
    for letter in "".join(pieces):
        came += letter
        said += citations.feed(letter)
        assert came.startswith(said) and len(came) - len(said) <= 4
    assert said + citations.end() == came


@given(MARKUP)
def test_nothing_but_markers_is_touched(text: str) -> None:
    """Without its digits and brackets, and what may stand in them, a text comes out as it came."""
    marks = re.compile(r"(?i)[\s\d\[\]【】［］()†^:,;–…\-\u200b\u2060\xa0]|doc|source|(?<=†)s|s(?=】)")
    assert marks.sub("", resolved(text)[0]).replace("s", "") == marks.sub("", text).replace("s", "")


@given(MARKUP.filter(lambda text: not set("`~\\") & set(text) and "](" not in text and "?" not in text))
def test_no_invented_number_reaches_the_reader(text: str) -> None:
    said, _, invented = resolved(text)
    left = {int(number) for number in re.findall(r"(?<![\w\]])(?<!\w\[)\[(\d+)\]", said)} - {2024}
    assert left <= PASSAGES
    assert all(number not in PASSAGES for number in invented)


@pytest.mark.parametrize(
    ("text", "shown", "invented"),
    [
        ("The cap is £165 [1].", "The cap is £165 [1].", ()),
        ("The cap is £165 [7].", "The cap is £165.", (7,)),
        ("The cap is £165[7]. Next", "The cap is £165. Next", (7,)),
        ("a [7] b", "a b", (7,)),
        ("a ([7]) b", "a b", (7,)),
        ("([1][7]) b", "([1]) b", (7,)),
        ("[7] The cap", "The cap", (7,)),
        ("- [7] The cap\n- [1] Two", "- The cap\n- [1] Two", (7,)),
        ("[1, 2]", "[1][2]", ()),
        ("[1,7; 2]", "[1][2]", (7,)),
        ("[1-3]", "[1][2][3]", ()),
        ("[2–5]", "[2][3]", (4, 5)),
        ("[1 and 2]", "[1][2]", ()),
        ("[1 2]", "[1][2]", ()),
        ("[1], [7], [2]", "[1], [2]", (7,)),
        ("[7], [1] so", "[1] so", (7,)),
        ("[1][1][1]", "[1][1][1]", ()),
        ("[[1]] and [[7]].", "[1] and.", (7,)),
        ("[^1] [^7]", "[1]", (7,)),
        ("【1】【2†source】【7】【4:0†source】", "[1][2]", (7, "4:0")),
        ("［1］", "[1]", ()),
        ("[doc 1] [Document: 2] [Quelle 3] [source 7]", "[1] [2] [3]", (7,)),
        ("as it says (Source 2) and (Source 7).", "as it says [2] and.", (7,)),
        ("(sources 1, 2)", "[1][2]", ()),
        ("نعم [١] [٩]", "نعم [1]", (9,)),
        ("\u202bנכון [1\u200f] [\u20667\u2069].", "\u202bנכון [1].", (7,)),
        ("[1\u200b2] [\U000e00317]", "[12]", (7,)),
        ("[99999999999999999999]", "", (99999999999999999999,)),
        ("x [0] y", "x y", (0,)),
        ("[9[7]]", "[9…]", (7,)),
        ("a [1", "a [1", ()),
        ("a [", "a [", ()),
        ("a [7 b", "a [7 b", ()),
        ("[7\n]", "[7\n]", ()),
        ("[see [1] here](https://x.test)", "[see [1] here](https://x.test)", ()),
    ],
)
def test_what_becomes_of_a_marker(text: str, shown: str, invented: tuple[int | str, ...]) -> None:
    said, _, found = resolved(text)
    assert (said, found) == (shown, invented)


@pytest.mark.parametrize(
    "text",
    [
        "`x[7]` and `[7]`",
        "``a ` [7]`` b",
        "```python\nx = [7]\n\ny = a[9]\n```\n",
        "~~~\n[7]\n~~~\n",
        "```\n[7] never closed",
        "> ```\n> [7]\n> ```\n",
        "1. so:\n\n   ```js\n   [7]\n   ```\n",
        "[7](https://x.test/a)",
        '[7](https://x.test/a "title")',
        "![7](https://x.test/a)",
        "[text](/a[7]b)",
        "https://x.test/?a[7]=1",
        "a[7] and m[7][9] and row_2[8] and list[9]",
        r"\[7\] and \[7]",
        "[2024] and [1999-01]",
        "[price] [x] [ ] [3 nights] [1.5] [1/2] [a1] (7) (see 7) [0, 9] []",
        "[" + "7" * LONGEST + "]",
    ],
)
def test_what_only_looks_like_a_marker_stays(text: str) -> None:
    assert resolved(text) == (text, (), ())
    assert resolved(*text) == (text, (), ())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a stray ` here [7]\nand ` there [7].", "a stray ` here\nand ` there."),
        ("> ```\n> code\n\nafter [7].", "> ```\n> code\n\nafter."),
        ("- ```\n  code\nafter [7].", "- ```\n  code\nafter."),
        ("``` on one line ``` [7].", "``` on one line ```."),
        ("` " + "long " * 100 + "[7] `", "` " + "long " * 100 + "`"),
        ("[7](see below) so", "(see below) so"),
        ("[[7]](https://x.test) so", "(https://x.test) so"),
        ("\\\\[7] so", "\\\\ so"),
    ],
)
def test_what_only_looks_like_code_or_a_link_hides_no_marker(text: str, shown: str) -> None:
    assert resolved(text)[0] == shown == resolved(*text)[0]


def test_a_known_marker_is_said_with_its_last_character() -> None:
    citations = Citations(PASSAGES)
    assert [citations.feed(letter) for letter in "5 [1][2]."] == ["5", "", "", "", " [1]", "", "", "[2]", "."]


def test_citing_the_whole_text_agrees() -> None:
    text = "One [1, 2]. Two (Source 3). `[9]` a[8] [2024] [7](https://x.test)"
    assert cited(text) == [1, 2, 3]
    assert without_citations(text) == "One. Two. `[9]` a[8] [2024] [7](https://x.test)"
    assert split_code(text)[1::2] == ["`[9]`"]


def test_long_answers_are_not_kept_in_memory() -> None:
    bare = "So it is. " * 1_000
    before = citations._remembered.cache_info().currsize
    assert without_citations(bare + "[1]") == bare.rstrip() and without_citations(bare) == bare
    assert citations._remembered.cache_info().currsize == before


HARD = {
    "open brackets": "[", "open parentheses": "([", "backticks": "`", "spans": "` ", "markers": "[1]", "unknown": "[7]",
    "links": "[7](x ", "words": "[doc ", "lists": "[1, ", "spaces": " ", "nested": "[[1", "hidden": "[\u200b",
    "lines": "\n", "escapes": "\\",
}  # fmt: skip


@pytest.mark.parametrize("kind", HARD)
def test_twice_the_text_takes_about_twice_the_time(kind: str) -> None:
    def seconds(size: int) -> float:
        text = (HARD[kind] * size)[:size]
        began = time.process_time()
        resolved(*(text[at : at + 5] for at in range(0, size, 5)))
        return time.process_time() - began

    seconds(500)
    assert any(seconds(8_000) < 3.5 * seconds(4_000) + 0.02 for _ in range(4))
