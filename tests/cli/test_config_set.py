"""`assistant config get | set | unset`: one key changes, and nothing else in the file."""

import difflib
import errno
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from assistant.__main__ import app
from assistant.cli.config_set import REBUILD, RESTART
from assistant.settings import Settings
from assistant.settings_file import TAKEN

SECRET = "planted-s3cret-0123456789"
SMALL = """\
# Ours.
models:
  a: {connector: scripted}   # the first
  b:
    connector: 'scripted'
    api_key: ${KEY_OF_B}

roles:
  # main: builtin
  voice: a
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("ASSISTANT")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY_OF_B", SECRET)
    path = tmp_path / "assistant.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def config(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["config", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert SECRET not in result.output
    return result


def changed(before: str, after: str) -> list[str]:
    """The lines that differ, with - and + before them."""
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line.rstrip("\r\n") for line in lines if line[0] in "+-"]


@pytest.mark.parametrize(
    ("key", "value", "lines"),
    [
        ("roles.main", "b", ["+   main: b"]),
        ("roles.main", "[b, a]", ["+   main: [b, a]"]),
        ("roles.voice", "b", ["-   voice: a", "+   voice: b"]),
        (
            "models.a.timeout",
            "7.5",
            [
                "-   a: {connector: scripted}   # the first",
                "+   a: {connector: scripted, timeout: 7.5}   # the first",
            ],
        ),
        ("models.b.connector", "builtin", ["-     connector: 'scripted'", "+     connector: 'builtin'"]),
        ("models.b.options.top_p", "0.9", ["+     options:", "+       top_p: 0.9"]),
        ("models.c.connector", "scripted", ["+   c:", "+     connector: scripted"]),
        ("router.costs.missed_lookup", "6", ["+ router:", "+   costs:", "+     missed_lookup: 6"]),
        ("organisation", "Acme: makers of #1", ['+ organisation: "Acme: makers of #1"']),
        ("organisation", "007", ['+ organisation: "007"']),
        (
            "surfaces.portal.suggestions",
            '["a?", "b: c"]',
            ["+ surfaces:", "+   portal:", '+     suggestions: ["a?", "b: c"]'],
        ),
    ],
)
def test_one_key_changes_and_no_other_line(file: Path, key: str, value: str, lines: list[str]) -> None:
    result = config("set", key, value)
    assert result.exit_code == 0, result.output
    assert changed(SMALL, file.read_text()) == lines
    assert f"{key}: " in result.output and "next turn" in result.output
    assert "${KEY_OF_B}" in file.read_text()


def test_old_and_new_are_printed_and_a_second_time_nothing_happens(file: Path) -> None:
    assert "roles.voice: a → b" in config("set", "roles.voice", "b").output
    before = file.stat()
    again = config("set", "roles.voice", "b")
    assert again.exit_code == 0 and "is that already" in again.output
    assert file.stat().st_mtime_ns == before.st_mtime_ns and file.stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("roles.main", "bb", "roles.main names a model that does not exist: 'bb'. Did you mean b?"),
        ("roles.mian", "b", "roles.mian is not a setting. Did you mean main?"),
        ("models.a.timeout", "-1", "models.a.timeout must be a number above 0, got -1"),
        ("log_level", "loud", "log_level must be debug, info, warning or error"),
        ("roles", "b", "roles"),
        ("roles.main.first", "b", "roles.main"),
        ("models.GPT.connector", "openai", "models.GPT has a name that cannot be used"),
        ("models.b.options[0]", "x", "Give the whole list"),
        ("roles..main", "b", "is no key"),
        ("models.b.api_key", SECRET, "would be a secret in plain text"),
        ("models.a", f"{{connector: openai, api_key: {SECRET}}}", "models.a.api_key would be a secret"),
        ("records.url", f"postgresql+asyncpg://ada:{SECRET}@host/db", "records.url would be a secret"),
        ("models.b.options.headers", "{Authorization: Bearer 0123456789}", "would be a secret"),
    ],
)
def test_an_edit_that_is_wrong_changes_nothing_and_says_why(file: Path, key: str, value: str, says: str) -> None:
    result = config("set", key, value)
    assert result.exit_code == 2
    assert says in result.output
    assert file.read_text() == SMALL
    assert [path.name for path in file.parent.iterdir()] == ["assistant.yaml"], "nothing is left beside it"


def test_a_secret_is_written_where_that_is_asked_for_and_shown_nowhere(file: Path) -> None:
    result = config("set", "models.b.api_key", SECRET, "--plain")
    assert result.exit_code == 0 and "models.b.api_key: •••• → ••••" in result.output
    assert f"api_key: {SECRET}" in file.read_text()
    result = config("set", "models.b.api_key", "${KEY_OF_B}")
    assert result.exit_code == 0 and "•••• → ${KEY_OF_B}" in result.output
    assert file.read_text() == SMALL


def test_the_environment_wins_and_that_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT__ROLES__VOICE", "builtin")
    result = config("set", "roles.voice", "b")
    assert result.exit_code == 0
    assert "environment ASSISTANT__ROLES__VOICE is set here and wins" in result.output
    assert changed(SMALL, file.read_text()) == ["-   voice: a", "+   voice: b"]


def test_unset_takes_a_key_out(file: Path) -> None:
    result = config("unset", "models.b.api_key")
    assert result.exit_code == 0 and "•••• → not set" in result.output
    assert changed(SMALL, file.read_text()) == ["-     api_key: ${KEY_OF_B}"]
    missing = config("unset", "roles.vioce")
    assert missing.exit_code == 2 and "Did you mean roles.voice?" in missing.output
    taken = config("unset", "models.a")
    assert taken.exit_code == 2 and "names a model that does not exist: 'a'" in taken.output


def test_get_prints_what_counts(file: Path) -> None:
    assert config("get", "roles.voice").output == "a\n"
    assert config("get", "roles").output == "roles.main: builtin\nroles.voice: a\n"
    assert config("get", "models.b.api_key").output == "••••\n"
    assert config("get", "role.voice").exit_code == 2


def test_what_was_wrong_before_does_not_stop_an_edit_but_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEY_OF_B")
    result = config("set", "roles.main", "a")
    assert result.exit_code == 0
    assert "still to repair" in result.output and "needs the environment variable KEY_OF_B" in result.output
    assert "main: a" in file.read_text()
    assert config("set", "roles.main", "nobody").exit_code == 2


def test_a_file_that_is_no_yaml_stays_as_it_is(file: Path) -> None:
    file.write_text("roles: [a\n")
    result = config("set", "roles.main", "a")
    assert result.exit_code == 2 and "assistant.yaml:" in result.output and "not valid YAML" in result.output
    assert file.read_text() == "roles: [a\n"


def test_a_file_is_made_where_there_is_none_but_not_where_one_was_named(file: Path) -> None:
    file.unlink()
    assert config("set", "organisation", "Acme").exit_code == 0
    assert file.read_text() == "organisation: Acme\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    result = config("set", "organisation", "Acme", "--config", "other.yaml")
    assert result.exit_code == 2 and "there is no file" in result.output


def test_mode_line_ends_and_links_stay(file: Path) -> None:
    real = file.with_name("real.yaml")
    real.write_bytes(SMALL.replace("\n", "\r\n").encode())
    real.chmod(0o640)
    file.unlink()
    file.symlink_to(real)
    assert config("set", "roles.main", "b").exit_code == 0
    assert file.is_symlink() and stat.S_IMODE(real.stat().st_mode) == 0o640
    assert changed(SMALL.replace("\n", "\r\n"), real.read_bytes().decode()) == ["+   main: b"]
    assert real.read_bytes().count(b"\n") == real.read_bytes().count(b"\r\n")


def test_a_file_that_cannot_be_replaced_is_written_in_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "replace", refuse)
    before = file.stat().st_ino
    assert config("set", "roles.main", "b").exit_code == 0
    assert file.stat().st_ino == before and changed(SMALL, file.read_text()) == ["+   main: b"]
    assert [path.name for path in file.parent.iterdir()] == ["assistant.yaml"]


def test_a_change_by_somebody_else_meanwhile_is_not_lost(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def meanwhile(descriptor: int) -> None:
        sync(descriptor)
        file.write_text("organisation: Theirs\n")

    monkeypatch.setattr(os, "fsync", meanwhile)
    result = config("set", "roles.main", "b")
    assert result.exit_code == 1 and "changed by somebody else" in result.output
    assert file.read_text() == "organisation: Theirs\n"


def test_what_a_running_server_takes_over_is_said_rightly(file: Path) -> None:
    assert set(Settings.model_fields) - RESTART - REBUILD == set(TAKEN) - REBUILD
    assert "started again" in config("set", "server.port", "8001").output
    assert "ingest --rebuild" in config("set", "chunking.max_tokens", "200").output
