"""That forked commands, which the other tests run, do what commands do that are processes from the beginning."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests import forks
from tests.serving import environment, run, run_anew, write_settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("forked")
    write_settings(made, organisation="Forks & Co")
    assert run(made, "ingest").returncode == 0
    return made


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest"],
        ["ask", "hello", "--collection", "nowhere"],
        ["ask", "--help"],
        ["collections", "list"],
        ["collections", "rollback"],
        ["config", "check"],
        ["config", "explain"],
        ["sources", "list"],
        ["sources", "sync"],
        ["sources", "remove", "demo", "nothing"],
        ["router", "explain", "What is the hotel cap in London?"],
        ["router", "versions"],
        ["router", "corrections"],
        ["router", "correct", "nothing", "look_up"],
        ["sideways"],
    ],
    ids=" ".join,
)
def test_a_fork_does_what_a_process_of_its_own_does(folder: Path, arguments: list[str]) -> None:
    forked, anew = run(folder, *arguments), run_anew(folder, *arguments)
    assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_a_fork_sees_its_own_environment_and_folder_only(folder: Path, tmp_path: Path) -> None:
    assert "8123" in run(tmp_path, "config", "explain", ASSISTANT__SERVER__PORT="8123").stdout
    shown = run(folder, "config", "explain").stdout
    assert "8123" not in shown and "Forks & Co" in shown
    assert "Forks & Co" not in run(tmp_path, "config", "explain").stdout


def test_a_command_that_does_not_end_is_killed(folder: Path) -> None:
    code, _, _ = forks.run(folder, ["sources", "sync", "--watch"], environment(), seconds=2)
    assert code == -signal.SIGKILL
    assert run(folder, "config", "check").returncode == 0, "the next one is not"
