"""Limits over a real socket: two servers that count in one Redis, and what a program is told."""

from pathlib import Path
from typing import Any

import httpx

from tests.access.redis_server import Server
from tests.access.redis_server import redis_server as redis_server
from tests.serving import Serving, serving


def ask(server: Serving, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/api/v1/chat", json={"message": "hello", "route": "voice"} | body, timeout=60)


def test_replicas_refuse_with_the_time_to_wait(tmp_path: Path, redis_server: Server) -> None:
    limits = {"store": redis_server.url, "everybody": {"turns_per_minute": 4}}
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with serving(first, limits=limits) as one, serving(second, limits=limits) as other:
        answers = [ask(server) for server in (one, other, one, other, one, other)]
        assert [each.status_code for each in answers] == [200] * 4 + [429] * 2
        for refused in answers[4:]:
            assert refused.json()["error"]["code"] == "too_many_turns"
            assert 1 <= int(refused.headers["retry-after"]) <= 62
        listed = httpx.get(f"{other.url}/api/v1/conversations", timeout=60).json()["conversations"]
        assert len(listed) == 2
