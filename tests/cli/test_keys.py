"""``assistant keys``, and where ``assistant serve`` may listen."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from assistant.__main__ import app
from assistant.access.api_keys import ApiKeys
from assistant.records.repository import Repository
from tests.serving import CLI, end, environment, free_port, run, serving, wait_until_ready, write_settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_settings(tmp_path, surfaces={"shop": {}}, collections={"hr": {}})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments])


def made(*arguments: str) -> dict[str, Any]:
    result = keys("add", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_key_is_shown_once_with_what_it_may_do(folder: Path) -> None:
    bounds = ("--surface", "shop", "--surface", "portal", "--collection", "hr", "--group", "staff", "--days", "30")
    found = made("intranet", *bounds, "--role", "editor")
    assert (found["surfaces"], found["collections"], found["groups"]) == (["portal", "shop"], ["hr"], ["staff"])
    assert (found["name"], found["role"], found["counts"], found["used_at"]) == ("intranet", "editor", True, None)
    plain = keys("add", "second")
    key = plain.stdout.strip()
    assert key.startswith("sy_") and key not in plain.stderr and "only time" in plain.stderr

    async def find() -> list[str]:
        records = Repository(f"sqlite+aiosqlite:///{folder / 'data' / 'records.db'}")
        await records.open()
        known = [await ApiKeys(records).find(each) for each in (found["key"], key)]
        await records.close()
        return [each.name for each in known if each]

    assert asyncio.run(find()) == ["intranet", "second"]
    table, listed = keys("list").output, keys("list", "--json").output
    for each in (found["key"], key):
        secret = each.split("_", 2)[2]  # which may hold such a mark itself
        assert len(secret) > 20 and secret not in table + listed
    assert [row["name"] for row in json.loads(listed)] == ["intranet", "second"]
    assert "intranet" in table and "second" in table and "editor" in table and "never" in table


def test_a_key_is_ended_by_its_id_or_by_itself(folder: Path) -> None:
    first, second = made("first"), made("second")
    assert "revoked" in keys("revoke", first["id"]).output
    whole = keys("revoke", second["key"])
    assert whole.exit_code == 0 and second["key"] not in whole.output
    assert "before" in keys("revoke", first["id"]).output
    assert [row["counts"] for row in json.loads(keys("list", "--json").stdout)] == [False, False]
    gone = keys("revoke", "nothing")
    assert gone.exit_code == 2 and "no key of this id" in gone.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("x", "--surface", "shup"), "no surface 'shup'. Did you mean shop?"),
        (("x", "--collection", "hrr"), "no collection 'hrr'. Did you mean hr?"),
        (("",), "give the key a name"),
        (("a\nb",), "give the key a name"),
        ((101 * "x",), "give the key a name"),
        (("x", "--group", " staff"), "without blanks"),
        (("x", "--role", "root"), "root"),
        (("x", "--days", "0"), "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_makes_no_key(folder: Path, arguments: tuple[str, ...], says: str) -> None:
    result = keys("add", *arguments)
    assert result.exit_code == 2 and says in result.stderr
    assert json.loads(keys("list", "--json").stdout) == []


def test_keys_are_made_and_ended_while_a_server_runs(tmp_path: Path) -> None:
    with serving(tmp_path, access={"mode": "required"}, data="data") as server:

        def ask(key: str) -> int:
            headers = {"Authorization": f"Bearer {key}"}
            return httpx.get(f"{server.url}/api/v1/conversations", headers=headers).status_code

        found = json.loads(run(tmp_path, "keys", "add", "k", "--json").stdout)
        assert ask(found["key"]) == 200 and ask(found["key"][:-1]) == 401
        assert httpx.get(f"{server.url}/api/v1/conversations").status_code == 401
        run(tmp_path, "keys", "revoke", found["id"])
        until = time.monotonic() + 60
        while ask(found["key"]) == 200 and time.monotonic() < until:
            time.sleep(0.5)
        assert ask(found["key"]) == 401
        assert found["key"][16:] not in server.log
    held = sqlite3.connect(tmp_path / "data" / "records.db")
    assert found["id"] in str(rows := held.execute("SELECT * FROM api_keys").fetchall())
    assert found["key"][16:] not in str(rows)
    held.close()


def test_a_name_that_another_key_has_is_pointed_out_and_a_role_that_there_is_not_refused(tmp_path: Path) -> None:
    write_settings(tmp_path, data="data")
    first = json.loads(run(tmp_path, "keys", "add", "search", "--json").stdout)
    assert "another key of this name" not in run(tmp_path, "keys", "add", "other").stderr
    again = run(tmp_path, "keys", "add", "search", "--json")
    assert json.loads(again.stdout)["id"] != first["id"] and f"assistant keys revoke {first['id']}" in again.stderr
    refused = run(tmp_path, "keys", "add", "x", "--role", "boss")
    assert refused.returncode == 2 and "there is no role 'boss'. There are: admin, editor, user." in refused.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"access": {"mode": "required"}}, "note: nobody can come in but programs with an API key"),
        ({"access": {"mode": "required"}, "surfaces": {"shop": {"anonymous": True}}}, "by the widget (shop)"),
    ],
)
def test_whom_the_settings_leave_out_is_noted(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    write_settings(tmp_path, **settings)
    found = run(tmp_path, "config", "check")
    assert found.returncode == 0 and said in found.stdout, found.stdout + found.stderr


def test_what_serve_would_refuse_is_not_fine(tmp_path: Path) -> None:
    write_settings(tmp_path, server={"host": "0.0.0.0"})
    found = run(tmp_path, "config", "check")
    assert found.returncode == 2 and "access.open_to_network: true" in found.stderr and "fine" not in found.stdout


def test_a_log_of_json_is_json_from_its_first_line(tmp_path: Path) -> None:
    with serving(tmp_path, log_format="json", collections={}, access={"mode": "required"}) as server:
        lines = [json.loads(line) for line in server.log.splitlines()]
        messages = [line["message"] for line in lines]
    assert f"Switchyard is at {server.url}" in messages
    assert any(message.startswith("Nobody can come in but") for message in messages)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_what_asks_nobody_who_they_are_listens_on_this_machine_alone(tmp_path: Path, host: str) -> None:
    write_settings(tmp_path, data="data")
    found = run(tmp_path, "serve", "--host", host, "--port", str(free_port()))
    assert found.returncode == 2
    for way in ("access.mode: required", "--host 127.0.0.1", "access.open_to_network: true"):
        assert way in found.stderr


@pytest.mark.parametrize("access", [{"mode": "required"}, {"open_to_network": True}], ids=str)
def test_what_knows_people_or_is_open_by_intent_listens_anywhere(tmp_path: Path, access: dict[str, Any]) -> None:
    write_settings(tmp_path, access=access)
    port = free_port()
    command = [*CLI, "serve", "--host", "0.0.0.0", "--port", str(port)]
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=log, stderr=log, text=True)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process, tmp_path)
    finally:
        end(process)
