"""What the port gives away, and to whom."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import Serving


def file_message(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("function", range(9))
@pytest.mark.parametrize("shape", ["plain", "message", "component"])
def test_no_file_of_the_machine_can_be_asked_for(server: Serving, tmp_path: Path, function: int, shape: str) -> None:
    """Gradio copies files that a request names into a folder that it serves, unless it is kept from it."""
    secret = tmp_path / "secret.txt"
    secret.write_text("planted-file-content")
    plain: Any = file_message(str(secret))
    shapes: dict[str, Any] = {
        "plain": plain,
        "message": [{"role": "user", "content": [{"type": "file", "file": plain}]}],
        "component": [{"role": "user", "content": [{"type": "component", "component": "file", "value": plain}]}],
    }
    values = [shapes[shape]] * 3
    for count in (1, 2, 3):
        body = {"data": values[:count], "fn_index": function, "session_hash": "x"}
        for path in ("queue/join", "run/predict"):
            answer = httpx.post(f"{server.url}/gradio_api/{path}", json=body, timeout=20)
            assert "gradio_api/file" not in answer.text and "planted-file-content" not in answer.text
    for path in (f"file={secret}", f"file/{secret}", "file=/etc/passwd"):
        assert httpx.get(f"{server.url}/gradio_api/{path}").status_code == 404


@pytest.mark.parametrize("path", ["file=x", "file/x", "proxy=http://127.0.0.1/", "stream/x", "runs", "call/x"])
def test_what_the_page_does_not_need_is_shut(server: Serving, path: str) -> None:
    for method in ("GET", "POST"):
        assert httpx.request(method, f"{server.url}/gradio_api/{path}").status_code == 404


@pytest.mark.parametrize("host", ["evil.test", "evil.test:7860", "127.0.0.1.evil.test", "localhost.evil.test", ""])
def test_a_name_pointed_at_this_machine_reaches_nothing(server: Serving, host: str) -> None:
    for path in ("/", "/healthz"):
        answer = httpx.get(f"{server.url}{path}", headers={"Host": host})
        assert answer.status_code in (400, 421) and "passages" not in answer.text
    answer = httpx.post(f"{server.url}/api/v1/chat", json={"message": "hi"}, headers={"Host": host})
    assert answer.status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:7860", "192.168.1.5"])
def test_this_machine_and_plain_addresses_are_known(server: Serving, host: str) -> None:
    assert httpx.get(f"{server.url}/healthz", headers={"Host": host}).status_code == 200


def test_what_people_said_is_for_the_user_of_the_server_alone(server: Serving) -> None:
    assert (server.folder / "data").stat().st_mode & 0o077 == 0


def test_every_refusal_has_one_shape(server: Serving) -> None:
    for method, path in (("GET", "/api/v1/chat"), ("POST", "/api/v1/nothing"), ("POST", "/gradio_api/stream/x")):
        answer = httpx.request(method, f"{server.url}{path}")
        assert answer.status_code in (404, 405) and {"code", "message"} == set(answer.json()["error"])


@pytest.mark.parametrize("field", ["message", "conversation", "collection"])
def test_what_is_no_text_is_refused(server: Serving, field: str) -> None:
    body = json.dumps({"message": "hi"} | {field: "\ud800"})
    answer = httpx.post(f"{server.url}/api/v1/chat", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (404, 422)
    assert answer.json()["error"]["message"]
