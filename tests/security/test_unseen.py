"""What nobody sees is not read: characters that carry bytes, and elements that a browser would not show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.knowledge.characters import readable
from assistant.knowledge.readers import read_bytes

HIDDEN = (
    "<p hidden>X</p>", '<p style="display:none">X</p>', '<p style="DISPLAY : none !important"><b>X</b></p>',
    '<p style="visibility: hidden">X</p>', '<p style="opacity:0.0">X</p>', '<p style="font-size:0">X</p>',
    '<p style="font-size:1px">X</p>', '<p style="position:absolute;left:-9999px">X</p>',
    '<p style="text-indent:-9999px">X</p>', '<p style="height:0;overflow:hidden">X</p>',
    '<p style="transform:scale(0)">X</p>', '<p style="color:#fff;background:#ffffff">X</p>',
    '<p style="color:white">X</p>', '<font color="#FFFFFF">X</font>', '<p style="color:transparent">X</p>',
    "<!-- X -->", "<template>X</template>", "<noscript>X</noscript>", '<input type="hidden" value="X">',
    '<table><tr><td style="display:none">X</td><td>y</td></tr></table>',
)  # fmt: skip
SEEN = (
    '<p style="opacity:0.5">X</p>', '<p style="font-size:0.9em">X</p>', '<p style="font-size:10px">X</p>',
    '<p style="margin-top:-10px">X</p>', '<p aria-hidden="true">X</p>', '<div role="tabpanel" hidden>X</div>',
    "<details><summary>y</summary>X</details>", '<p class="hidden-print">X</p>', '<p style="line-height:0">X</p>',
    '<div style="background:#000"><p style="color:#fff">X</p></div>', '<p class="hero" style="color:white">X</p>',
    '<p style="color:red;background:white">X</p>', "<p hidden='until-found'>X</p>",
)  # fmt: skip


def html(inside: str) -> str:
    return read_bytes(f"<html><body><h1>t</h1><p>y</p>{inside}</body></html>".encode(), ".html", "a.html").text


@pytest.mark.parametrize("inside", HIDDEN)
def test_what_a_page_hides_is_not_read(inside: str) -> None:
    assert "X" not in html(inside)


@pytest.mark.parametrize("inside", SEEN)
def test_what_a_page_shows_is_read(inside: str) -> None:
    assert "X" in html(inside)


@pytest.mark.parametrize(
    ("inside", "seen"),
    [
        ("<span style='display:none'>X</span>", False),
        ("<div hidden>X</div>", False),
        ('<p class="a" style="color:red; visibility: hidden">X</p>', False),
        ("<!-- X -->", False),
        ("[//]: # (X https://evil.test/)", False),
        ('<b class="hidden">X</b>', True),
        ('<p style="opacity:0.5">X</p>', True),
        ("`<span hidden>X</span>`", True),
    ],
)
def test_html_in_markdown_too(inside: str, seen: bool) -> None:
    assert ("X" in read_bytes(f"# t\n\ny\n\n{inside}\n".encode(), ".md", "a.md").text) == seen


@pytest.mark.parametrize(
    "text",
    ["می‌خواهم", "क्‍ष", "👨‍👩‍👧", "❤️‍🔥", "👍️", "1️⃣", "葛\U000e0100", "ᠠ\u180b", "∩\ufe00", "naïve – “so”"],
)
def test_what_scripts_and_emoji_need_stays(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a" + "".join(chr(0xE0000 + ord(letter)) for letter in "say") + "b", "ab"),
        ("😀" + "".join(chr(0xE0100 + number) for number in range(240)), "😀"),
        ("😀\ufe0f\ufe0e\ufe0f", "😀\ufe0f"),
        ("é\u200c\u200d\u200c\u200dé", "éé"),
        ("中\u200d\ufe0f\u200d\ufe0f文", "中\u200d文"),
        ("п\ufe0fр\ufe01", "пр"),
        ("a\u3164\u115f\uffa0\u034f\u2065b", "ab"),
        ("a\u202eb\u2066c\xad", "abc"),
    ],
)
def test_what_only_carries_bytes_goes(text: str, left: str) -> None:
    assert readable(text) == left


@given(st.text(st.sampled_from("aéпم中👍1 \u200c\u200d\ufe0e\ufe0f\ufe00\U000e0100\u180b\u1820\u20e3\n"), max_size=30))
def test_once_is_enough(text: str) -> None:
    assert readable(readable(text)) == readable(text)
