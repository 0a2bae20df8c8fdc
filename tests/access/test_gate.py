"""The gate: who somebody is by what they show, guests, nobody, and pages of other sites."""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest

from assistant.access.guests import NAME, Guests
from assistant.access.identity import Denied, Identity
from assistant.access.origins import listed
from assistant.app import build_assistant
from assistant.config_file import load
from assistant.settings_file import SettingsFile
from tests.access.portals import MACHINE, OTHER_SECRET, SECRET, claims, ec_key, gates, settings, token


async def test_a_portals_token_says_who_somebody_is_and_what_they_may(tmp_path: Path) -> None:
    async with gates(settings(tmp_path)) as (gate, _):
        ends = int(time.time()) + 100
        shown = token(
            claims(name="Ada Lovelace", groups=["staff", "leads"], exp=ends, role="admin", collections=["all"])
        )
        assert await gate.bearer(shown) == Identity(
            "token:portal:ada",
            "token",
            "Ada Lovelace",
            frozenset({"staff", "leads"}),
            "user",
            frozenset({"portal"}),
            expires=ends,
        )
        plain = await gate.bearer(token(claims(groups=None, name=None)))
        assert (plain.name, plain.groups) == ("", frozenset())


async def test_a_key_brings_its_role_its_groups_and_its_bounds(tmp_path: Path) -> None:
    async with gates(settings(tmp_path)) as (gate, keys):
        key, known = await keys.add(
            "ci", surfaces=["shop"], collections=["hr"], groups=["staff"], role="editor", days=2
        )
        assert known.expires_at is not None
        assert await gate.bearer(key) == Identity(
            f"key:{known.id}",
            "key",
            "ci",
            frozenset({"staff"}),
            "editor",
            frozenset({"shop"}),
            frozenset({"hr"}),
            known.id,
            known.expires_at.timestamp(),
        )
        free = await gate.bearer((await keys.add("free"))[0])
        assert (free.surfaces, free.collections, free.expires, free.role) == (None, None, None, "user")
        bound = await gate.bearer((await keys.add("bound", surfaces=[], collections=[]))[0])
        assert (bound.surfaces, bound.collections) == (frozenset(), frozenset()), "none is not all"


async def test_the_machines_token_is_an_admin(tmp_path: Path) -> None:
    async with gates(settings(tmp_path)) as (gate, _):
        assert await gate.bearer(MACHINE) == Identity("machine", "machine", role="admin")


@pytest.mark.parametrize("mode", ["none", "required"])
async def test_what_is_shown_is_checked_in_both_modes(tmp_path: Path, mode: str) -> None:
    async with gates(settings(tmp_path, mode=mode)) as (gate, _):
        assert (await gate.bearer(token())).person == "token:portal:ada"
        with pytest.raises(Denied):
            await gate.bearer(token(key=OTHER_SECRET))


async def test_nobody_may_come_where_the_settings_say_so(tmp_path: Path) -> None:
    async with gates(settings(tmp_path, mode="none")) as (gate, _):
        assert gate.nobody() == Identity("api")
        assert gate.guest("closed")[1].surfaces == frozenset({"closed"})
        with pytest.raises(Denied):
            gate.guest("nowhere")
    async with gates(settings(tmp_path)) as (gate, _):
        with pytest.raises(Denied) as refused:
            gate.nobody()
        assert (refused.value.status, refused.value.code) == (401, "sign_in")
        for surface in ("portal", "nowhere", ""):
            with pytest.raises(Denied) as refused:
                gate.guest(surface)
            assert (refused.value.status, refused.value.code) == (403, "not_anonymous")


async def test_a_guest_is_the_same_person_as_long_as_the_token_is_renewed(tmp_path: Path) -> None:
    async with gates(settings(tmp_path)) as (gate, keys):
        first, guest = gate.guest("shop")
        assert guest.person.startswith("guest-") and (guest.via, guest.role) == ("guest", "user")
        assert guest.expires is not None and abs(guest.expires - time.time() - 30 * 24 * 3600) < 60
        renewed = gate.renew(await gate.bearer(first))
        assert (await gate.bearer(renewed)).person == guest.person != gate.guest("shop")[1].person
        strangers = [
            await gate.bearer(each) for each in (token(), MACHINE, (await keys.add("k", surfaces=["shop"]))[0])
        ]
        for stranger in (
            *strangers,
            Identity("guest-" + 32 * "0"),
            Identity("x", "guest", surfaces=frozenset({"portal"})),
        ):
            with pytest.raises(Denied) as refused:
                gate.renew(stranger)
            assert refused.value.status == 403


async def test_guests_are_known_after_a_restart_by_a_secret_that_others_cannot_read(tmp_path: Path) -> None:
    now = settings(tmp_path)
    async with gates(now) as (gate, _):
        assert not (tmp_path / NAME).exists(), "made when it is needed"
        shown, guest = gate.guest("shop")
    assert os.stat(tmp_path / NAME).st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if "guests" in path.name) == [NAME]
    async with gates(now) as (gate, _):
        assert await gate.bearer(shown) == guest
    (tmp_path / NAME).unlink()
    async with gates(now) as (gate, _):
        with pytest.raises(Denied):
            await gate.bearer(shown)


def test_many_that_begin_at_once_make_one_secret(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def begin(folder: Path) -> str:
        guests = Guests(folder)
        together.wait(60)
        return guests.new("shop")[0]

    with ThreadPoolExecutor(8) as pool:
        for number in range(30):
            folder = tmp_path / str(number)
            folder.mkdir()
            made = list(pool.map(begin, 8 * [folder]))
            secret = (folder / NAME).read_text()
            assert len({jwt.decode(shown, secret, algorithms=["HS256"])["sub"] for shown in made}) == 8
            assert [path.name for path in folder.iterdir()] == [NAME]


@pytest.mark.parametrize("held", ["", "short", "a" * 43 + "\nmore"])
def test_a_secret_that_is_none_is_not_used(tmp_path: Path, held: str) -> None:
    (tmp_path / NAME).write_text(held)
    with pytest.raises(OSError, match="delete it") as error:
        Guests(tmp_path).new("shop")
    assert not held or held not in str(error.value)


ORIGINS = [
    ("https://portal.example.com", "https://portal.example.com", True),
    ("https://a.lab.example.com", "https://*.lab.example.com", True),
    ("https://a.b.lab.example.com", "https://*.lab.example.com", True),
    ("https://a.lab.example.com:8443", "https://*.lab.example.com:8443", True),
    ("http://[::1]:8000", "http://[::1]:8000", True),
    ("https://lab.example.com", "https://*.lab.example.com", False),
    ("https://.lab.example.com", "https://*.lab.example.com", False),
    ("https://evil-lab.example.com", "https://*.lab.example.com", False),
    ("https://evil.example/.lab.example.com", "https://*.lab.example.com", False),
    ("https://evil.example#.lab.example.com", "https://*.lab.example.com", False),
    ("https://evil.example:1.lab.example.com", "https://*.lab.example.com", False),
    ("https://a@b.lab.example.com", "https://*.lab.example.com", False),
    ("http://a.lab.example.com", "https://*.lab.example.com", False),
    ("https://a.lab.example.com:8443", "https://*.lab.example.com", False),
    ("https://a.lab.example.com.evil.example", "https://*.lab.example.com", False),
    ("http://portal.example.com", "https://portal.example.com", False),
    ("https://portal.example.com:8443", "https://portal.example.com", False),
    ("https://portal.example.com.evil.example", "https://portal.example.com", False),
    ("https://portal.example.com/", "https://portal.example.com", False),
    ("null", "https://portal.example.com", False),
    ("", "https://portal.example.com", False),
    ("https://", "https://*.lab.example.com", False),
]


@pytest.mark.parametrize(("origin", "allowed", "may"), ORIGINS)
def test_a_site_is_the_one_that_is_listed_or_below_it(origin: str, allowed: str, may: bool) -> None:
    assert listed(origin, ["https://unrelated.example", allowed]) is may


async def test_pages_of_listed_sites_may_call_for_those_of_their_surface(tmp_path: Path) -> None:
    portal, lab = "https://portal.example.com", "https://a.lab.example.com"
    async with gates(settings(tmp_path)) as (gate, keys):
        ada, bob = await gate.bearer(token()), await gate.bearer(token(claims("lab"), ec_key()))
        free = await gate.bearer((await keys.add("free"))[0])
        assert gate.allows(portal, None) and gate.allows(lab, None) and gate.allows(portal, None, "portal")
        assert not gate.allows(portal, None, "lab") and not gate.allows("https://evil.example", None)
        assert gate.allows(portal, ada) and gate.allows(portal, ada, "portal") and gate.allows(lab, bob)
        assert not gate.allows(lab, ada) and not gate.allows(portal, bob) and not gate.allows(portal, ada, "lab")
        assert gate.allows(lab, free) and not gate.allows(lab, free, "portal") and not gate.allows("null", free)
        for own in (Identity("sign_in:x:ada", "sign_in", role="admin"), Identity("machine", "machine")):
            assert not gate.allows(portal, own) and not gate.allows(portal, own, "portal")
        gone = Identity("token:gone:x", "token", surfaces=frozenset({"gone"}))
        assert not gate.allows(portal, gone) and not gate.allows(portal, gone, "gone")


async def test_sessions_are_asked_where_there_are_any(tmp_path: Path) -> None:
    async with gates(settings(tmp_path)) as (gate, _):
        assert await gate.session("cookie") is None


FILE = """\
surfaces:
  portal: {token: {secret: "${file:portal.key}"}, origins: ["https://a.example.com"]}
access: {mode: %s}
"""


async def test_a_secret_that_is_exchanged_counts_no_more_while_it_runs(tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "portal.key").write_text(SECRET)
    file = tmp_path / "assistant.yaml"
    file.write_text(FILE % "required")
    loaded = load(file, environ={})
    watching = SettingsFile(lambda: load(file, environ={}), loaded.watched)
    async with build_assistant(loaded.settings, file=watching) as assistant:
        gate = assistant.gate(MACHINE)
        assert (await gate.bearer(token())).person == "token:portal:ada"
        (tmp_path / "portal.key").write_text(OTHER_SECRET)
        with pytest.raises(Denied):
            await gate.bearer(token())
        assert (await gate.bearer(token(key=OTHER_SECRET))).person == "token:portal:ada"
        with caplog.at_level(logging.INFO):
            file.write_text(FILE.replace("a.example", "b.example") % "none")
            await assistant.refresh()
        assert gate.allows("https://b.example.com", None) and not gate.allows("https://a.example.com", None)
        with pytest.raises(Denied):
            gate.nobody()
        assert "only a restart takes it over: access" in caplog.text, "by the mode it was judged where it may listen"


async def test_roles_and_the_sign_in_are_taken_over_while_it_runs(tmp_path: Path) -> None:
    text = "access: {mode: required, sign_in: {issuer: 'https://i.example', client_id: c}, roles: {admin: [%s]}}"
    file = tmp_path / "assistant.yaml"
    file.write_text(text % "old")
    loaded = load(file, environ={})
    watching = SettingsFile(lambda: load(file, environ={}), loaded.watched)
    async with build_assistant(loaded.settings, file=watching) as assistant:
        file.write_text(text % "new")
        await assistant.refresh()
        assert assistant.settings.access.roles.admin == ["new"]


SIGNED_IN = """\
access:
  mode: required
  sign_in: {issuer: "https://%s.example", client_id: c, hours: %s}
  roles: {admin: [%s]}
"""


@pytest.mark.parametrize(
    ("changed", "role"),
    [(("i", 12, "it"), "admin"), (("i", 12, ""), "user"), (("i", 0.000001, "it"), None), (("j", 12, "it"), None)],
)
async def test_changed_settings_count_for_who_is_signed_in_though_nobody_asks_anything(
    tmp_path: Path, changed: tuple[str, float, str], role: str | None
) -> None:
    file = tmp_path / "assistant.yaml"
    file.write_text(SIGNED_IN % ("i", 12, "it"))
    loaded = load(file, environ={})
    watching = SettingsFile(lambda: load(file, environ={}), loaded.watched)
    async with build_assistant(loaded.settings, file=watching) as assistant:
        gate = assistant.gate(MACHINE)
        cookie = await assistant.sessions.begin({"sub": "ada", "groups": ["it"]})
        known = await gate.session(cookie)
        assert known is not None and known.role == "admin"
        file.write_text(SIGNED_IN % changed + "# longer than before")
        found = await gate.session(cookie)
        assert (found and found.role) == role
