"""The example package of docs/connector-example, installed as a user would install it, and chatted with."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree
from threading import Thread

import pytest
import yaml

from tests.conftest import ROOT

EXAMPLE = ROOT / "docs" / "connector-example"


class Plain(BaseHTTPRequestHandler):
    """Answers every prompt with its last line, in capitals, as plain text; under /refuses it is out of order."""

    prompts: list[str]

    def do_POST(self) -> None:
        prompt = json.loads(self.rfile.read(int(self.headers["content-length"])))["prompt"]
        self.prompts.append(prompt)
        self.send_response(503 if self.path == "/refuses" else 200)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(f"Über {prompt.splitlines()[-1].upper()}".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def plain() -> Iterator[tuple[str, list[str]]]:
    """The address of such a server, and the prompts that it was sent."""
    handler = type("Here", (Plain,), {"prompts": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler.prompts
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built package and its entry point."""
    folder = tmp_path_factory.mktemp("third-party")
    copytree(EXAMPLE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    where = ["--no-build-isolation", "--target", str(folder / "site"), str(folder / "source")]
    built = subprocess.run([*pip, *where], capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    return folder / "site"


def assistant(folder: Path, site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSISTANT_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(site), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "assistant", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=120,
    )


def configure(folder: Path, address: str) -> None:
    models = {"mine": {"connector": "plain", "base_url": address}}
    (folder / "assistant.yaml").write_text(yaml.safe_dump({"models": models, "roles": {"main": "mine"}}))


def test_the_example_is_found_by_its_entry_point_and_answers(
    plain: tuple[str, list[str]], installed: Path, tmp_path: Path
) -> None:
    address, prompts = plain
    configure(tmp_path, address)
    checked = assistant(tmp_path, installed, "config", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    asked = assistant(tmp_path, installed, "ask", "Thank you, that helps", "--route", "voice", "--json")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    answer = json.loads(asked.stdout)
    assert "Über THANK YOU, THAT HELPS" in json.dumps(answer, ensure_ascii=False)
    assert len(prompts) == 1 and prompts[0].endswith("Thank you, that helps")


def test_its_fault_is_one_clear_sentence(plain: tuple[str, list[str]], installed: Path, tmp_path: Path) -> None:
    configure(tmp_path, f"{plain[0]}/refuses")
    asked = assistant(tmp_path, installed, "ask", "Thank you, that helps", "--route", "voice")
    assert asked.returncode == 1 and "mine does not answer at" in asked.stdout + asked.stderr
    assert "Traceback" not in asked.stderr


def test_it_stays_small() -> None:
    lines = [line for path in EXAMPLE.iterdir() for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) < 40
