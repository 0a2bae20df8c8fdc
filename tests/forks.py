"""Commands as forks of a process that has imported what they import, so that each starts at once.

A fork is a process of its own, with a folder, an environment, files for what it prints, and an end like that of any
Python program. Only what reads its environment at import sees that of the tests there, and what a command forgets to
import is there already: ``tests.serving.run_anew`` is a process from its beginning.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent
# fastembed is missing, and what it imports is here: onnxruntime starts a thread at import, which a fork would lack.
PRELOADED = """
    assistant.app assistant.knowledge.sources.local assistant.knowledge.store.embedded assistant.config_file
    connectors.builtin aiosqlite alembic.command httpx huggingface_hub llama_index.core.ingestion
    llama_index.core.node_parser loguru mmh3 PIL.Image py_rust_stemmers qdrant_edge requests rich.progress rich.table
    sqlalchemy.dialects.sqlite.aiosqlite tokenizers tqdm typer
"""
_one_at_a_time = threading.Lock()


def run(folder: Path, arguments: Sequence[str], environment: Mapping[str, str], seconds: int) -> tuple[int, str, str]:
    """The exit code of a command in ``folder`` and what it printed on stdout and stderr; killed after ``seconds``."""
    with TemporaryDirectory(prefix="command-") as place:
        out, err = Path(place, "out"), Path(place, "err")
        order = {
            "folder": str(folder),
            "arguments": arguments,
            "environment": dict(environment),
            "files": [os.devnull, str(out), str(err)],
            "seconds": seconds,
        }
        code = _ordered(order)
        return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")


def _ordered(order: dict[str, object]) -> int:
    with _one_at_a_time:
        server = _server()
        assert server.stdin and server.stdout
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        code = server.stdout.readline()
    if not code:
        raise RuntimeError("commands cannot be forked: `python -m tests.forks` says why")
    return int(code)


@cache
def _server() -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.forks"]
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.communicate)
    return server


def _serve() -> None:
    """Fork for each order, and say with which code that ended."""
    _preload()
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        child = os.fork()
        if not child:
            _become(order)
            return
        print(_ended(child, order["seconds"]), flush=True)


def _preload() -> None:
    import assistant.cli

    commands = [f"assistant.cli.{each.name}" for each in pkgutil.iter_modules(assistant.cli.__path__)]
    for name in (*commands, *PRELOADED.split()):
        importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a module that is imported beforehand starts a thread: take it out of PRELOADED")
    gc.freeze()


def _ended(child: int, seconds: int) -> int:
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(seconds)
    _, status = os.waitpid(child, 0)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return os.waitstatus_to_exitcode(status)


def _become(order: dict[str, Any]) -> None:
    """What ``python -m assistant`` is in a shell that stands in that folder."""
    for number, file in enumerate(order["files"]):
        opened = os.open(file, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[0] = order["folder"]
    sys.argv[1:] = order["arguments"]
    runpy.run_module("assistant", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
