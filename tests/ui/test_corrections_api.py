"""Corrections over a real socket."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.routing.labelled import LabelledTurn
from tests.serving import Serving, serving
from tests.ui.test_api import chat, machine

LONDON = "What is the hotel cap per night in London?"
NOBODYS = "00000000-0000-0000-0000-000000000000"


def correct(server: Serving, turn: str, verdict: str, **body: Any) -> httpx.Response:
    address = f"{server.url}/api/v1/turns/{turn}/correction"
    return httpx.post(address, json={"verdict": verdict, **body}, timeout=60)


def events(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    frames = [frame.split("\n") for frame in response.text.strip().split("\n\n")]
    found = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [name.removeprefix("event: ") for name, _ in frames] == [event["type"] for event in found]
    return found


def listed(server: Serving, conversation: str) -> list[dict[str, Any]]:
    found = httpx.get(f"{server.url}/api/v1/corrections", headers=machine(server)).json()["corrections"]
    return [each for each in found if each["conversation"] == conversation]


def test_a_correction_streams_the_turn_as_it_is_run_again(server: Serving) -> None:
    asked = chat(server, message=LONDON, route="voice")[0]
    again = events(correct(server, asked["turn"], "look_up"))
    assert [event["type"] for event in again[:2]] == ["routed", "retrieved"] and again[-1]["type"] == "finished"
    assert "£165" in again[-1]["answer"]
    assert again[0]["conversation"] == asked["conversation"] and again[0]["turn"] != asked["turn"]
    assert again[0]["route"] == "retrieve" and again[0]["requested"] is True
    follow = chat(server, message="and elsewhere in Europe?", conversation=asked["conversation"], route="retrieve")
    assert "£150" in follow[-1]["answer"], "the conversation goes on from the new answer"


def test_a_limit_that_keeps_the_turn_from_running_again_is_told_and_not_remembered(tmp_path: Path) -> None:
    with serving(tmp_path, limits={"everybody": {"turns_per_minute": 1}}) as server:
        asked = chat(server, message=LONDON, route="voice")[0]
        address = f"{server.url}/api/v1/turns/{asked['turn']}/correction"
        for _ in range(2):
            headers = {"Idempotency-Key": "the same"}
            response = httpx.post(address, json={"verdict": "look_up"}, headers=headers, timeout=60)
            assert response.status_code == 200 and response.json()["refused"]["code"] == "too_many_turns"
            assert 1 <= int(response.headers["retry-after"]) <= 62
            assert "idempotency-replayed" not in response.headers
        assert len(listed(server, asked["conversation"])) == 1, "what was said is kept"


def test_corrections_are_listed_as_labelled_turns(server: Serving) -> None:
    first = chat(server, message=LONDON)
    asked = chat(server, message="and in Paris?", conversation=first[0]["conversation"], route="voice")[0]
    assert correct(server, asked["turn"], "in_voice", rerun=False).json() == {
        "corrected": True,
        "route": "voice",
        "information": False,
        "voice": None,
        "refused": None,
    }
    assert correct(server, asked["turn"], "look_up", rerun=False).json()["route"] == "retrieve"
    (kept,) = listed(server, asked["conversation"])
    assert kept.keys() == LabelledTurn("", (), True).to_json().keys() | {
        "verdict",
        "route",
        "decision",
        "person",
        "made_at",
    }
    assert (kept["turn"], kept["information"], kept["voice"]) == ("and in Paris?", True, False)
    assert (kept["kind"], kept["domain"], kept["id"]) == ("correction", "portal", asked["turn"])
    assert [each["content"] for each in kept["history"]] == [LONDON, first[-1]["answer"]]
    assert kept["decision"]["router_version"] == asked["router_version"] and kept["decision"]["route"] == "voice"
    assert (kept["verdict"], kept["route"], kept["person"]) == ("look_up", "retrieve", "api")


def test_a_correction_is_taken_back(server: Serving) -> None:
    asked = chat(server, message=LONDON)[0]
    correct(server, asked["turn"], "no_lookup", rerun=False)
    address = f"{server.url}/api/v1/turns/{asked['turn']}/correction"
    assert [httpx.delete(address).json() for _ in range(2)] == [{"taken_back": True}, {"taken_back": False}]
    assert listed(server, asked["conversation"]) == []


def test_an_earlier_turn_is_corrected_and_the_branch_ends_with_its_new_answer(server: Serving) -> None:
    asked = chat(server, message=LONDON, route="voice")[0]
    chat(server, message="and in Paris?", conversation=asked["conversation"])
    again = events(correct(server, asked["turn"], "look_up"))
    assert "£165" in again[-1]["answer"]
    (kept,) = listed(server, asked["conversation"])
    assert kept["history"] == []
    shown = httpx.get(f"{server.url}/api/v1/conversations/{asked['conversation']}").json()["turns"]
    assert [turn["id"] for turn in shown] == [again[0]["turn"]]
    assert shown[0]["correction"] == {"verdict": "look_up", "turn": asked["turn"]}


def test_nobody_corrects_the_turn_of_somebody_else(server: Serving) -> None:
    import sqlite3

    asked = chat(server, message=LONDON)[0]
    with sqlite3.connect(server.folder / "data" / "records.db", timeout=20) as records:
        records.execute("update conversations set person = 'ada' where id = ?", (asked["conversation"],))
    answers = [correct(server, turn, "look_up") for turn in (asked["turn"], NOBODYS, "nothing", "%F0%9F%98%80")]
    answers += [httpx.delete(f"{server.url}/api/v1/turns/{asked['turn']}/correction")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert answers[0].json()["error"]["code"] == "unknown_turn"
    assert listed(server, asked["conversation"]) == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"verdict": "sideways"}, 422, "unknown_verdict"),
        ({"verdict": "plainly"}, 422, "nothing_to_look_up"),
        ({"verdict": 7}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
        ({"verdict": "look_up", "groups": ["staff"]}, 401, "sign_in"),
    ],
)
def test_what_cannot_be_said_is_refused_and_not_kept(
    server: Serving, body: dict[str, Any], status: int, code: str
) -> None:
    asked = chat(server, message=LONDON, route="voice")[0]
    response = httpx.post(f"{server.url}/api/v1/turns/{asked['turn']}/correction", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert listed(server, asked["conversation"]) == []


def test_the_list_needs_the_token_of_this_machine(server: Serving) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.get(f"{server.url}/api/v1/corrections", headers=headers).status_code == 401


def test_what_was_asked_as_somebody_of_other_groups_is_shown_to_nobody_without_the_token(server: Serving) -> None:
    token = json.loads((server.folder / "data" / "server.json").read_text(encoding="utf-8"))["token"]
    shown = {"Authorization": f"Bearer {token}"}
    body = {"message": "What is the hotel cap in London?", "groups": ["hr"]}
    events = httpx.post(f"{server.url}/api/v1/chat", json=body, headers=shown, timeout=30).text.splitlines()
    routed = next(json.loads(line[6:]) for line in events if line.startswith("data: ") and '"routed"' in line)
    listed = httpx.get(f"{server.url}/api/v1/conversations").json()["conversations"]
    assert routed["conversation"] not in {each["id"] for each in listed}
    for path in (f"conversations/{routed['conversation']}", f"conversations/{routed['conversation']}/export"):
        assert httpx.get(f"{server.url}/api/v1/{path}").status_code == 404
    assert httpx.post(f"{server.url}/api/v1/turns/{routed['turn']}/again", json={}).status_code == 404
