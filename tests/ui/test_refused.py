"""What is said to whoever cannot be served: a browser at a page that is closed, a body that cannot be read, a field
that is misspelt, an address at which there is nothing; and settings that are changed while nobody asks anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from tests.serving import Serving, serving
from tests.ui.identity_provider import CLIENT, providing
from tests.ui.people import People

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
CHAT: dict[str, Any] = {"model": "switchyard", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("closed"), access={"mode": "required"}, collections={}) as running:
        yield running


def native(people: People, method: str, path: str, **given: Any) -> tuple[int, str]:
    answer = people("user", method, path, **given)
    return answer.status_code, answer.json()["error"]["message"]


def openai(people: People, method: str, path: str, **given: Any) -> httpx.Response:
    return httpx.request(method, f"{people.server.url}{path}", timeout=60, **given)


def test_a_closed_page_says_how_people_come_in_and_a_sign_in_that_is_added_counts_at_once(closed: Serving) -> None:
    assert "Nobody can come in but programs with an API key" in closed.log
    for language, said in (("en", "There is no sign-in here"), ("de-AT", "Hier gibt es keine Anmeldung")):
        page = httpx.get(closed.url, headers=BROWSER | {"Accept-Language": language})
        assert page.status_code == 401 and page.headers["content-type"].startswith("text/html")
        assert said in page.text and "access.sign_in" in page.text
    program = httpx.get(closed.url)
    assert program.status_code == 401 and program.json()["error"]["code"] == "sign_in"
    assert httpx.get(f"{closed.url}/sign-in", headers=BROWSER).status_code == 404
    file = closed.folder / "assistant.yaml"
    before = file.read_text(encoding="utf-8")
    with providing() as provider:
        settings = yaml.safe_load(before)
        settings["access"]["sign_in"] = {"issuer": provider.issuer, "client_id": CLIENT}
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        led = httpx.get(f"{closed.url}/?a=b", headers=BROWSER)
        assert led.status_code == 303 and led.headers["location"] == "/sign-in?to=%2F%3Fa%3Db"
        assert httpx.get(f"{closed.url}/sign-in", headers=BROWSER).headers["location"].startswith(provider.issuer)
        file.write_text(before, encoding="utf-8")
        assert httpx.get(f"{closed.url}/sign-in", headers=BROWSER).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_settings_file_that_is_wrong_is_seen_where_nobody_asks_anything(closed: Serving, path: str) -> None:
    def state() -> str:
        told = httpx.get(closed.url + path, timeout=30).json()
        return str(told["settings"] if path == "/healthz" else told["checks"]["settings"])

    assert state() == "ok"
    file = closed.folder / "assistant.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "surprise: 1\n", encoding="utf-8")
    until_other(state, "ok")
    assert state() == "invalid"


def until_other(state: Any, before: str) -> None:
    """An answer of the health checks holds for a second."""
    for _ in range(200):
        if state() != before:
            return


def test_a_misspelt_field_is_refused_and_the_right_one_named(people: People) -> None:
    for path, given, said in (
        ("chat", {"message": "hi", "colection": "pay"}, "colection: there is no such field. Did you mean collection?"),
        ("search", {"query": "hi", "zzz": 1}, "zzz: there is no such field. The fields are: query, surface,"),
        ("chat", {"message": "hi", "context": {"uri": "x"}}, "context.uri: there is no such field. Did you mean url?"),
        ("session", {"surfaces": "portal"}, "surfaces: there is no such field. Did you mean surface?"),
    ):
        status, message = native(people, "POST", path, json=given)
        assert status == 422 and message.startswith(said), message
    ours = openai(people, "POST", "/v1/chat/completions", json=CHAT | {"switchyard": {"colection": "pay"}})
    told = ours.json()["error"]
    assert ours.status_code == 400 and told["param"] == "switchyard.colection" and told["code"] == "invalid_request"
    assert "Did you mean collection?" in told["message"]
    theirs = openai(people, "POST", "/v1/chat/completions", json=CHAT | {"prompt_cache_key": "x", "store": False})
    assert theirs.status_code == 200, theirs.text


def test_a_body_that_cannot_be_read_is_said_to_be_none(people: People) -> None:
    typed = {"Content-Type": "application/json"}
    for content, headers, said in (
        (b'{"model": }', typed, "The body is not JSON: Expecting value at character 11."),
        (b"[1]", typed, "The body must be an object of JSON."),
        (b"", typed, "The body must be an object of JSON."),
        (b"{}", {"Content-Type": "text/plain"}, "The body must be an object of JSON. Send it as Content-Type: appl"),
    ):
        answer = openai(people, "POST", "/v1/chat/completions", content=content, headers=headers)
        told = answer.json()["error"]
        assert answer.status_code == 400 and told["message"].startswith(said) and told["param"] is None, told
        status, message = native(people, "POST", "chat", content=content, headers=headers)
        assert status == 422 and message.startswith(said), message


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/engines", "/v1/chat"])
def test_where_openai_has_nothing_it_is_said_in_its_shape(people: People, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = openai(people, method, path)
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "unknown_url", answer.text
        assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("PUT", "/api/v1/chat", "POST"),
        ("POST", "/api/v1/me", "GET"),
        ("POST", "/api/v1/conversations/x", "GET, PATCH, DELETE"),
        ("TRACE", "/api/v1/me", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    ],
)
def test_another_method_is_refused_with_those_that_there_are(
    people: People, method: str, path: str, allowed: str
) -> None:
    answer = openai(people, method, path)
    assert answer.status_code == 405 and answer.headers["allow"] == allowed, answer.text
    assert answer.json()["error"]["code"] == "not_allowed"


def test_several_are_said_to_be_several(people: People) -> None:
    refused = openai(people, "POST", "/v1/chat/completions", json=CHAT | {"model": "gpt-4o"})
    assert "There are: switchyard, switchyard-voice" in refused.json()["error"]["message"]
    for who, said in (("hr", "There are: demo, pay."), ("user", "There is: demo.")):
        answer = people(who, "POST", "search", json={"query": "x", "collection": "nowhere"})
        assert answer.json()["error"]["message"].endswith(said), answer.text
