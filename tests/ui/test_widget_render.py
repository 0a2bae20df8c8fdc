"""Turns as HTML for the widget: made here, made safe twice, and sent in steps that cost what the text is long."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assistant.knowledge.supporting import Highlight
from tests.security.hostile import CORPUS, Hostile
from tests.ui.test_encode import FINISHED, ROUTED, passage
from ui.answer_blocks import GrowingBlocks, Reading, answer_blocks
from ui.encode import REFUSALS
from ui.highlighting import highlighted_html
from ui.look import Look
from ui.rendering import RENDERED, answer, said
from ui.ways import Said
from ui.widget_html import CLASSES, TAGS, json_in_html, safe
from ui.widget_render import PACE, STEP, Renderer

HOW = Reading("abcdef12", frozenset({1, 2}), lambda url: url.startswith("https://example.org/"))
VOID = {"br", "hr"}
MAY = {"class", "dir", "tabindex", "href", "rel", "target", "start", "data-line"}
PIECES = [
    "Words", " ", "\n", "\n\n", "- item", "1. item", "    code", "```\n", "> quoted", "# Head", "a | b\n---|---\n",
    "c | d", "---", "===", "**bold**", "[1]", "[2](x)", "`code`", "<b>", "\t", "\r\n", "\r", "* * *", "~~~", "[1]: x",
    "\\", "  - nested", "| x |", "&amp;", "[ ] task", "\u2028", "2)", "+", "    ", "[1] ",
]  # fmt: skip
WRITTEN = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=24).map("".join)
LOOK = Look("T", "", "", None, (), {}, hosts=("example.org",))


class Outline(HTMLParser):
    """The elements, how many stand at the top, and whether there is text between them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.top = 0
        self.between = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.top += not self.open
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open:
            self.between += data


def outline(html: str) -> Outline:
    found = Outline()
    found.feed(html)
    found.close()
    assert found.open == []
    return found


def grown(text: str, cuts: list[int], how: Reading = HOW) -> tuple[GrowingBlocks, str]:
    """A text that came in pieces, and what a page then shows that followed every step."""
    growing, shown = GrowingBlocks(how), ""
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        growing.add(text[start:end])
        shown = followed(shown, growing.step())
    return growing, shown


def followed(shown: str, step: tuple[int, str] | None) -> str:
    """As the page does it: the first elements stay."""
    if step is None:
        return shown
    keep, html = step
    return "".join(elements(shown)[:keep]) + html


def elements(html: str) -> list[str]:
    """The elements at the top."""
    found, depth, start = [], 0, 0
    for tag in re.finditer(r"<(/?)(\w+)[^>]*>", html):
        depth += 0 if tag[2] in VOID else -1 if tag[1] else 1
        if not depth:
            found.append(html[start : tag.end()])
            start = tag.end()
    return found


@settings(deadline=None)
@given(text=WRITTEN, data=st.data())
def test_what_came_in_pieces_is_what_is_made_at_once(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    growing, shown = grown(text, cuts)
    blocks = answer_blocks(text, HOW)
    assert followed(shown, growing.last(blocks)) == "".join(blocks)
    assert shown == "".join(blocks) or "\r" in text or text != text.rstrip() or text != text.lstrip()


@settings(deadline=None)
@given(WRITTEN)
def test_every_block_is_one_element_with_nothing_between(text: str) -> None:
    for each in answer_blocks(text, HOW):
        found = outline(each)
        assert (found.top, found.between) == (1, "")


@settings(deadline=None)
@given(WRITTEN)
@example("Words\n\n\u2028")
def test_block_by_block_an_answer_says_what_it_says_as_a_whole(text: str) -> None:
    whole = outline(safe(answer(text, HOW.turn, set(HOW.numbers), HOW.allowed)))
    blocks = outline("".join(answer_blocks(text, HOW)))
    assert [tag for tag, _ in blocks.found] == [tag for tag, _ in whole.found[1:]]


def test_a_long_answer_ends_as_plain_text() -> None:
    text = "A paragraph of **words**.\n\n" * (RENDERED // 20)
    growing, shown = grown(text, list(range(0, len(text), 997)))
    blocks = answer_blocks(text, HOW)
    assert blocks[-1].startswith('<pre class="plain">') and blocks[-2].startswith("<p>")
    assert followed(shown, growing.last(blocks)) == "".join(blocks)
    line = "word " * RENDERED
    assert [each[:4] for each in answer_blocks(line, HOW)] == ["<p>w", "<pre"]
    assert grown(line, list(range(0, len(line), 5003)))[1].count("<pre") == 1


def test_all_steps_together_read_what_the_text_is_long() -> None:
    """Not the square of it: finished blocks are not read again."""
    read = []
    for count in (100, 400):
        growing, total = GrowingBlocks(HOW), 0
        for _ in range(count):
            for piece in ("A paragraph ", "that comes ", "in pieces.\n\n"):
                growing.add(piece)
                total += growing.size
                growing.step()
        read.append(total)
    assert read[1] < 5 * read[0]


def test_marks_stand_where_they_were_set() -> None:
    text = "\n\nFirst [1]. Second claim here.\n\n- an item that is wrong\n- another\n"
    start, item = text.index("Second"), text.index("an item")
    marks = [
        {"start": start, "end": start + 18, "state": "unsupported", "why": "not there", "passages": []},
        {"start": item, "end": item + 7, "state": "partly", "why": "half", "passages": []},
    ]
    html = "".join(answer_blocks(text, HOW, marks))
    assert '<span class="mark unsupported" tabindex="0">Second claim here.<span class="why">not there</span>' in html
    assert '<span class="mark partly" tabindex="0">an item<span class="why">half</span></span>' in html
    assert '<a class="cite" href="#cite-abcdef12-1">[1]</a>' in html


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda each: f"{each.number}-{each.kind}")
def test_nothing_hostile_gets_through(hostile: Hostile) -> None:
    everything = [
        *answer_blocks(hostile.text, HOW),
        safe(said(hostile.text)),
        safe(highlighted_html(hostile.text, [Highlight(0, 8, True)])),
        safe(highlighted_html(hostile.text, code=True, line=3)),
        safe(hostile.text),
    ]
    for html in everything:
        harmless(html)
    assert hostile.mark in "".join(everything)
    assert "</" not in json_in_html({"text": hostile.text}) and "<!--" not in json_in_html(hostile.text)


def harmless(html: str) -> None:
    for tag, attributes in outline(html).found:
        assert tag in TAGS
        assert attributes.keys() <= MAY
        assert set((attributes.get("class") or "").split()) <= CLASSES.get(tag, set())
        href = attributes.get("href")
        assert href is None or re.match(r"https://example\.org/|#cite-[\w-]{1,8}-\d{1,3}$|https?:|mailto:", href)


def test_what_we_make_ourselves_is_not_taken_away() -> None:
    text = (
        "# Head\n\n1. one\n\n3. [x] done\n\n> quote\n\n| a | b |\n|--:|:-:|\n| 1 | 2 |\n\n```py\nx < 1\n```\n\n"
        "[page](https://example.org/a?b=1&c=2) ~~gone~~ `c` **b** _e_ [1][2]\n\n---"
    )
    html = "".join(answer_blocks(text, HOW))
    for piece in (
        "<h1>Head</h1>", '<ol dir="auto">', '<span class="task">☑</span>', '<blockquote dir="auto">',
        '<table dir="auto" tabindex="0">', '<th class="right">a</th>', '<td class="center">2</td>', "<hr>",
        '<div class="code" dir="ltr"><p class="code-head"><span class="code-language">py</span></p><pre tabindex="0">',
        'href="https://example.org/a?b=1&amp;c=2" rel="noopener noreferrer nofollow" target="_blank"', "<s>gone</s>",
    ):  # fmt: skip
        assert piece in html, piece
    assert "x &lt; 1" in html


def retrieved(evidence: str = "supported") -> dict[str, Any]:
    return {
        "type": "retrieved", "query": "hotel cap", "searched": ["demo"], "fresh": False, "evidence": evidence,
        "evidence_score": 0.9, "why": [], "passages": [passage(1), passage(2, title="<b>Other</b>", similarity=0.2)],
    }  # fmt: skip


CHECKED = {
    "type": "checked",
    "evidence": "supported",
    "cited": [1],
    "invented": [],
    "marks": [],
    "lost": [],
    "added": [],
}


def delta(text: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": text}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_turn_comes_in_parts_steps_and_as_a_whole() -> None:
    clock = Clock()
    made = Renderer(LOOK, "What is the <cap>?", clock=clock)
    (route,) = made(ROUTED)
    assert (route["type"], route["part"]) == ("part", "route") and route["html"].startswith('<details class="route rou')
    assert "bar" not in route["html"] and "style" not in route["html"]
    assert [each["part"] for each in made(retrieved("partly"))] == ["route", "evidence"]
    assert made(delta("The cap ")) == [{"type": "html", "keep": 0, "html": "<p>The cap</p>"}]
    assert made(delta("is £165 [1].\n\nMore")) == []
    clock.now += STEP
    assert [each["keep"] for each in made(delta(" here"))] == [0]
    clock.now += STEP
    assert made(delta(" and there.")) == [{"type": "html", "keep": 1, "html": "<p>More here and there.</p>"}]
    assert made(CHECKED) == []
    text = "The cap is £165 [1].\n\nMore here and there."
    (whole,) = made({**FINISHED, "answer": text})
    assert (whole["type"], whole["status"], whole["turn"]) == ("rendered", "finished", ROUTED["turn"])
    assert whole["said"] == '<div class="said" dir="auto">What is the &lt;cap&gt;?</div>'
    assert whole["answer"].count("<p>") == 2 and "A note." in whole["notice"] and whole["text"] == text
    first, second = whole["sources"]
    assert (first["cited"], second["cited"]) == (True, False)
    assert '<mark class="strong">£165</mark>' in first["html"]
    assert (second["title"], second["section"], second["date"]) == ("<b>Other</b>", "Caps", "2 March 2026")
    assert (first["relevance"], second["relevance"], first["href"]) == ("close match", "distant", None)


def test_the_last_step_has_what_the_check_changed() -> None:
    made = Renderer(LOOK, "x", clock=Clock())
    for event in (ROUTED, retrieved(), delta("One.\n\nTwo [7].")):
        made(event)
    mark = {"start": 6, "end": 10, "state": "unsupported", "why": "nowhere", "passages": []}
    made({**CHECKED, "marks": [mark]})
    step, whole = made({**FINISHED, "answer": "One.\n\nTwo."})
    assert (step["keep"], step["html"]) == (1, whole["answer"].removeprefix("<p>One.</p>"))
    assert "nowhere" in step["html"]


def test_a_failure_keeps_what_was_written() -> None:
    made = Renderer(LOOK, "x", clock=Clock())
    made(ROUTED)
    made(delta("Half an"))
    step, whole = made({"type": "failed", "code": "model_timeout", "message": "Too slow.", "partial": "Half an answer"})
    assert (step["html"], whole["status"]) == ("<p>Half an answer</p>", "failed")
    assert whole["notice"] == '<p class="notice failed">Too slow.</p>'


def test_a_refusal_is_said_once() -> None:
    made = Renderer(LOOK, "x", clock=Clock())
    made(ROUTED)
    made(retrieved("not_in_documents"))
    assert [made(delta(piece)) for piece in re.findall(r"\S+\s*", REFUSALS[0])] == [[]] * len(REFUSALS[0].split())
    (step,) = made(delta("\n\nNearest."))
    assert step == {"type": "html", "keep": 0, "html": "<p>Nearest.</p>"}
    (whole,) = made({**FINISHED, "answer": f"{REFUSALS[0]}\n\nNearest."})
    assert whole["answer"] == "<p>Nearest.</p>" and whole["sources_title"] == "Nearest passages"


def test_a_long_block_is_sent_less_often() -> None:
    clock = Clock()
    made = Renderer(LOOK, "x", clock=clock)
    made(ROUTED)
    made(delta("word " * PACE))
    clock.now += 2 * STEP
    assert made(delta("more")) == []
    clock.now += 10
    assert len(made(delta("more"))) == 1


def test_what_may_be_said_of_the_route_comes_as_data() -> None:
    def ways(correction: Said | None) -> list[str]:
        made = Renderer(LOOK, "x", correction)
        made(ROUTED)
        return [each["verdict"] for each in made({**FINISHED, "answer": "A."})[-1]["ways"]]

    assert ways(None) == ["no_lookup", "in_voice"]
    assert ways(Said("look_up", False)) == []
