"""Planted secrets of access: keys, tokens and what they are signed with appear in no answer, log, error or trace."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from assistant.access.api_keys import ApiKeys
from assistant.access.gate import Gate
from assistant.access.guests import Guests
from assistant.access.identity import Denied
from assistant.records.repository import RecordsError, Repository
from tests.access.portals import MACHINE, OTHER_SECRET, SECRET, claims, settings, token
from tests.serving import run, serving

CLIENT = "planted-client-secret-0123456789"


def shown_by(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


async def test_no_secret_is_in_what_is_logged_or_raised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    now = settings(tmp_path)
    records = Repository(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    await records.open()
    keys, guests = ApiKeys(records), Guests(tmp_path)
    gate = Gate(lambda: now, keys, MACHINE, guests)
    key, known = await keys.add("k")
    guest, _ = gate.guest("shop")
    good = [token(), key, guest, MACHINE]
    seen = [repr(each) for each in (gate, keys, guests, known, now, *[await gate.bearer(each) for each in good])]
    for wrong in (*(each[:-2] for each in good), token(key=OTHER_SECRET), token(claims(exp=1))):
        with pytest.raises(Denied) as refused:
            await gate.bearer(wrong)
        seen.append(shown_by(refused.value))
    await records.write(lambda session: session.execute(text("DROP TABLE api_keys")))
    with pytest.raises(RecordsError) as away:
        await Gate(lambda: now, ApiKeys(records), MACHINE, guests).bearer(key)
    seen.append(shown_by(away.value))
    await records.close()
    held = (tmp_path / "guests.key").read_text()
    everything = caplog.text + "\n".join(seen)
    assert "refused" in caplog.text
    for name, secret in {
        "key": key[16:],
        "signature": token().rpartition(".")[2],
        "guest": guest,
        "held": held,
    }.items():
        assert secret not in everything, name
    for secret in (SECRET, OTHER_SECRET, MACHINE):
        assert secret not in everything and secret[4:] not in everything


def test_no_secret_is_in_what_a_server_says(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "log_level": "debug",
        "access": {
            "mode": "required",
            "sign_in": {"issuer": "https://login.invalid", "client_id": "c", "client_secret": CLIENT},
        },
        "surfaces": {"portal": {"token": {"secret": SECRET}}, "shop": {"anonymous": True}},
    }
    with serving(tmp_path, **given) as server:
        key = json.loads(run(tmp_path, "keys", "add", "k", "--json").stdout)["key"]
        machine = json.loads((tmp_path / "data" / "server.json").read_text())["token"]
        guest = httpx.post(f"{server.url}/api/v1/session", json={"surface": "shop"}).json()["token"]
        own = {"key": key, "portal": token(), "guest": guest, "machine": machine}
        seen = []
        for path in ("/api/v1/conversations", "/api/v1/sources", "/healthz", "/nowhere", "/metrics"):
            for name, good in own.items():
                for shown in (good, good[:-3]):
                    headers = {"Authorization": f"Bearer {shown}", "Cookie": f"switchyard-session={shown}"}
                    found = httpx.get(f"{server.url}{path}", headers=headers)
                    assert found.status_code < 500 and (shown == good or found.status_code == 401), (path, name)
                    seen += [found.text, str(found.headers)]
        guests = (tmp_path / "data" / "guests.key").read_text()
        log = server.log
    seen += [run(tmp_path, "config", "explain").stdout, run(tmp_path, "keys", "list").stdout]
    assert "a credential was refused" in log
    check(own | {"secret": SECRET, "guests": guests, "client": CLIENT}, log + "\n".join(seen))


def check(secrets: Mapping[str, str], everything: str) -> None:
    for name, secret in secrets.items():
        for part in (secret, secret[:-3][-20:]):
            place = everything.find(part)
            assert place < 0, f"{name}: …{everything[max(place - 200, 0) : place + 100]}"
