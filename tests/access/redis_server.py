"""A Redis of the tests' own, on a free port of loopback; it keeps nothing on disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from tests.serving import free_port

REQUIRED = "redis-server" in os.environ.get("SWITCHYARD_TESTS_NEED", "").split()


@dataclass
class Server:
    """``kill`` takes it away as a fallen machine would, ``start`` brings an empty one to the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        self.process = subprocess.Popen([*command, str(self.folder)], stdout=subprocess.DEVNULL)
        with redis.Redis(port=self.port) as client:
            for _ in range(600):
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    time.sleep(0.05)
        raise AssertionError("redis-server did not start within 30 seconds")

    def hang(self) -> None:
        """Let it answer nobody any more; only ``kill`` ends that."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running() -> Iterator[Server]:
    """A server until the block ends; the test is skipped where there is none on this machine."""
    if shutil.which("redis-server") is None:
        assert not REQUIRED, "redis-server is not installed"
        pytest.skip("needs redis-server")
    server = Server(Path(tempfile.mkdtemp(prefix="switchyard-redis-")))
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """One for all tests that do not take it away."""
    with running() as server:
        yield server
