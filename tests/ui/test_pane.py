"""What stands in the sources pane: the exact passage with its support marked, the document around it, and no more than
words, whatever they say."""

from __future__ import annotations

import re
from datetime import date
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from assistant.conversation.wire import passage as wire
from assistant.knowledge.documents import Chunk, PageStart, Passage
from assistant.knowledge.reading_room import Around, Heading, OpenDocument
from assistant.knowledge.supporting import Highlight
from ui.documents import document_view, link_of
from ui.highlighting import Span, code_html, highlighted_html, markdown_html
from ui.pane import passage_view
from ui.words import LANGUAGES, Words, words

EN = words("en")
TEXT = "The cap is **£165** a night. Ask Ingrid.\n\n| Where | Cap |\n|---|---|\n| London | £165 |"
HOSTILE = (
    "<script>alert(1)</script>",
    "</mark></div></section><img src=x onerror=alert(1)>",
    "[a](javascript:alert(1)) ![b](http://evil.example/b.png)",
    "<a href='http://evil.example'>a</a> http://evil.example <http://evil.example>",
    "\"><svg onload=alert(1)> ' onmouseover='alert(1)",
    '```html"><script>\n</code></pre><script>alert(1)</script>\n```',
    "    </code></pre><iframe src=//evil.example>",
    "<!-- --> <style>*{display:none}</style> &lt;b&gt; &#60;script&#62;",
    "| <b>a</b> | `</td><script>` |\n|---|---|\n| **</mark> | ** |",
    "[1]: javascript:alert(1) 'x'\n\n[1]",
    "\u202e right to left \ud800 half\0nul",
)


class Elements(HTMLParser):
    """Reads a page strictly: which elements there are, that they are closed in order, and what is visible."""

    VOID = frozenset(("br", "hr"))

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.marked: dict[str, list[str]] = {}
        self.ids: list[str] = []
        self._kind = ""
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "mark":
            self._kind = dict(attrs).get("class") or ""
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if "mark" in self.open:
            self.marked.setdefault(self._kind, []).append(data)

    @property
    def said(self) -> str:
        return " ".join("".join(self.text).split())


SAFE = frozenset(
    "section div p h1 h2 h3 h4 h5 h6 button span b em strong small ul ol li table thead tbody tr th td pre code mark "
    "blockquote details summary a hr br".split()
)
ATTRIBUTES = frozenset(
    "class id dir title type tabindex role aria-label aria-labelledby href target rel style start "
    "data-do data-turn data-number data-nth data-before data-after data-at data-line".split()
)


def harmless(html: str) -> Elements:
    """The page, after nothing in it was found that does anything by itself."""
    found = Elements(html)
    assert set(found.tags) <= SAFE
    for _, name, value in found.attributes:
        assert name in ATTRIBUTES, name
        if name == "href":
            assert value.startswith(("#pane-h-", "https://example.org/"))
        if name == "style":
            assert re.fullmatch(r"width:\d+%|text-align:(?:left|right|center)", value)
    assert len(found.ids) == len(set(found.ids))
    assert "\n" not in html
    html.encode()
    return found


def chunk(text: str = TEXT, **known: Any) -> Chunk:
    base: dict[str, Any] = {
        "collection": "docs",
        "document": "hotels.md",
        "title": "Hotels",
        "section": ("Hotels", "Caps"),
    }
    place = {"text": text, "start": 0, "end": len(text), "position": 0, "of": 1, "content_hash": "x"}
    return Chunk(**(base | place | {"modified": date(2026, 3, 2)} | known))


def turn(
    *chunks: Chunk, answer: str = "In London the cap is £165 [1]. Nobody checks it [1].", **more: Any
) -> dict[str, Any]:
    found = [wire(Passage(n, each, 1.0, 0.72)) | more for n, each in enumerate(chunks or (chunk(),), 1)]
    claim = "Nobody checks it [1]."
    start = answer.find(claim)
    mark = {"start": start, "end": start + len(claim), "state": "unsupported", "why": "", "passages": [1]}
    return {
        "id": "turn-1",
        "answer": answer,
        "retrieved": {"query": "the cap", "passages": found},
        "checked": {"marks": [mark] if start >= 0 else []},
    }


def opened(text: str = f"# Hotels\n\n{TEXT}\n\nMore.", **known: Any) -> OpenDocument:
    at = text.find(TEXT)
    known = {"text": text, "passage": (at, at + len(TEXT)) if at >= 0 else None} | known
    return OpenDocument(known.pop("state", "same"), "Hotels", known.pop("uri", "a/hotels.md"), **known)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_passage_says_what_it_is_and_what_rests_on_it(language: Any) -> None:
    said: Words = words(language)
    found = harmless(passage_view(turn(), 1, said))
    for text in ("Hotels", "Caps", said.date("2026-03-02"), said("pane.relevance", number=72), said["pane.open"]):
        assert text in found.said
    assert {"London", "cap", "£165"} <= {
        each.strip() for piece in found.marked["strong"] for each in (piece, piece.lower())
    }
    assert "In London the cap is £165." in found.said and said["pane.not_stated"] in found.said


def buttons(html: str) -> list[dict[str, str]]:
    return [dict(re.findall(r'data-(\w+)="([^"]*)"', each)) for each in re.findall(r"<button [^>]*>", html)]


def test_every_button_says_what_it_does_to_which_passage() -> None:
    html = passage_view(turn(chunk(), chunk("Another says £180 in London.")), 1, EN)
    found = buttons(html)
    assert {each["do"] for each in found} == {"close", "neighbours", "document", "back"}
    assert all(each.get("turn") == "turn-1" and each.get("number") == "1" for each in found if each["do"] != "close")
    assert [each.get("nth") for each in found if each["do"] == "back"] == ["0", "1", "0"]
    assert [(each["before"], each["after"]) for each in found if each["do"] == "neighbours"] == [("1", "0"), ("0", "1")]


def test_a_newer_passage_that_differs_is_one_click_away() -> None:
    html = passage_view(turn(chunk(), chunk(), newer=2, duplicates=["b.md", "<b>c</b>.md"]), 1, EN)
    assert {"do": "passage", "turn": "turn-1", "number": "2"} in buttons(html)
    assert "older than [2]" in harmless(html).said and "<b>c</b>.md" in harmless(html).said


def test_neighbours_stand_around_the_passage_and_more_can_be_asked_for() -> None:
    around = Around("same", "## Before\n\nFirst.", "Last.", 2, 1, more_before=False, more_after=True)
    html = passage_view(turn(), 1, EN, around)
    said = harmless(html).said
    assert said.index("First.") < said.index("Ask Ingrid.") < said.index("Last.")
    assert EN["pane.starts"] in said
    (asked,) = [each for each in buttons(html) if each["do"] == "neighbours"]
    assert (asked["before"], asked["after"]) == ("2", "2")


@pytest.mark.parametrize("state", ["gone", "changed"])
def test_what_is_gone_or_changed_is_said_and_the_passage_still_shown(state: Any) -> None:
    for html in (
        passage_view(turn(), 1, EN, Around(state)),
        document_view(
            OpenDocument(state, "Hotels", "hotels.md", text="Now." if state == "changed" else ""), turn(), 1, EN
        ),
    ):
        found = harmless(html)
        assert EN["pane." + state] in found.said and "Ask Ingrid." in found.said
        assert "£165" in found.marked["strong"]
        assert not [each for each in buttons(html) if each["do"] == "neighbours"]


def test_a_passage_that_nothing_rests_on_says_so() -> None:
    found = harmless(passage_view(turn(answer="Hello."), 1, EN))
    assert EN["pane.no_sentence"] in found.said and "cap" in found.marked["strong"]


def test_an_unknown_passage_is_refused() -> None:
    with pytest.raises(KeyError, match="no passage 7"):
        passage_view(turn(), 7, EN)


def test_a_document_is_whole_with_the_passage_and_its_support_marked() -> None:
    found = harmless(document_view(opened(modified=date(2026, 3, 2)), turn(), 1, EN))
    assert found.ids.count("the-passage") == 1 and "More." in found.said and "2 March 2026" in found.said
    everything = "".join(piece for pieces in found.marked.values() for piece in pieces)
    assert "Ask Ingrid." in everything and "London" in everything and "More." not in everything
    assert "£165" in found.marked["strong"] and "Ask Ingrid." in "".join(found.marked["here"])


def test_a_window_has_ways_up_and_down_and_to_headings() -> None:
    text = f"## Caps\n\n{TEXT}\n\n## Meals\n\nMeals are paid."
    headings = (
        Heading(1, "Start", 0),
        Heading(2, "Caps", 5000),
        Heading(2, "Meals", 5000 + text.index("## Meals")),
        Heading(2, "<i>End</i>", 90_000),
    )
    html = document_view(opened(text, start=5000, above=1000, below=7000, headings=headings), turn(), 1, EN)
    found = harmless(html)
    assert [each["at"] for each in buttons(html) if "at" in each] == ["0", "90000", "1000", "7000"]
    linked = {value[1:] for _, name, value in found.attributes if name == "href"}
    assert len(linked) == 2 and linked <= set(found.ids)


def test_a_passage_outside_of_the_window_is_said_to_be_elsewhere() -> None:
    found = harmless(document_view(opened("Another part.", passage=None, above=0, state="moved"), turn(), 1, EN))
    assert EN["pane.elsewhere"] in found.said and EN["pane.moved"] in found.said and "the-passage" not in found.ids


def test_pages_are_told_where_they_begin() -> None:
    text = f"One.\n\n{TEXT}\n\nThree."
    pages = (PageStart(0, "i"), PageStart(6, "ii"), PageStart(text.index("Three"), "<iii>"))
    said = harmless(document_view(opened(text, pages=pages), turn(chunk(page="ii")), 1, EN)).said
    places = [said.index(each) for each in ("Page i", "One.", "Page ii", "Ask Ingrid", "Page <iii>", "Three.")]
    assert places == sorted(places)


def test_code_is_shown_as_code_with_its_lines() -> None:
    code = 'def cap(city):\n\treturn 165  # "London" <b>'
    made = turn(chunk(code, line=40), answer="`cap` returns 165 for London [1].")
    html = passage_view(made, 1, EN)
    found = harmless(html)
    assert [value for _, name, value in found.attributes if name == "data-line"] == ["40", "41"]
    assert "165" in "".join(found.marked["strong"]) and "strong" not in found.tags
    document = opened(f"import os\n\n{code}\n", line=38, passage=(11, 11 + len(code)))
    whole = harmless(document_view(document, made, 1, EN))
    assert [value for _, name, value in whole.attributes if name == "data-line"] == ["38", "39", "40", "41", "42"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_that_a_document_says_does_anything(hostile: str) -> None:
    text = f"{hostile}\n\nThe cap is £165 in London {hostile}"
    hit = chunk(text, title=hostile, section=("Hotels", hostile), document=hostile, page=hostile)
    made = turn(hit, answer=f"The cap is £165 in London [1]. {hostile} cap [1].", duplicates=[hostile])
    around = Around("same", hostile, hostile, 1, 1, more_before=True, more_after=True)
    found = harmless(passage_view(made, 1, EN, around))
    assert "£165" in "".join(found.marked["strong"])
    heads = tuple(Heading(1, hostile, n) for n in range(3))
    document = opened(text, uri=hostile, headings=heads, pages=(PageStart(0, hostile),), passage=(0, len(text)))
    assert "£165" in harmless(document_view(document, made, 1, EN)).said
    harmless(passage_view(turn(chunk(text, line=3)), 1, EN))


@pytest.mark.parametrize(
    ("uri", "linked"),
    [
        ("https://example.org/a?b=c#d", True),
        ("http://example.org", True),
        ("hr/leave.md", False),
        ("javascript:alert(1)//https://example.org", False),
        ("https://user:pass@example.org/", False),
        ("https://example.org/a b", False),
        ("https:///path", False),
        ("https://[broken/", False),
        ("//example.org/x", False),
    ],
)
def test_only_a_page_of_the_web_is_linked(uri: str, linked: bool) -> None:
    assert (link_of(uri) == uri) is linked
    hrefs = re.findall(r'href="(http[^"]*)"', document_view(opened(uri=uri), turn(), 1, EN))
    assert hrefs == ([uri] if linked else [])


def spans(text: str, *said: str) -> list[Span]:
    return sorted(Span(text.index(each), text.index(each) + len(each), "strong") for each in said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is **bold 25** days.", "bold 25"),
        ("It is **bold** and _more_ days.", "bold** and _more"),
        ("1. 1 apple\n2. 2 pears", "1 apple"),
        ("- - 3 nested", "3 nested"),
        ("| a | b |\n|---|---|\n| x \\| y | 25 |", "25"),
        ("> # head\n> quoted words\n> go on", "words"),
        ("Use `x = 25` here.", "25"),
        ("```py\nx = 25\n```", "x = 25"),
        ("a\\*b **25**", "25"),
        ("snake_case_name and 25", "case_name"),
        ("</mark> 25 <mark>", "25 <mark"),
        ("Grüße 👋 aus Köln", "aus Köln"),
        ("يحق لكل موظف 25 يوما", "25 يوما"),
        ("a\r\nb 25\r\n\r\nc", "25"),
        ("Title 25\n======\n\nText", "Title 25"),
        ("* * *\n\n***25***", "25"),
    ],
)
def test_just_what_was_meant_is_marked_and_the_markdown_stays(text: str, said: str) -> None:
    plain, marked = Elements(markdown_html(text)), Elements(markdown_html(text, spans(text, said)))
    assert [tag for tag in marked.tags if tag != "mark"] == plain.tags
    assert "".join(marked.text) == "".join(plain.text)
    shown = "".join(marked.marked["strong"])
    assert re.sub(r"[*_]+", "", shown) == re.sub(r"[*_]+(?!name)", "", said).replace("_", "")


MARKDOWN = some.lists(
    some.sampled_from(
        [
            "word ",
            "25 ",
            "**",
            "_",
            "`",
            "\n",
            "\n\n",
            "- ",
            "1. ",
            "| ",
            "|---|",
            "> ",
            "# ",
            "```",
            "\\*",
            "<b>",
            "&amp;",
            "    ",
            "\t",
            "é",
            "א",
        ]
    ),
    max_size=60,
).map("".join)


@given(text=MARKDOWN, cuts=some.lists(some.integers(0, 200), max_size=8))
def test_marks_never_change_what_is_said(text: str, cuts: list[int]) -> None:
    places = sorted({min(cut, len(text)) for cut in cuts})
    found = [Span(start, end, "soft") for start, end in zip(places[::2], places[1::2], strict=False) if start < end]
    plain, marked = Elements(markdown_html(text)), Elements(markdown_html(text, found))
    assert "".join(plain.text) == "".join(marked.text)
    assert [tag for tag in marked.tags if tag != "mark"] == plain.tags
    wanted = re.sub(r"\W", "", "".join(text[each.start : each.end] for each in found))
    shown = re.sub(r"\W", "", "".join(marked.marked.get("soft", [])))
    assert set(shown) <= set(wanted) or len(shown) <= len(wanted) + 4
    assert unescape(re.sub(r"<[^>]+>", "", code_html(text, found))).replace("\n", "") == text.replace("\n", "")


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("| a | b |\n|---|---|\n| c | d |", False),
        ("| a | b | c | d |\n|---|---|---|---|\n| c | d | e | f |", True),
        (f"| a | b |\n|---|---|\n| {'x' * 30} | d |", True),
        ("```\ncode\n```", True),
        ("    code", True),
    ],
)
def test_what_scrolls_sideways_can_be_reached_with_the_keyboard(text: str, reached: bool) -> None:
    assert ('tabindex="0"' in markdown_html(text)) is reached


def test_headings_stand_below_those_of_the_page_and_none_is_empty() -> None:
    found = Elements(markdown_html("### One\n\n#\n\n##### Two\n\n### **Three**", deeper=2))
    assert [tag for tag in found.tags if tag.startswith("h")] == ["h3", "h5", "h3"]


def test_what_is_nested_too_deep_is_shown_as_it_stands() -> None:
    text = "> " * 40 + "the cap is 25"
    found = Elements(highlighted_html(text, [Highlight(len(text) - 2, len(text), True)]))
    assert found.tags == ["pre", "mark"] and found.marked["strong"] == ["25"]
