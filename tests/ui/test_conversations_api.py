"""Conversations, branches and feedback over a real socket."""

import json
import sqlite3
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import CLI, Serving, environment, free_port, run, wait_until_ready, write_settings
from tests.ui.conftest import SLOW
from tests.ui.test_api import chat
from tests.ui.test_corrections_api import NOBODYS, correct, events

LONDON = "What is the hotel cap per night in London?"


def call(server: Serving, method: str, path: str, **body: Any) -> httpx.Response:
    given: dict[str, Any] = {"json": body} if method in ("POST", "PUT", "PATCH") else {"params": body}
    return httpx.request(method, f"{server.url}/api/v1/{path}", timeout=60, **given)


def one(server: Serving, conversation: str) -> dict[str, Any]:
    response = call(server, "GET", f"conversations/{conversation}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def listed(server: Serving, **wanted: Any) -> list[dict[str, Any]]:
    response = call(server, "GET", "conversations", **wanted)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["conversations"]
    return found


def test_a_conversation_is_found_read_renamed_pinned_and_deleted(server: Serving) -> None:
    word = uuid.uuid4().hex
    first = chat(server, message=f"What is the hotel cap in {word}?", route="retrieve")
    conversation = first[0]["conversation"]
    chat(server, message="thanks", conversation=conversation, route="retrieve")
    (row,) = listed(server, search=word.upper())
    assert row.keys() == {"id", "surface", "title", "pinned", "created_at", "updated_at", "turns"}
    assert (row["id"], row["surface"], row["pinned"], row["turns"]) == (conversation, "portal", False, 2)
    assert listed(server, search=word, surface="elsewhere") == []

    short = call(server, "GET", f"conversations/{conversation}", last=1).json()
    assert [turn["text"] for turn in short["turns"]] == ["thanks"] and short["earlier"] is True
    assert call(server, "GET", f"conversations/{conversation}", last=2).json()["earlier"] is False
    found = one(server, conversation)
    assert found["id"] == conversation and found["earlier"] is False
    assert [turn["text"] for turn in found["turns"]][1] == "thanks"
    turn = found["turns"][0]
    assert turn.keys() == {
        "id", "parent", "siblings", "text", "collection", "answer", "status", "created_at",
        "routed", "retrieved", "checked", "ended", "feedback", "correction",
    }  # fmt: skip
    assert (turn["answer"], turn["status"], turn["ended"]) == (first[-1]["answer"], "finished", first[-1])
    assert (turn["retrieved"], turn["feedback"], turn["correction"]) == (first[1], None, None)

    changed = call(server, "PATCH", f"conversations/{conversation}", title=f"Hotels {word}", pinned=True).json()
    assert (changed["title"], changed["pinned"]) == (f"Hotels {word}", True) and changed.keys() == row.keys()
    assert listed(server, limit=1)[0]["id"] == conversation
    changed = call(server, "PATCH", f"conversations/{conversation}", pinned=False).json()
    assert (changed["title"], changed["pinned"]) == (f"Hotels {word}", False)

    assert call(server, "DELETE", f"conversations/{conversation}").json() == {"deleted": True}
    assert call(server, "DELETE", f"conversations/{conversation}").status_code == 404
    assert call(server, "GET", f"conversations/{conversation}").status_code == 404
    assert listed(server, search=word) == []


def test_the_list_comes_in_pages(server: Serving) -> None:
    word = uuid.uuid4().hex
    made = [chat(server, message=f"{word} {number}", route="retrieve")[0]["conversation"] for number in range(3)]
    first = call(server, "GET", "conversations", search=word, limit=2).json()
    assert [each["id"] for each in first["conversations"]] == made[:0:-1] and first["next"]
    second = call(server, "GET", "conversations", search=word, limit=2, cursor=first["next"]).json()
    assert [each["id"] for each in second["conversations"]] == made[:1] and second["next"] is None


def test_turns_are_run_again_edited_and_shown(server: Serving) -> None:
    asked = chat(server, message=LONDON, route="retrieve")[0]
    conversation, turn = asked["conversation"], asked["turn"]
    chat(server, message="and elsewhere in Europe?", conversation=conversation, route="retrieve")
    edited = events(call(server, "POST", f"turns/{turn}/edit", message="And per meal in London?", route="retrieve"))
    assert edited[0]["conversation"] == conversation and edited[-1]["type"] == "finished"
    again = events(call(server, "POST", f"turns/{turn}/again", route="retrieve"))
    assert again[-1]["type"] == "finished" and again[0]["requested"] is True
    (shown,) = one(server, conversation)["turns"]
    assert shown["siblings"] == [turn, edited[0]["turn"], again[0]["turn"]] and shown["id"] == again[0]["turn"]
    assert call(server, "POST", f"turns/{turn}/show").json() == {"shown": True}
    assert [each["text"] for each in one(server, conversation)["turns"]] == [LONDON, "and elsewhere in Europe?"]
    (row,) = [each for each in listed(server) if each["id"] == conversation]
    assert row["turns"] == 2


def test_feedback_is_kept_with_the_turn(server: Serving) -> None:
    asked = chat(server, message=LONDON, route="retrieve")[0]
    path = f"turns/{asked['turn']}/feedback"
    comment = "<script>alert(1)</script> 😀"
    assert call(server, "PUT", path, thumb="down", comment=comment).json() == {"thumb": "down", "comment": comment}
    assert one(server, asked["conversation"])["turns"][0]["feedback"] == {"thumb": "down", "comment": comment}
    assert call(server, "PUT", path, thumb=None).json() == {"thumb": None, "comment": ""}
    assert one(server, asked["conversation"])["turns"][0]["feedback"] is None


def test_a_conversation_is_exported(server: Serving) -> None:
    asked = chat(server, message=LONDON, route="retrieve")
    conversation = asked[0]["conversation"]
    call(server, "PUT", f"turns/{asked[0]['turn']}/feedback", thumb="up")
    correct(server, asked[0]["turn"], "look_up", rerun=False)
    text = call(server, "GET", f"conversations/{conversation}/export")
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert text.headers["content-disposition"] == "attachment; filename=chat.md"
    assert f"> {LONDON}" in text.text and "£165" in text.text and "- [1] Travel and expenses" in text.text
    whole = call(server, "GET", f"conversations/{conversation}/export", format="json")
    assert whole.headers["content-disposition"] == "attachment; filename=chat.json"
    (turn,) = whole.json()["turns"]
    assert turn["feedback"]["thumb"] == "up" and turn["correction"]["verdict"] == "look_up"
    assert turn["retrieved"] == asked[1] and turn["shown"] is True


REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "conversations", {"limit": 0}, 422, "invalid_request"),
    ("GET", "conversations", {"limit": 201}, 422, "invalid_request"),
    ("GET", "conversations", {"cursor": "nonsense"}, 422, "invalid_request"),
    ("GET", "conversations", {"surface": "\x00"}, 404, "unknown_surface"),
    ("PATCH", "conversations/C", {"title": " "}, 422, "invalid_request"),
    ("PATCH", "conversations/C", {"title": "x" * 201}, 422, "invalid_request"),
    ("PATCH", "conversations/C", {"pinned": "perhaps"}, 422, "invalid_request"),
    ("GET", "conversations/C/export", {"format": "pdf"}, 422, "invalid_request"),
    ("POST", "turns/T/edit", {"message": " "}, 422, "empty_turn"),
    ("POST", "turns/T/edit", {}, 422, "invalid_request"),
    ("POST", "turns/T/edit", {"message": "x", "collection": "no"}, 404, "unknown_collection"),
    ("POST", "turns/T/edit", {"message": "x", "groups": ["staff"]}, 401, "sign_in"),
    ("POST", "turns/T/again", {"route": "sideways"}, 422, "unknown_route"),
    ("POST", "turns/T/again", {"groups": ["staff"]}, 401, "sign_in"),
    ("PUT", "turns/T/feedback", {"thumb": "sideways"}, 422, "unknown_thumb"),
    ("PUT", "turns/T/feedback", {"thumb": "up", "comment": "x" * 2001}, 422, "comment_too_long"),
    ("PUT", "turns/T/feedback", {}, 422, "invalid_request"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSED)
def test_what_cannot_be_done_is_refused_in_one_shape_and_changes_nothing(
    server: Serving, method: str, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    asked = chat(server, message=LONDON, route="retrieve")[0]
    before = one(server, asked["conversation"])
    at = path.replace("/C", f"/{asked['conversation']}").replace("/T", f"/{asked['turn']}")
    response = call(server, method, at, **body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text
    assert one(server, asked["conversation"]) == before


EVERY: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "conversations/ID", {}),
    ("PATCH", "conversations/ID", {"title": "mine now"}),
    ("DELETE", "conversations/ID", {}),
    ("GET", "conversations/ID/export", {"format": "json"}),
    ("POST", "turns/ID/again", {}),
    ("POST", "turns/ID/edit", {"message": "x"}),
    ("POST", "turns/ID/show", {}),
    ("PUT", "turns/ID/feedback", {"thumb": "up"}),
]


def test_somebody_elses_is_refused_in_the_words_of_what_does_not_exist(server: Serving) -> None:
    asked = chat(server, message=LONDON, route="retrieve")[0]
    with sqlite3.connect(server.folder / "data" / "records.db", timeout=20) as records:
        records.execute("update conversations set person = 'ada' where id = ?", (asked["conversation"],))
    said = set()
    for method, path, body in EVERY:
        own = asked["conversation"] if path.startswith("conversations") else asked["turn"]
        for identity in (own, NOBODYS, "%F0%9F%98%80"):
            response = call(server, method, path.replace("ID", identity), **body)
            said.add((path.split("/")[0], response.status_code, response.text))
    assert len(said) == 2 and {status for _, status, _ in said} == {404}, said
    assert asked["conversation"] not in json.dumps(listed(server, limit=200))


def test_a_title_that_is_no_text_is_made_one(server: Serving) -> None:
    asked = chat(server, message=LONDON, route="retrieve")[0]
    address = f"{server.url}/api/v1/conversations/{asked['conversation']}"
    response = httpx.patch(
        address, content=b'{"title": "a\\ud800\\u0000 b"}', headers={"content-type": "application/json"}
    )
    assert (response.status_code, response.json()["title"]) == (200, "a b")


def test_a_conversation_that_is_deleted_while_its_answer_streams_stays_deleted(server: Serving) -> None:
    with httpx.stream("POST", f"{server.url}/api/v1/chat", json={"message": "hello"}, timeout=60) as response:
        lines = response.iter_lines()
        next(lines)
        routed = json.loads(next(lines).removeprefix("data: "))
        assert call(server, "DELETE", f"conversations/{routed['conversation']}").json() == {"deleted": True}
        assert any(line == "event: finished" for line in lines)
    assert call(server, "GET", f"conversations/{routed['conversation']}").status_code == 404
    assert chat_status(server, routed["conversation"]) == 404


def chat_status(server: Serving, conversation: str) -> int:
    return call(server, "POST", "chat", message="more", conversation=conversation).status_code


def test_one_conversation_is_used_from_many_places_at_once(server: Serving) -> None:
    asked = chat(server, message=LONDON, route="retrieve")[0]
    conversation, turn = asked["conversation"], asked["turn"]
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "chat", {"message": "and Paris?", "conversation": conversation, "route": "retrieve"}),
        ("POST", f"turns/{turn}/again", {"route": "retrieve"}),
        ("POST", f"turns/{turn}/edit", {"message": "and in Rome?", "route": "retrieve"}),
        ("POST", f"turns/{turn}/show", {}),
        ("PUT", f"turns/{turn}/feedback", {"thumb": "up"}),
        ("GET", f"conversations/{conversation}", {}),
        ("PATCH", f"conversations/{conversation}", {"pinned": False}),
    ]
    codes: list[int] = []
    workers = [
        threading.Thread(
            target=lambda given=given: codes.append(call(server, given[0], given[1], **given[2]).status_code)
        )
        for given in calls * 3
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert codes == [200] * len(workers)
    whole = call(server, "GET", f"conversations/{conversation}/export", format="json").json()["turns"]
    assert len(whole) == 1 + 9 and all(each["status"] == "finished" for each in whole)


def test_the_partial_answer_is_there_after_the_server_was_killed_in_mid_answer(tmp_path: Path) -> None:
    assert run(tmp_path, "ingest").returncode == 0
    port = free_port()
    slow = {"connector": "scripted", "options": {"answers": SLOW, "delay": 0.1}}
    write_settings(tmp_path, server={"port": port}, models={"slow": slow}, roles={"voice": "slow"})
    url = f"http://127.0.0.1:{port}"

    def start() -> subprocess.Popen[str]:
        with (tmp_path / "log.txt").open("a") as log:
            made = subprocess.Popen(
                [*CLI, "serve"], cwd=tmp_path, env=environment(), stdout=log, stderr=subprocess.STDOUT, text=True
            )
        wait_until_ready(url, made, tmp_path)
        return made

    killed = start()
    words: list[str] = []
    routed: dict[str, Any] = {}
    try:
        with httpx.stream(
            "POST", f"{url}/api/v1/chat", json={"message": "hello", "route": "voice"}, timeout=60
        ) as response:
            for line in response.iter_lines():
                if not line.startswith("data: "):
                    continue
                event = json.loads(line.removeprefix("data: "))
                routed = event if event["type"] == "routed" else routed
                words += [event["text"]] if event["type"] == "text_delta" else []
                if len(words) == 30:
                    killed.kill()
    except httpx.HTTPError:
        pass
    killed.wait()
    assert len(words) < 61, "it was killed in mid-answer"

    again = start()
    try:
        server = Serving(url, tmp_path, again, 0.0)
        until = time.monotonic() + 60
        while (turn := one(server, routed["conversation"])["turns"][0])["status"] == "running":
            assert time.monotonic() < until
            time.sleep(0.2)
        assert (turn["status"], turn["id"]) == ("stopped", routed["turn"])
        assert turn["routed"]["route"] == "voice" and turn["ended"] is None
        kept = turn["answer"].split()
        seen = "".join(words).split()
        assert kept and kept == seen[: len(kept)], "no word of it is made up"
        assert len(kept) >= len(seen) - 20, "and it lacks no more than two seconds"
        follow = chat(server, message="hello again", conversation=routed["conversation"], route="voice")
        assert follow[-1]["type"] == "finished"
    finally:
        again.terminate()
        again.wait()
