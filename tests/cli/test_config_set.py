"""`assistant config get | set | unset`: one key changes, and nothing else in the file."""

import difflib
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from assistant.__main__ import app
from assistant.app import TAKEN
from assistant.cli.config_set import REBUILD, RESTART
from assistant.config_edit import NotEditable, set_value, unset_value, written
from assistant.config_errors import schema_at
from assistant.config_file import load
from assistant.config_schema import SCHEMA_FILE
from assistant.config_value import parse, read_value
from assistant.settings import Settings

EXAMPLE = SCHEMA_FILE.with_name("assistant.example.yaml").read_text(encoding="utf-8")
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


def test_what_a_running_server_takes_over_is_said_rightly(file: Path) -> None:
    assert set(Settings.model_fields) - RESTART - REBUILD == set(TAKEN) - REBUILD
    assert "started again" in config("set", "server.port", "8001").output
    assert "ingest --rebuild" in config("set", "chunking.max_tokens", "200").output


@pytest.mark.parametrize(
    ("key", "value", "below"),
    [
        ("roles.main", ["a", "b"], "  # main: builtin\n"),
        ("data", "there", "# data: data\n"),
        ("models.gpt.temperature", 0.2, "    # options: {}\n"),
        ("surfaces.portal.voice", "always", "    # voice: on_request\n"),
        ("router.costs.missed_lookup", 6, "    # missed_lookup: 4.0\n"),
        ("collections.hr.sources", ["docs"], "    # readers: [everyone]\n"),
    ],
)
def test_in_the_example_a_key_goes_below_the_comment_that_shows_it(key: str, value: Any, below: str) -> None:
    loc = tuple(key.split("."))
    after = set_value(EXAMPLE, loc, value)
    assert all(line.startswith("+") for line in changed(EXAMPLE, after)), "no line goes"
    position = next(n for n, (a, b) in enumerate(zip(EXAMPLE, after, strict=False)) if a != b)
    above = after[: after.rindex("\n", 0, position) + 1]
    own = [line for line in above.splitlines(keepends=True) if line.lstrip().startswith("# ")]
    assert own[-1] == below
    emptied = unset_value(after, loc)
    assert written(emptied, loc) is None and emptied.startswith(above)


def test_every_setting_of_the_example_can_be_set_and_unset(tmp_path: Path) -> None:
    path = tmp_path / "assistant.yaml"
    path.write_text(EXAMPLE)
    for key, origin in load(path, environ={}).origins.items():
        if origin != "default" and "[" not in key:
            loc = tuple(key.split("."))
            assert written(set_value(EXAMPLE, loc, "new"), loc) == "new"
            assert written(unset_value(EXAMPLE, loc), loc) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "roles:\n  main: c\n"),
        ("# only words", "# only words\nroles:\n  main: c\n"),
        ("roles: {}", "roles: {main: c}"),
        ("{roles: {voice: b}, data: x}", "{roles: {voice: b, main: c}, data: x}"),
        ("roles: ~ # none\ndata: x\n", "roles:  # none\n  main: c\ndata: x\n"),
        ("roles: # none\n\n    # main: a\n\ndata: x\n", "roles: # none\n\n    # main: a\n    main: c\n\ndata: x\n"),
        ("roles:\n  main: [a,\n    b] # two\ndata: x\n", "roles:\n  main: c # two\ndata: x\n"),
        ("roles:\n  main:\n  - a\n  # or\n  - b\n  voice: a\n", "roles:\n  main: c\n  voice: a\n"),
        ("roles:\n  main: |\n    a\n\n# end\n", "roles:\n  main: c\n\n# end\n"),
        ("roles:\n  voice: b\n\n\n# end", "roles:\n  voice: b\n  main: c\n\n\n# end"),
        ("---\ndata: x\n...\n", "---\ndata: x\nroles:\n  main: c\n...\n"),
        ("\ufeffdata: x", "\ufeffdata: x\nroles:\n  main: c\n"),
        ("data: a\x0cb\nroles:\n  main: d\n", None),
    ],
)
def test_odd_files(before: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(yaml.YAMLError):
            set_value(before, ("roles", "main"), "c")
    else:
        assert set_value(before, ("roles", "main"), "c") == after


@pytest.mark.parametrize("text", ["a: &x {main: q}\nroles: *x\n", "roles:\n- x\n", "roles: x\n", "- x\n"])
def test_what_cannot_be_changed_alone_is_refused(text: str) -> None:
    with pytest.raises(NotEditable):
        set_value(text, ("roles", "main"), "c")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("roles.main", "a", "a"),
        ("roles.main", "[a, b]", ["a", "b"]),
        ("roles.voice", "null", None),
        ("organisation", "null", "null"),
        ("organisation", "12", "12"),
        ("organisation", "'[x]'", "[x]"),
        ("surfaces.portal.greeting", "[Docs](http://x) are: here", "[Docs](http://x) are: here"),
        ("models.gpt.temperature", "0.2", 0.2),
        ("models.gpt.temperature", "${T}", "${T}"),
        ("router.ask", "true", True),
        ("router.ask", "yes", "yes"),
        ("models.gpt.options.stop", "end: here", "end: here"),
        ("models.gpt", "{connector: ollama}", {"connector": "ollama"}),
    ],
)
def test_what_people_type_is_read_by_what_the_setting_takes(key: str, text: str, value: Any) -> None:
    assert read_value(text, schema_at(tuple(key.split(".")))) == value


names = st.text("abc_-é :#", min_size=1, max_size=4)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-9, 99)
    | st.floats(-9, 9)
    | st.text("ab :#'\"{}[],&*!|>%@`-?~\n\té", max_size=8)
)
values = scalars | st.lists(scalars, max_size=3)
trees = st.recursive(
    st.dictionaries(names, values, min_size=1, max_size=3),
    lambda inner: st.dictionaries(names, values | inner, min_size=1, max_size=3),
    max_leaves=6,
)


@given(tree=trees, flow=st.sampled_from([True, False, None]), loc=st.lists(names, min_size=1, max_size=3), value=values)
def test_any_edit_of_any_file_changes_that_key_alone(tree: Any, flow: bool | None, loc: list[str], value: Any) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    text = "".join(f"{line}# {n}\n" if line == "\n" else line for n, line in enumerate(text.splitlines(keepends=True)))
    try:
        after = set_value(text, tuple(loc), value)
    except NotEditable as refused:
        assert "holds a value" in str(refused), (text, loc, value)
        return
    assert written(after, tuple(loc)) == value
    if written(text, tuple(loc)) is None and not flow:
        kept = [line for line in changed(text, after) if line.startswith("-")]
        assert len(kept) <= 1, "at most the line of an empty section changes"
    assert written(unset_value(after, tuple(loc)), tuple(loc)) is None
    assert parse(after) != parse(text) or value == written(text, tuple(loc))
