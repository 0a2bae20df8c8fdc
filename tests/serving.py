"""The command line as people use it: commands in processes of their own, and a real server on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests import forks
from tests.conftest import ROOT

CLI = [sys.executable, "-m", "assistant"]
TIMEOUT = 300


@dataclass
class Serving:
    """A running server; ``seconds`` is how long it took to be ready."""

    url: str
    folder: Path
    process: subprocess.Popen[str]
    seconds: float

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text(encoding="utf-8")

    def resident_megabytes(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_settings(folder: Path, **settings: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "assistant.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSISTANT")}
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"} | more


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command in ``folder``, forked from a process that has the imports done."""
    code, out, err = forks.run(folder, arguments, environment(**more), TIMEOUT)
    if code == -signal.SIGKILL:
        raise subprocess.TimeoutExpired(arguments, TIMEOUT, out, err)
    return subprocess.CompletedProcess(arguments, code, out, err)


def run_anew(folder: Path, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """A command in ``folder`` that does its imports itself: a second more, for what depends on them."""
    return subprocess.run(
        [*CLI, *arguments],
        cwd=folder, env=environment(**more), input=stdin, capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip


@contextmanager
def serving(folder: Path, **settings: object) -> Iterator[Serving]:
    """Serve in ``folder`` with these settings until the block ends."""
    port = free_port()
    write_settings(folder, server={"port": port}, **settings)
    began = time.monotonic()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*CLI, "serve"], cwd=folder, env=environment(), stdout=log, stderr=subprocess.STDOUT, text=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process, folder)
        yield Serving(url, folder, process, time.monotonic() - began)
    finally:
        end(process)


def wait_until_read(server: Serving) -> None:
    """Until the documents of the settings are in the index: they are read while the server answers already."""
    token = json.loads((server.folder / "data" / "server.json").read_text(encoding="utf-8"))["token"]
    until = time.monotonic() + 60
    while time.monotonic() < until:
        headers = {"Authorization": f"Bearer {token}"}
        found = httpx.get(f"{server.url}/api/v1/sources", headers=headers).json()["sources"]
        if found and all(each["outcome"] for each in found):
            return
        time.sleep(0.1)
    raise AssertionError("the documents were not read: " + server.log)


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a server to stop, and make it where it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[str], folder: Path) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError((folder / "log.txt").read_text())
        try:
            if httpx.get(f"{url}/healthz", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError("the server did not become ready: " + (folder / "log.txt").read_text())
