"""The interfaces for programs on the server as people run it, with keys as they make them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest
from mcp.client.client import Client

from tests.serving import Serving, run, serving, wait_until_read
from tests.ui.test_mcp import connected, said

PORTAL = "https://portal.example.com"
QUESTION = "What is the hotel cap per night in London?"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("programs")
    with serving(
        folder, access={"mode": "required"}, surfaces={"portal": {"origins": [PORTAL]}, "shop": {}}
    ) as running:
        wait_until_read(running)
        yield running


def key(server: Serving, *scope: str) -> str:
    made = run(server.folder, "keys", "add", "test", *scope)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_a_key_asks_and_sees_its_models(server: Serving) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key(server), max_retries=0) as client:
        assert "switchyard-both" in [model.id for model in client.models.list()]
        answer = client.chat.completions.create(model="switchyard", messages=[{"role": "user", "content": QUESTION}])
    assert "£165" in str(answer.choices[0].message.content)


def test_what_the_front_door_refuses_has_openais_shape_below_v1(server: Serving) -> None:
    for shown in ("", "Bearer", "Bearer wrong", f"Bearer {key(server)[:-1]}", "Basic x"):
        headers = {"Authorization": shown} if shown else {}
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/v1/nothing")):
            answer = httpx.request(method, f"{server.url}{path}", headers=headers)
            assert answer.status_code == 401, (shown, path)
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
            assert answer.json()["error"]["code"] == "invalid_api_key"
    foreign = {"Origin": "https://evil.test", "Authorization": f"Bearer {key(server)}"}
    answer = httpx.get(f"{server.url}/v1/models", headers=foreign)
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    big = httpx.post(f"{server.url}/v1/chat/completions", content=b"x" * 3_000_000, headers=foreign)
    assert big.status_code in (403, 413) and set(big.json()["error"]) == {"message", "type", "param", "code"}


def test_a_key_that_is_held_to_a_surface_has_that_one(server: Serving) -> None:
    held = key(server, "--surface", "shop")
    ask = {"model": "switchyard", "messages": [{"role": "user", "content": QUESTION}]}
    headers = {"Authorization": f"Bearer {held}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as http:
        assert http.post("/v1/chat/completions", json=ask).status_code == 200
        refused = http.post("/v1/chat/completions", json=ask | {"switchyard": {"surface": "portal"}})
    assert refused.status_code == 404 and refused.json()["error"]["code"] == "unknown_surface"


def test_a_stream_for_a_page_of_one_site_says_nothing_of_it_to_the_next(server: Serving) -> None:
    ask = {"model": "switchyard", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    headers = {"Authorization": f"Bearer {key(server)}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as http:
        first = http.post("/v1/chat/completions", json=ask, headers={"Origin": PORTAL})
        second = http.post("/v1/chat/completions", json=ask)
    assert first.headers["access-control-allow-origin"] == PORTAL and first.text.endswith("data: [DONE]\n\n")
    assert "access-control-allow-origin" not in second.headers
    assert (
        second.headers["content-type"].startswith("text/event-stream") and second.headers["x-accel-buffering"] == "no"
    )


async def test_the_tools_ask_under_the_same_key(server: Serving) -> None:
    url = f"{server.url}/mcp"
    async with connected(url, key(server)) as client:
        assert isinstance(client, Client)
        result = await client.call_tool("ask", {"question": QUESTION})
    assert "£165" in said(result)
    assert httpx.post(url, json={}).status_code == 401
    assert httpx.post(url, json={}, headers={"Authorization": "Bearer wrong"}).status_code == 401
