"""Conversations as files."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from markdown_it import MarkdownIt

from assistant.conversation.export import Whole, export
from assistant.records.feedback import Feedback
from assistant.records.stored import StoredTurn

DAY = datetime(2026, 11, 3, 10, tzinfo=UTC)


def passage(number: int, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "title": f"Title {number}",
        "section": ["Hotels", "UK"],
        "page": None,
        "date": None,
    } | more


def turn(**changed: Any) -> StoredTurn:
    made = StoredTurn(
        id="t",
        conversation="c",
        parent=None,
        question="t",
        siblings=("t",),
        position=0,
        version=0,
        collection=None,
        text="the cap?",
        answer="It is £165 [1].",
        status="finished",
        routed={"route": "retrieve", "reasons": ["asks for a number", "names a place"]},
        retrieved={"passages": [passage(1, date="2026-01-02", page=3), passage(2)]},
        checked={"cited": [1]},
        ended={"type": "finished"},
        created_at=DAY,
    )
    return replace(made, **changed)


def whole(*turns: StoredTurn, title: str = "The cap", **more: Any) -> Whole:
    about = {"id": "c", "surface": "portal", "title": title, "pinned": False}
    return Whole(title, about, DAY, DAY, turns, more.get("turns", turns), more.get("feedback", {}), ())


def html(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def test_a_conversation_reads_as_markdown() -> None:
    stopped = turn(text="and\nin Paris?", answer="", status="stopped", routed=None, retrieved=None, checked=None)
    assert export(whole(turn(), stopped), "markdown") == (
        "# The cap\n\n2026-11-03\n\n---\n\n> the cap?\n\n*Looked up: asks for a number; names a place*\n\n"
        "It is £165 [1].\n\nSources:\n\n- [1] Title 1, Hotels › UK, page 3, 2026-01-02\n\n"
        "---\n\n> and\n> in Paris?\n\n*Stopped.*\n"
    )


def test_without_a_check_all_that_was_found_is_a_source() -> None:
    text = export(whole(turn(checked=None)), "markdown")
    assert "- [1] Title 1" in text and "- [2] Title 2" in text
    assert "Sources" not in export(whole(turn(checked={"cited": []})), "markdown")


def test_everything_reads_as_json_without_who_the_person_is() -> None:
    first, other = turn(siblings=("t", "u")), turn(id="u", siblings=("t", "u"), answer="No\ud800\x00.")
    said = Feedback("u", "c", "guest-secret", "down", "no", DAY)
    text = export(whole(first, turns=(first, other), feedback={"u": said}), "json")
    assert "guest-secret" not in text
    found = json.loads(text)
    assert (found["id"], found["surface"], found["title"], found["pinned"]) == ("c", "portal", "The cap", False)
    assert [(each["id"], each["shown"], each["siblings"]) for each in found["turns"]] == [
        ("t", True, ["t", "u"]),
        ("u", False, ["t", "u"]),
    ]
    assert found["turns"][1]["feedback"] == {"thumb": "down", "comment": "no"}
    assert found["turns"][0]["retrieved"] == first.retrieved and found["turns"][0]["feedback"] is None
    text.encode()


HOSTILE = [
    "![x](https://evil.test/a.png)",
    "\\![x](https://evil.test/a.png)",
    "\\\\![x](https://evil.test/a.png)",
    "![x][y]\n\n[y]: https://evil.test/a.png",
    "<img src=https://evil.test/a.png>",
    "\\<img src=https://evil.test/a.png>",
    "&<img src=x>",
    "<!-- --><script>alert(1)</script>",
    "<?php ?><svg onload=alert(1)>",
    "```\n<b>\n```\n<img src=x>",
    " ```\n```\n<img src=x>",
    "- a\n  ```\n<img src=x>",
    "- ```\n```\n<img src=x>\n```",
    "> ```\n<img src=x>",
    "~~~ `\n```\n<b>\n~~~\n<img src=x>",
    "``` `\n<img src=x>\n```",
    "````\n```\n````\n<img src=x>",
    "a\u2028```\n<img src=x>\n```",
    "a\x0b```\n<img src=x>\n```",
    "a\r```\r<img src=x>\r```\r<img src=y>",
    "1. ~~~\n\n   <img src=x>\n<img src=y>",
    "`<img src=x>",
    "`` ` <img src=x>",
    "[a]: <b\n```\n<img src=x>\n```",
    "```\nunclosed <img src=x>",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["text", "answer", "title", "source", "reason", "date"])
def test_whatever_was_written_a_reader_of_the_file_loads_and_runs_nothing(text: str, place: str) -> None:
    plain = turn(text="a", answer="b")
    given = {
        "text": whole(turn(text=text)),
        "answer": whole(turn(answer=text), turn(answer="<img src=z>")),
        "title": whole(plain, title=text),
        "source": whole(turn(retrieved={"passages": [passage(1, title=text, section=[text])]})),
        "reason": whole(turn(routed={"route": text, "reasons": [text]})),
        "date": whole(turn(retrieved={"passages": [passage(1, date=text)]})),
    }[place]
    shown = html(export(given, "markdown"))
    for tag in ("<img", "<script", "<svg", "<?", "<!--"):
        assert tag not in shown, shown


def test_code_in_an_answer_stays_as_it_is() -> None:
    code = "Try:\n\n```html\n<b>bold</b>\n```\n\nor\n\n~~~\nlist<String> ![x]\n~~~"
    assert code in export(whole(turn(answer=code)), "markdown")
