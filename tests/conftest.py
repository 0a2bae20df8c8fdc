"""Shared pieces: no network but loopback, the shipped embedder, an assistant over a scripted model."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.app import Assistant, build_assistant
from assistant.backends import Chains
from assistant.knowledge.embedder import SHIPPED as EMBEDDER
from assistant.knowledge.embedder import FastEmbedder
from assistant.routing.encoder import SHIPPED as ENCODER
from assistant.routing.encoder import TurnEncoder
from assistant.settings import Settings
from connectors import ChatModel
from connectors.scripted import ScriptedModel

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# Every process of the tests embeds on one thread: with more, onnxruntime's burn four times the time while they wait for
# each other and for the other workers, and are no faster.
os.environ.setdefault("ORT_INTRA_OP_NUM_THREADS", "1")

IN_MEMORY = Path("/dev/shm")
ROOM = 12_000_000_000
"""Bytes that must be free there: five workers have held 6 GB at a time."""

SLOWEST = (
    "test_handbook", "test_faults", "ui/test_desk_knowledge", "ui/test_widget_browser", "ui/test_rendering",
    "ui/test_accessible", "cli/test_commands", "ui/test_chat_features", "security/test_xss", "ui/test_desk_routing",
    "ui/test_correct_in_browser", "cli/test_corrections", "routing/test_retrain", "ui/test_sign_in_pages",
)  # fmt: skip
"""Files that begin first: a worker takes whole files, and one that began late would keep all waiting."""

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


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that is run in the process of the tests sets up the log of that whole process."""
    root = logging.getLogger()
    level, before = root.level, [*root.handlers]
    yield
    root.setLevel(level)
    for handler in [*root.handlers]:
        if type(handler) is logging.StreamHandler and handler not in before:
            root.removeHandler(handler)


def pytest_configure(config: pytest.Config) -> None:
    """Folders of tests lie in memory where there is room: tests of indexes and databases, which wait for a disk to have
    written them, take a third longer on one, and a test that kills a process finds the same in both."""
    if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))
        os.environ.setdefault("TMPDIR", str(IN_MEMORY))
        tempfile.tempdir = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first, else as they were."""
    first = {str(ROOT / "tests" / f"{name}.py"): at for at, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: first.get(str(item.path), len(first)))


def pytest_collection_finish() -> None:
    """What is imported by now stays: without it a collection is fast enough to free closed assistants in time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def shipped_models_loaded_once() -> Iterator[None]:
    """All assistants of a worker share the shipped models in memory, which never change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastEmbedder, "_load", _once(FastEmbedder._load, "_model", _embedder_shipped))
        patch.setattr(TurnEncoder, "_load", _once(TurnEncoder._load, "_loaded", _encoder_shipped))
        yield


def _embedder_shipped(model: FastEmbedder) -> object:
    arguments = model._arguments
    return arguments.get("specific_model_path") == str(EMBEDDER) and (model.max_tokens, *arguments.items())


def _encoder_shipped(model: TurnEncoder) -> object:
    return model.folder == ENCODER and model._threads


def _once(load: Callable[[Any], Any], kept: str, shipped: Callable[[Any], object]) -> Callable[[Any], Any]:
    """A way to load that takes what another model of the same arguments has loaded."""
    loaded: dict[object, Any] = {}
    one_at_a_time = threading.Lock()

    def shared(model: Any) -> Any:
        key = shipped(model)
        if not key:
            return load(model)
        with one_at_a_time:
            if getattr(model, kept) is None:
                setattr(model, kept, loaded.get(key))
            return loaded.setdefault(key, load(model))

    return shared


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
