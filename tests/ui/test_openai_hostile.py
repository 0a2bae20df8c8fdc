"""Whatever is sent to ``/v1/chat/completions`` is answered or refused in OpenAI's shape."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.app import Assistant
from connectors.scripted import ScriptedModel, Step
from tests.conftest import answer_with
from tests.ui.test_openai_faults import shaped, url

__all__ = ["url"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=30)
"""Lone surrogates and control characters as well."""
PART = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["text", "image_url", "x"]) | JSON, "text": ANYTHING}
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "developer", "tool", "boss"]) | JSON,
        "content": ANYTHING | st.lists(PART, max_size=3) | JSON,
    },
)
BODY = JSON | st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["switchyard-voice", "switchyard", "x"]) | JSON,
        "messages": st.lists(MESSAGE, max_size=4) | JSON,
        "stream": st.booleans() | JSON,
        "stream_options": JSON,
        "user": ANYTHING | JSON,
        "n": JSON,
        "tools": JSON,
        "response_format": JSON,
        "switchyard": JSON
        | st.fixed_dictionaries({}, optional=dict.fromkeys(("surface", "collection", "conversation"), ANYTHING | JSON)),
    },
)


async def test_no_body_breaks_it(url: str, demo: Assistant) -> None:
    answer_with(demo, ScriptedModel([Step(["fine"])], loop=True))
    taken = []

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=BODY)
    def holds(body: Any) -> None:
        with httpx.Client(base_url=url, headers={"Authorization": "Bearer none"}, timeout=60) as http:
            content = json.dumps(body).encode()
            answer = http.post("/v1/chat/completions", content=content, headers={"Content-Type": "application/json"})
        taken.append(answer.status_code)
        if answer.status_code != 200:
            assert answer.status_code in (400, 404), (body, answer.text)
            shaped(answer.json())

    await asyncio.to_thread(holds)
    assert {200, 400, 404} & set(taken) and 400 in taken


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[" * 50_000, b"\xff\xfe", b'{"model": "switchyard", "messages": [' + b"9" * 5_000]
)
async def test_what_is_no_json_is_a_bad_request(url: str, content: bytes) -> None:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as http:
        answer = await http.post("/v1/chat/completions", content=content)
        text = await http.post("/v1/chat/completions", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400 and shaped(answer.json())["code"] == "invalid_request"
    assert text.status_code == 400 and shaped(text.json())
