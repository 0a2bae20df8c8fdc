"""Shared pieces: no network but loopback, the shipped embedder, an assistant over a scripted model."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.app import Assistant, build_assistant
from assistant.backends import Chains
from assistant.knowledge.embedder import FastEmbedder
from assistant.settings import Settings
from connectors import ChatModel
from connectors.scripted import ScriptedModel

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the folder `shared` beside the checkout, with the handbook and the forms"
)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection that leaves this machine fails the test that makes it."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def embedder() -> FastEmbedder:
    """The shipped model, loaded once."""
    return FastEmbedder()


@pytest.fixture(scope="session")
def _demo_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import asyncio

    data = tmp_path_factory.mktemp("demo")

    async def fill() -> None:
        async with build_assistant(Settings(data=data)) as assistant:
            await assistant.ingest([Path("demo:")], "demo", lambda _: None)

    asyncio.run(fill())
    yield data


@pytest.fixture
async def demo(_demo_index: Path, tmp_path: Path) -> AsyncIterator[Assistant]:
    """An open assistant over the demo collection, with fresh records and the builtin model."""
    settings = Settings(data=_demo_index, records={"url": f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"})
    async with build_assistant(settings) as assistant:
        yield assistant


def answer_with(assistant: Assistant, model: ChatModel) -> None:
    """Let ``model`` play both roles of an open assistant, on every surface."""
    assistant.backends.use(Chains.single(model, assistant.settings.surfaces))


__all__ = ["ROOT", "SHARED", "ScriptedModel", "answer_with", "needs_shared"]
