"""Who the chat page takes a browser for, and when it takes no more uploads."""

import os
import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

from assistant.access.gate import Gate
from assistant.access.identity import Identity
from assistant.access.limits import Limiter, Refused
from assistant.config_limits import Allowance, Amounts
from tests.access.portals import gates, settings
from ui import uploads
from ui.chat_visit import SHOWN_TURNS, Visit, guest


def test_a_guest_is_known_again() -> None:
    assert Visit.read(["guest-1", "c", 60]) == Visit(guest("guest-1"), "c", 60)
    assert Visit.read(["guest-1", "c"]) == Visit(guest("guest-1"), "c", SHOWN_TURNS)


@pytest.mark.parametrize(
    "kept", [["api", ""], ["command", "c", 30], ["", ""], "guest-1", None, [1, 2], ["guest-1"], {}]
)
def test_whoever_else_a_browser_says_it_is_becomes_a_new_guest(kept: Any) -> None:
    found = Visit.read(kept)
    assert found.person.startswith("guest-") and len(found.person) > 30 and found.conversation == ""


ADA = Identity("sign_in:ada", "sign_in", groups=frozenset({"board"}))


def asked_by(identity: Identity | None) -> gr.Request:
    return gr.Request(Request({"type": "http", "headers": [], "state": {"identity": identity}}))


@pytest.mark.parametrize("kept", [None, ["guest-1", "c"], ["sign_in:eve", "c"], ["", "c"]])
def test_whoever_has_signed_in_is_who_the_front_door_says(kept: Any) -> None:
    assert Visit.read(kept, asked_by(ADA)).who == ADA


def test_nobody_is_signed_in_by_what_the_browser_keeps() -> None:
    kept = Visit.read(["guest-1", "c"], asked_by(ADA)).kept
    assert Visit.read(kept, asked_by(ADA)).conversation == "c"
    found = Visit.read(kept, asked_by(None))
    assert found.who.via == "guest" and found.person != ADA.person and found.conversation == ""


def of_the_page(gate: Gate) -> gr.Request:
    return gr.Request(Request({"type": "http", "headers": [], "state": {"identity": None, "nobody": gate.nobody}}))


async def let_in(who: Identity, limits: Amounts, limiter: Limiter) -> bool:
    try:
        await limiter.admit(who, "portal", limits)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("kept", [None, ["guest-1", "c", 60], ["sign_in:eve", "c"]])
async def test_whoever_asks_on_a_computer_of_their_own_is_not_bounded_unasked(tmp_path: Path, kept: Any) -> None:
    usual = settings(tmp_path, mode="none")
    async with gates(usual) as (gate, _):
        visit, limiter = Visit.read(kept, of_the_page(gate)), Limiter()
        assert visit.person.startswith("guest-") and (visit.who.via, visit.who.groups) == ("nobody", frozenset())
        assert Visit.read(visit.kept, of_the_page(gate)) == visit, "the same person as long as their browser keeps it"
        assert all([await let_in(visit.who, usual.limits, limiter) for _ in range(150)])
        _, other = gate.guest("portal")
        assert [await let_in(other, usual.limits, limiter) for _ in range(4)] == [True] * 3 + [False]
        bounded = usual.limits.model_copy(update={"person": Allowance(at_once=2)})
        each = Limiter()
        people = [Visit.read([f"guest-{number}", ""], of_the_page(gate)).who for number in (1, 1, 1, 2)]
        assert [await let_in(who, bounded, each) for who in people] == [True, True, False, True]


async def test_where_people_are_to_sign_in_a_stranger_stays_a_guest(tmp_path: Path) -> None:
    async with gates(settings(tmp_path)) as (gate, _):
        assert Visit.read(["guest-1", "c"], of_the_page(gate)).who == guest("guest-1")


def test_uploads_that_wait_are_limited_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(uploads, "MOST_WAITING", 10)
    (tmp_path / "a").write_bytes(b"x" * 8)
    assert not uploads.full()
    (tmp_path / "b").write_bytes(b"x" * 8)
    assert uploads.full()
    long_ago = time.time() - uploads.FORGET[1] - 5
    os.utime(tmp_path / "b", (long_ago, long_ago))
    assert not uploads.full() and not (tmp_path / "b").exists()
