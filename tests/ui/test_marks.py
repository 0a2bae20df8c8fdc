"""Marks against claims: just the claim is underlined, whatever Markdown it stands in, and nothing else moves."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ui.encode import Shown
from ui.marks import END, START, planted
from ui.rendering import answer

WHY = 'nothing like "it" in <the> sources'


def mark(text: str, claim: str, state: str = "unsupported", why: str = WHY) -> dict[str, object]:
    start = text.index(claim)
    return {"start": start, "end": start + len(claim), "state": state, "why": why, "passages": [1]}


def without_reasons(html: str) -> str:
    return re.sub(r'<span class="why">.*?</span>', "", html)


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def underlined(html: str) -> str:
    return "".join(unescape(piece) for piece in re.findall(r'<span class="mark [^>]*>(.*?)</span>', html))


@pytest.mark.parametrize(
    ("text", "claim", "shown"),
    [
        ("One is true. Two is false. Three.", "Two is false.", "Two is false."),
        ("It is **bold and false.** Next.", "It is **bold and false.**", "It isbold and false."),
        ("**All bold is false.** Next.", "**All bold is false.**", "All bold is false."),
        ("**Bold begins. And ends** after. Next.", "And ends** after.", "And endsafter."),
        ("See [1] for _this_ here [1]. Next.", "See [1] for _this_ here [1].", "Seeforthishere"),
        ("- first item\n- second item\n", "second item", "second item"),
        ("| a | b |\n|---|---|\n| one | two |\n", "one | two", "onetwo"),
        ("> quoted claim\n\nrest", "quoted claim", "quoted claim"),
        ("Use `x = 1` always. Fine.", "Use `x = 1` always.", "Usealways."),
        ("  leading space. False.", "False.", "False."),
        ("Grüße 👋 aus Köln. Falsch!", "Falsch!", "Falsch!"),
    ],
)
def test_the_claim_is_underlined_and_reads_as_before(text: str, claim: str, shown: str) -> None:
    plain = answer(text, "t", {1})
    marked = answer(text, "t", {1}, marks=[mark(text, claim)])
    html = without_reasons(marked)
    assert underlined(html) == shown and words(html) == words(plain)
    without = re.sub(r'<span class="mark [^>]*>(.*?)</span>', r"\1", html)
    assert without == plain, "nothing but the underlining differs"
    assert marked.count("tabindex") == 1 + plain.count("tabindex")
    assert '<span class="why">nothing like &quot;it&quot; in &lt;the&gt; sources</span></span>' in marked


def test_what_is_supported_is_not_underlined() -> None:
    text = "One. Two."
    assert answer(text, "t", set(), marks=[mark(text, "Two.", "supported", "")]) == answer(text, "t", set())


def test_code_and_reasons_cannot_break_out() -> None:
    text = "Bad. ```\ncode\n``` \n\n    indented\n"
    html = answer(text, "t", set(), marks=[mark(text, "Bad.", why='"><script>alert(1)</script>')])
    assert "<script" not in html and START not in html and END not in html


@given(some.text(alphabet="ab *_`[]()|#>-\n.!1" + START, max_size=60), some.data())
def test_any_marks_leave_the_words_alone(text: str, data: some.DataObject) -> None:
    marks = []
    for _ in range(data.draw(some.integers(0, 3))):
        ends = sorted(data.draw(some.lists(some.integers(-2, len(text) + 2), min_size=2, max_size=2)))
        marks.append({"start": ends[0], "end": ends[1], "state": "partly", "why": "x", "passages": []})
    html = answer(text, "t", {1}, marks=marks)
    assert START not in html and END not in html
    assert html.count("<span") == html.count("</span>")
    assert len(planted(text, marks)[1]) <= len(marks)


def test_the_page_says_what_the_check_found() -> None:
    text = "Six days [1]."
    shown = Shown(
        text=text,
        routed=None,
        checked={
            "cited": [1],
            "invented": [],
            "marks": [mark(text, "Six days [1].")],
            "lost": ["5 days"],
            "added": ["six days"],
        },
    )
    html = shown.markdown()
    assert "Underlined: not, or only partly, in the sources." in html
    assert "Not in the sources: six days." in html and "Left out of what the sources say: 5 days." in html
    german = Shown(text=text, checked=shown.checked, language="de").markdown()
    assert "Unterstrichen" in german and "Steht nicht in den Quellen: six days." in german


def test_what_can_be_done_where_the_documents_do_not_answer() -> None:
    found = {"evidence": "not_in_documents", "why": [], "passages": [], "searched": ["house"]}
    html = Shown(retrieved=found, contact="Ada <a@b.c>", collections={"house": "House", "shop": "Shop"}).markdown()
    assert "Try it in other words, or in another collection, or ask Ada &lt;a@b.c&gt;." in html
    alone = Shown(retrieved=found, collections={"house": "House"}, language="de").markdown()
    assert "Versuchen Sie es mit anderen Worten." in alone and "Sammlung" not in alone


@pytest.mark.parametrize(
    "text",
    ["    pip install foo. Bar baz.\n\nThe fee is 5 euros.", "Use `a. B c` here. The fee is 5 euros."],
    ids=["indented code", "code within a line"],
)
def test_a_mark_that_code_swallows_does_not_give_its_reason_to_the_next(text: str) -> None:
    first = {
        "start": text.index("B"),
        "end": text.index("B") + 3,
        "state": "partly",
        "why": "of the code",
        "passages": [],
    }
    html = answer(text, "t", set(), marks=[first, mark(text, "The fee is 5 euros.", why="of the fee")])
    assert '<span class="why">of the fee</span>' in html and "The fee is 5 euros." in underlined(without_reasons(html))
