"""Files of a conversation by the native API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ui.people import People, code

CODE = b"# Notes\n\nThe code of the side door is 4711, changed every spring.\n"


def attach(people: People, who: str, name: str = "notes.md", content: bytes = CODE, **form: str) -> Any:
    return people(who, "POST", "attachments", files={"file": (name, content)}, data=form)


def waiting(people: People) -> list[Path]:
    """What was sent and is still there to be read."""
    return [path for path in (people.server.folder / "data" / "incoming").rglob("*") if path.is_file()]


def test_a_file_begins_a_conversation_and_is_found_by_its_turns_alone(people: People) -> None:
    made = attach(people, "user").json()
    assert (made["name"], made["state"], made["bytes"]) == ("notes.md", "ready", len(CODE))
    conversation = made["conversation"]
    assert people.get("user", f"conversations/{conversation}/attachments") == {"attachments": [made], "next": None}
    said = people.chat("user", "What is the code of the side door?", conversation=conversation, route="retrieve")
    assert "4711" in said[-1]["answer"]
    elsewhere = people.chat("user", "What is the code of the side door?", route="retrieve")
    assert "4711" not in str(elsewhere)
    second = attach(people, "user", "more.md", b"# More\n\nNothing.\n", conversation=conversation).json()
    assert second["conversation"] == conversation
    assert people("user", "DELETE", f"attachments/{made['id']}").json() == {"deleted": True}
    assert [each["id"] for each in people.get("user", f"conversations/{conversation}/attachments")["attachments"]] == [
        second["id"]
    ]


def test_files_of_somebody_else_are_refused_in_the_words_of_what_does_not_exist(people: People) -> None:
    made = attach(people, "user").json()
    nobodys = "00000000-0000-0000-0000-000000000000"
    lists = {
        people(who, "GET", f"conversations/{which}/attachments").text
        for who, which in (("other", made["conversation"]), ("nobody", made["conversation"]), ("other", nobodys))
    }
    gone = {
        people(who, "DELETE", f"attachments/{which}").text
        for who, which in (("other", made["id"]), ("admin", made["id"]), ("user", nobodys))
    }
    added = {attach(people, "other", conversation=which).text for which in (made["conversation"], nobodys)}
    assert len(lists) == len(gone) == len(added) == 1
    assert people.get("user", f"conversations/{made['conversation']}/attachments")["attachments"] == [made]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/cron.d/notes.md", "notes.md"),
        ("..\\..\\notes.md", "notes.md"),
        ("/srv/notes.md", "notes.md"),
        ("a\x00b/notes.md", "notes.md"),
        ("....//notes.md", "notes.md"),
    ],
)
def test_a_name_is_no_path(people: People, name: str, shown: str) -> None:
    before = {path for path in people.server.folder.rglob("*") if path.is_file()}
    made = attach(people, "user", name)
    assert made.status_code == 200, made.text
    assert made.json()["name"] == shown
    new = {path.relative_to(people.server.folder) for path in people.server.folder.rglob("*") if path.is_file()}
    new -= {path.relative_to(people.server.folder) for path in before}
    kept = [path for path in new if path.parts[:2] == ("data", "attachments")]
    assert [path.name for path in kept] == [made.json()["id"]]
    assert not [path for path in new if path.suffix == ".md"] and not waiting(people)


def test_what_cannot_be_attached_is_refused_and_leaves_nothing(people: People) -> None:
    refused = [
        (attach(people, "user", "notes.exe"), 422, "attachment_format"),
        (attach(people, "user", "empty.md", b""), 422, "attachment_empty"),
        (attach(people, "user", "blank.md", b"\n \n"), 422, "attachment_empty"),
        (attach(people, "user", "big.md", b"x" * 1_000_001), 413, "attachment_too_large"),
        (attach(people, "user", "huge.md", b"x" * 3_000_000), 413, "too_large"),
        (attach(people, "user", surface="nowhere"), 404, "unknown_surface"),
        (attach(people, "shop", surface="portal"), 404, "unknown_surface"),
        (people("user", "POST", "attachments", data={"surface": "portal"}), 422, "invalid_request"),
        (people("user", "POST", "attachments", json={}), 422, "invalid_request"),
    ]
    assert [code(response) for response, _, _ in refused] == [(status, name) for _, status, name in refused]
    assert not waiting(people)


def test_a_conversation_holds_ten(people: People) -> None:
    conversation = attach(people, "user").json()["conversation"]
    for number in range(9):
        assert attach(people, "user", f"{number}.md", conversation=conversation).status_code == 200
    assert code(attach(people, "user", conversation=conversation)) == (409, "too_many_attachments")
