"""How tests get into the desk of a running server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.serving import Serving, run


def link(server: Serving) -> str:
    """A link that has not been used, as `assistant desk` prints it."""
    done = run(server.folder, "desk")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def session(server: Serving) -> Iterator[httpx.Client]:
    """A client with a session."""
    with httpx.Client(base_url=server.url, headers={"Origin": server.url}, timeout=30) as client:
        answer = client.post("/desk/enter", json={"code": link(server).partition("#")[2]})
        assert answer.status_code == 204, answer.text
        yield client
