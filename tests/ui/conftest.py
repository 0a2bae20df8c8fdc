"""One server for all tests of the pages and the API: the demo, facts by the builtin model, small talk by a slow
scripted one, so that a stream can be watched and stopped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving import Serving, serving, wait_until_read
from tests.ui.people import people as people

SLOW = [["Well, "] + [f"word{number} " for number in range(60)] + ["the end."]]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(
        tmp_path_factory.mktemp("server"),
        models={"slow": {"connector": "scripted", "options": {"answers": SLOW, "delay": 0.05}}},
        roles={"voice": "slow"},
        surfaces={"portal": {"suggestions": ["What is the hotel cap in London?"], "title": "Test portal"}},
    ) as running:
        wait_until_read(running)
        yield running
