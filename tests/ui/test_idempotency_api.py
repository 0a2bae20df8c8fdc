"""``Idempotency-Key``: what is sent again is answered again and not done again."""

from __future__ import annotations

import json
import threading
import time
import uuid
from typing import Any

import httpx
import pytest

from tests.ui.people import LONDON, People, code, events


def keyed(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def whole(found: list[Any]) -> list[Any]:
    """The events with their text in one piece."""
    text = "".join(each["text"] for each in found if each["type"] == "text_delta")
    rest = [each for each in found if each["type"] != "text_delta"]
    return [*rest, text]


def turns(people: People, who: str, conversation: str) -> int:
    exported = people(who, "GET", f"conversations/{conversation}/export", params={"format": "json"})
    return len(exported.json()["turns"])


def test_a_turn_that_is_sent_again_gives_the_same_events_and_is_one_turn(people: People) -> None:
    headers, body = keyed(), {"message": LONDON, "route": "retrieve"}
    first = people("user", "POST", "chat", json=body, headers=headers)
    again = people("user", "POST", "chat", json=body, headers=headers)
    assert whole(events(first.text)) == whole(events(again.text))
    assert "idempotency-replayed" not in first.headers and again.headers["idempotency-replayed"] == "true"
    routed = events(first.text)[0]
    assert turns(people, "user", routed["conversation"]) == 1
    for path, given in (
        (f"turns/{routed['turn']}/again", {"route": "voice"}),
        (f"turns/{routed['turn']}/edit", {"message": "and in Paris?", "route": "retrieve"}),
        (f"turns/{routed['turn']}/correction", {"verdict": "no_lookup"}),
    ):
        headers = keyed()
        pair = [events(people("user", "POST", path, json=given, headers=headers).text) for _ in range(2)]
        assert whole(pair[0]) == whole(pair[1]) and pair[0][-1]["type"] == "finished", path
    assert turns(people, "user", routed["conversation"]) == 4


def test_a_key_is_good_for_one_request_of_one_person(people: People) -> None:
    headers, body = keyed(), {"message": LONDON, "route": "retrieve"}
    mine = people("user", "POST", "chat", json=body, headers=headers)
    other = people("user", "POST", "chat", json=body | {"message": "hello"}, headers=headers)
    assert code(other) == (422, "idempotency_mismatch")
    turn = events(mine.text)[0]["turn"]
    assert code(people("user", "POST", f"turns/{turn}/show", headers=headers)) == (422, "idempotency_mismatch")
    theirs = people("editor", "POST", "chat", json=body, headers=headers)
    assert "idempotency-replayed" not in theirs.headers
    assert events(theirs.text)[0]["turn"] != turn
    spaced = people("user", "POST", "chat", json={"route": "retrieve", "message": LONDON}, headers=headers)
    assert events(spaced.text)[0]["turn"] == turn, "the order of the fields says nothing"


def test_of_many_that_come_at_once_one_is_carried_out(people: People) -> None:
    headers, body = keyed(), {"message": "hello", "route": "voice"}
    found: list[httpx.Response] = []
    asked = [
        threading.Thread(target=lambda: found.append(people("user", "POST", "chat", json=body, headers=headers)))
        for _ in range(8)
    ]
    for each in asked:
        each.start()
    for each in asked:
        each.join()
    done = [each for each in found if each.status_code == 200]
    refused = {code(each) for each in found if each.status_code != 200}
    assert refused <= {(409, "in_progress")} and done and refused
    routed = {(events(each.text)[0]["conversation"], events(each.text)[0]["turn"]) for each in done}
    assert len(routed) == 1
    assert turns(people, "user", routed.pop()[0]) == 1


def test_a_turn_that_was_stopped_is_told_as_that(people: People) -> None:
    headers, body = keyed(), {"message": "hello", "route": "voice"}
    address = f"{people.server.url}/api/v1/chat"
    shown = {"Authorization": f"Bearer {people.keys['user']}"} | headers
    with httpx.stream("POST", address, json=body, headers=shown, timeout=60) as response:
        lines = response.iter_lines()  # held: where it is forgotten, the stream is closed
        assert any(line.startswith("event: text_delta") for line in lines)
        assert code(people("user", "POST", "chat", json=body, headers=headers)) == (409, "in_progress")
    for _ in range(100):
        response = people("user", "POST", "chat", json=body, headers=headers)
        if response.status_code == 200:
            break
        time.sleep(0.05)
    found = events(response.text)
    assert (found[-1]["type"], found[-1]["code"]) == ("failed", "stopped")
    assert found[-1]["partial"].startswith("Well,")


def test_what_was_refused_can_be_sent_again(people: People) -> None:
    headers = keyed()
    assert code(people("user", "POST", "chat", json={"message": ""}, headers=headers)) == (422, "empty_turn")
    assert people.chat("user", headers=headers, route="retrieve")[-1]["type"] == "finished"


def test_small_answers_are_kept_as_they_were(people: People) -> None:
    asked = people.chat("user", route="retrieve")[0]
    turn, up = asked["turn"], {"thumb": "up", "comment": "good"}
    headers = keyed()
    first = people("user", "PUT", f"turns/{turn}/feedback", json=up, headers=headers)
    people("user", "PUT", f"turns/{turn}/feedback", json={"thumb": None})
    again = people("user", "PUT", f"turns/{turn}/feedback", json=up, headers=headers)
    assert first.json() == again.json() == up and again.headers["idempotency-replayed"] == "true"
    shown = people.get("user", f"conversations/{asked['conversation']}")["turns"][0]
    assert shown["feedback"] is None, "it was not done again"
    file = {"file": ("notes.md", b"# Notes\n\nThe door code is 4711.\n")}
    headers = keyed()
    pair = [people("user", "POST", "attachments", files=file, headers=headers).json() for _ in range(2)]
    assert pair[0] == pair[1] and pair[0]["state"] == "ready"
    changed = {"file": ("notes.md", b"# Notes\n\nThe door code is 4712.\n")}
    response = people("user", "POST", "attachments", files=changed, headers=headers)
    assert code(response) == (422, "idempotency_mismatch")


@pytest.mark.parametrize("key", ["", "x" * 201, "caf\u00e9".encode(), b"a\tb"])
def test_a_key_is_short_and_plain(people: People, key: Any) -> None:
    response = people("user", "POST", "chat", json={"message": LONDON}, headers={"Idempotency-Key": key})
    assert code(response) == (422, "invalid_request")


def test_what_is_replayed_has_its_html_where_that_is_wanted(people: People) -> None:
    headers, body = keyed(), {"message": LONDON, "route": "retrieve", "render": "html", "language": "de"}
    first, again = (events(people("user", "POST", "chat", json=body, headers=headers).text) for _ in range(2))
    assert first[-1]["type"] == again[-1]["type"] == "rendered"
    assert json.dumps(first[-1]) == json.dumps(again[-1])
