"""`assistant desk`, from the command to the session."""

from pathlib import Path

import httpx

from tests.serving import Serving, run, serving, write_settings


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    write_settings(tmp_path)
    done = run(tmp_path, "desk")
    assert done.returncode == 1 and "assistant serve" in done.stderr and done.stdout == ""


def test_it_prints_a_link_that_opens_and_nothing_else_holds_its_code(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        printed = run(tmp_path, "desk").stdout.strip()
        assert printed.startswith(f"{server.url}/desk/enter#")
        elsewhere = run(tmp_path, "desk", "--at", "https://chat.example.com/assistant/").stdout.strip()
        assert elsewhere.startswith("https://chat.example.com/assistant/desk/enter#")
        _opens(server, printed.partition("#")[2])
        assert "assistant desk" in server.log and "enter#" not in server.log


def _opens(server: Serving, code: str) -> None:
    answer = httpx.post(f"{server.url}/desk/enter", json={"code": code}, headers={"Origin": server.url})
    assert answer.status_code == 204
