"""The API over a real socket."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.serving import Serving


def chat(server: Serving, **body: Any) -> list[dict[str, Any]]:
    response = httpx.post(f"{server.url}/api/v1/chat", json=body, timeout=60)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    frames = [frame.split("\n") for frame in response.text.strip().split("\n\n")]
    events = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [name.removeprefix("event: ") for name, _ in frames] == [event["type"] for event in events]
    return events


def test_a_turn_streams_its_events(server: Serving) -> None:
    events = chat(server, message="What is the hotel cap per night in London?")
    types = [event["type"] for event in events]
    assert types[:2] == ["routed", "retrieved"] and types[-2:] == ["checked", "finished"]
    assert set(types[2:-2]) == {"text_delta"}
    assert "£165" in events[-1]["answer"]
    assert {"number", "title", "section", "date", "text"} <= set(events[1]["passages"][0])


def test_a_conversation_goes_on_by_its_id(server: Serving) -> None:
    first = chat(server, message="What is the hotel cap per night in London?")
    second = chat(server, message="and elsewhere in Europe?", conversation=first[0]["conversation"])
    assert second[0]["conversation"] == first[0]["conversation"]
    assert "£150" in second[-1]["answer"]


def test_words_arrive_as_they_are_written(server: Serving) -> None:
    stamps = []
    with httpx.stream("POST", f"{server.url}/api/v1/chat", json={"message": "hello"}, timeout=60) as response:
        stamps = [time.monotonic() for line in response.iter_lines() if line.startswith("event: text_delta")]
    assert len(stamps) == 62
    assert stamps[-1] - stamps[0] > 1.0, "all at once is not a stream"


def test_a_reader_who_leaves_stops_the_turn_and_its_text_is_kept(server: Serving) -> None:
    seen = []
    with httpx.stream("POST", f"{server.url}/api/v1/chat", json={"message": "hello"}, timeout=60) as response:
        for line in response.iter_lines():
            seen.append(line)
            if line.startswith("event: text_delta"):
                break
    conversation = json.loads(seen[1].removeprefix("data: "))["conversation"]
    time.sleep(1.0)
    follow = chat(server, message="what is the mileage rate?", conversation=conversation, route="retrieve")
    assert follow[-1]["type"] == "finished"
    import sqlite3

    with sqlite3.connect(server.folder / "data" / "records.db") as records:
        row = records.execute(
            "select status, answer from turns where conversation_id = ? order by position", (conversation,)
        ).fetchone()
    assert row[0] == "stopped" and row[1].startswith("Well,") and "the end" not in row[1]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"message": ""}, 422, "empty_turn"),
        ({"message": "x" * 100_000}, 413, "turn_too_long"),
        ({"message": "hi", "collection": "nowhere"}, 404, "unknown_collection"),
        ({"message": "hi", "surface": "nowhere"}, 404, "unknown_surface"),
        ({"message": "hi", "conversation": "nowhere"}, 404, "unknown_conversation"),
        ({"message": "hi", "route": "sideways"}, 422, "unknown_route"),
        ({"message": 7}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_shape(
    server: Serving, body: dict[str, Any], status: int, code: str
) -> None:
    response = httpx.post(f"{server.url}/api/v1/chat", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["error"]["message"]


def test_a_body_beyond_reason_is_refused_with_and_without_a_length(server: Serving) -> None:
    big = b'{"message": "' + b"x" * 3_000_000 + b'"}'
    assert httpx.post(f"{server.url}/api/v1/chat", content=big).status_code == 413
    with pytest.raises(httpx.HTTPError):
        response = httpx.post(f"{server.url}/api/v1/chat", content=iter([big]), timeout=10)
        raise httpx.HTTPError(str(response.status_code)) if response.status_code >= 400 else AssertionError


def test_a_page_of_another_site_cannot_post(server: Serving) -> None:
    """Browsers ask first before they send JSON across sites, and are not told that they may."""
    headers = {"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
    response = httpx.options(f"{server.url}/api/v1/chat", headers=headers)
    assert "access-control-allow-origin" not in response.headers
    plain = httpx.post(f"{server.url}/api/v1/chat", content='{"message": "hi"}', headers={"Content-Type": "text/plain"})
    assert plain.status_code == 422


def test_every_answer_carries_the_security_headers(server: Serving) -> None:
    for path in ("/", "/healthz", "/switchyard/chat/main.js"):
        headers = httpx.get(f"{server.url}{path}").headers
        policy = headers["content-security-policy"]
        assert "unsafe-eval" not in policy and "script-src 'self' 'nonce-" in policy
        assert "img-src 'self' data: blob:" in policy and "frame-ancestors 'self'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    first, second = (httpx.get(server.url).headers["content-security-policy"] for _ in range(2))
    assert first != second, "a nonce is used once"


def test_the_health_check_tells_nothing_of_what_there_is(server: Serving) -> None:
    found = httpx.get(f"{server.url}/healthz").json()
    assert found["status"] == "ok" and set(found) == {"status", "version", "settings"}


MACHINE = [
    ("POST", "/api/v1/ingest", {"paths": ["/x"], "collection": "x"}),
    ("GET", "/api/v1/sources", None),
    ("POST", "/api/v1/sources/sync", {}),
    ("POST", "/api/v1/sources/remove", {"collection": "demo", "source": ["demo:"]}),
    ("DELETE", "/api/v1/collections/demo", None),
    ("POST", "/api/v1/collections/rebuild", {}),
    ("POST", "/api/v1/collections/rollback", None),
    ("GET", "/api/v1/corrections", None),
    ("POST", "/api/v1/chat", {"message": "hi", "groups": ["staff"]}),
]


@pytest.mark.parametrize(("method", "path", "body"), MACHINE)
def test_what_changes_or_shows_things_needs_the_token_of_this_machine(
    server: Serving, method: str, path: str, body: dict[str, Any] | None
) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}):
        response = httpx.request(method, f"{server.url}{path}", json=body, headers=headers)
        assert response.status_code == 401, path
        assert "demo" not in response.text
    assert (server.folder / "data" / "server.json").stat().st_mode & 0o077 == 0


def machine(server: Serving) -> dict[str, str]:
    token = json.loads((server.folder / "data" / "server.json").read_text())["token"]
    return {"Authorization": f"Bearer {token}"}


def test_sources_and_collections_are_listed_for_this_machine(server: Serving) -> None:
    (source,) = httpx.get(f"{server.url}/api/v1/sources", headers=machine(server)).json()["sources"]
    assert (source["collection"], source["kind"], source["outcome"], source["documents"]) == (
        "demo",
        "folder",
        "ok",
        12,
    )
    found = httpx.get(f"{server.url}/api/v1/collections", headers=machine(server)).json()
    assert found["collections"][0]["readers"] == ["everyone"] and found["indexes"][0]["use"] == "live"


def test_a_sync_tells_what_happens_and_ends_with_done_or_failed(server: Serving) -> None:
    def events(path: str, body: dict[str, Any] | None) -> list[dict[str, Any]]:
        response = httpx.post(f"{server.url}{path}", json=body, headers=machine(server), timeout=60)
        return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]

    found = events("/api/v1/sources/sync", {"collection": "demo"})
    assert [event["type"] for event in found] == ["began", *["progress"] * 12, "ended", "done"]
    assert found[-2]["report"]["unchanged"] == 12
    failed = events("/api/v1/sources/sync", {"collection": "nowhere"})
    assert [(event["type"], event["mistake"]) for event in failed] == [("failed", True)]
    failed = events("/api/v1/ingest", {"paths": ["/no/such"], "collection": "x"})
    assert "there is no file or folder /no/such" in failed[0]["message"]
    failed = events("/api/v1/collections/rollback", None)
    assert "no earlier index" in failed[0]["message"]


def test_only_this_machine_asks_with_groups(server: Serving) -> None:
    body = {"message": "hello", "route": "voice", "groups": ["staff"]}
    assert httpx.post(f"{server.url}/api/v1/chat", json=body, headers=machine(server), timeout=60).status_code == 200
