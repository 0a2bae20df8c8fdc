"""A growing answer: what is over is rendered once, and the page shows what it would show of the whole text."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import ui.answer_blocks
import ui.encode
from tests.ui.test_encode import ROUTED, passage, retrieved
from ui.answer_blocks import Reading
from ui.encode import Shown
from ui.kept import Kept
from ui.rendering import answer

HOW = Reading("turn", frozenset({1, 2}), last=str)
PIECES = st.sampled_from(
    ["word ", "**bold** ", "[1] ", "\n", "\n\n", "- ", "1. ", "2", "2. ", "> ", "# ", "```\n", "    ", "| a | b |\n",
     "|---|---|\n", "---\n", "===\n", "*", "+", "<b>", "`", "&amp;", "\\", "\t", "é", "~~~", "[x] "]
)  # fmt: skip


def seen(html: str) -> str:
    """Without the space before elements and their ends: of a text that goes on, it may be in the middle."""
    return re.sub(r"(?:\s|&#9;|&#10;)+<", "<", html)


@given(st.lists(PIECES, max_size=40), st.integers(1, 7))
@example(["1. ", "word ", "\n", "\n", "2", ". ", "word "], 1)  # at first a paragraph, then one more item of the list
@example(["word ", "\n", "word ", "\n", "===\n"], 1)  # all of a paragraph becomes a heading
def test_a_growing_answer_is_shown_as_its_text_so_far_would_be(pieces: list[str], stride: int) -> None:
    kept, text = Kept(), ""
    for at in range(0, len(pieces), stride):
        text += "".join(pieces[at : at + stride])
        assert seen(kept.answer(text, HOW)) == seen(answer(text, "turn", {1, 2}))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What is rendered, by what renders it."""
    found: dict[str, list[str]] = {}

    def counted(place: object, name: str) -> None:
        render: Callable[..., str] = getattr(place, name)

        def call(*given: object, **more: object) -> str:
            found.setdefault(name, []).append(str(given[0]))
            return render(*given, **more)

        monkeypatch.setattr(place, name, call)

    counted(ui.encode, "sources")
    counted(ui.encode, "route_card")
    counted(ui.answer_blocks, "block")
    return found


def test_what_does_not_change_is_made_once(calls: dict[str, list[str]]) -> None:
    shown = Shown(routed=ROUTED)
    shown.markdown()
    assert len(calls["route_card"]) == 1
    shown.take(retrieved(passage(1)))
    for word in ("First. ", "More.\n\n", "Second [1]. ", "More.\n\n", "Third."):
        shown.take({"type": "text_delta", "text": word})
        page = shown.now().markdown()
    assert "Third." in page and page == shown.markdown()
    assert [each for each in calls["sources"] if each != "()"] == [str([passage(1)])]
    assert len(calls["route_card"]) == 2
    calls["block"].clear()
    for word in ("Once ", "more."):
        shown.take({"type": "text_delta", "text": word})
        shown.markdown()
    open_still = "Second [1]. More.\n\n"  # the next line is not whole, and might belong to it
    assert calls["block"] == [open_still, "Third.Once ", open_still, "Third.Once more."]
    marked = {"start": 0, "end": 6, "state": "unsupported", "why": "no passage says so", "passages": []}
    shown.take({"type": "checked", "evidence": "supported", "cited": [1], "invented": [], "marks": [marked]})
    assert "no passage says so" in shown.markdown() and len(calls["sources"]) == 3
