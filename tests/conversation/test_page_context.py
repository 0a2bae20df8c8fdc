"""The page of a portal as context: bounded, fenced, and nothing but data."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.compose import compose
from assistant.conversation.page import ABOUT, FIELDS, OpenPage, open_page
from assistant.conversation.routes import ROUTES
from assistant.conversation.service import TurnRejected
from assistant.conversation.turn import Turn


def test_what_the_model_gets() -> None:
    page = open_page({"url": "https://p.example/?a=1&b=2", "title": "Order  4711\n", "fields": {"status": "<open>"}})
    assert page == OpenPage("https://p.example/?a=1&b=2", "Order 4711", (("status", "<open>"),))
    assert page.fenced().removeprefix(ABOUT).strip() == (
        "<page>\n<url>https://p.example/?a=1&amp;b=2</url>\n<title>Order 4711</title>\n"
        '<field name="status">&lt;open&gt;</field>\n</page>'
    )


@pytest.mark.parametrize("nothing", [None, {}, {"url": ""}, {"title": " \u200b"}, {"fields": {}}, {"fields": None}])
def test_nothing_is_nothing(nothing: dict[str, object] | None) -> None:
    assert open_page(nothing) is None


@pytest.mark.parametrize(
    "told",
    [
        {"url": "x" * 2001},
        {"title": "x" * 301},
        {"title": 7},
        {"other": "x"},
        {"__proto__": {}},
        {"fields": ["x"]},
        {"fields": {"a": 1}},
        {"fields": {"a" * 61: "x"}},
        {"fields": {"a": "x" * 1001}},
        {"fields": {f"a{number}": "x" for number in range(FIELDS + 1)}},
        {"fields": {f"a{number}": "x" * 900 for number in range(8)}},
    ],
)
def test_too_much_or_something_else_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(TurnRejected) as refused:
        open_page(told)
    assert refused.value.code == "invalid_request"


@given(st.text(max_size=300), st.dictionaries(st.text(max_size=60), st.text(max_size=200), max_size=8))
def test_nothing_closes_the_fence(title: str, fields: dict[str, str]) -> None:
    page = open_page({"title": title, "fields": fields})
    if page is None:
        return
    lines = page.fenced().removeprefix(ABOUT).strip().splitlines()
    assert (lines[0], lines[-1]) == ("<page>", "</page>")
    assert "</page>" not in "\n".join(lines[1:-1]) and "\u200b" not in page.fenced()
    assert all(line.startswith(("<url>", "<title>", '<field name="')) for line in lines[1:-1])


def test_it_stands_in_the_system_message_and_nowhere_else() -> None:
    page = open_page({"title": "Order 4711"})
    assert page
    request, _ = compose(
        ROUTES["voice"], Turn("Write to them.", page=page), (), organisation="O", contact=None, today=date(2026, 3, 2)
    )
    system, *rest = request.messages
    assert system.text.rstrip().endswith(page.fenced())
    assert "4711" not in "".join(message.text for message in rest)
