"""Versions of the router: made whole, used, rolled back, refused where they do not fit, taken over while running."""

import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.routing import heads
from assistant.routing.encoder import MODEL_FILE, SHIPPED, TOKENIZER_FILE
from assistant.routing.heads import Heads
from assistant.routing.versions import VersionError, Versions

ALWAYS = SHIPPED.name


def made(versions: Versions, *names: str) -> None:
    for name in names:
        versions.install(some_heads(), "x", name=name)


def some_heads() -> Heads:
    return replace(heads.load(SHIPPED), card={"kind": "test", "command": "assistant router retrain"})


def tampered(versions: Versions, name: str, **values: object) -> None:
    file = versions.folder / "versions" / name / "card.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_the_shipped_version_is_always_there_and_nothing_is_written_for_it(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    assert [(each.name, each.in_use, each.shipped) for each in versions.listed()] == [(ALWAYS, True, True)]
    assert versions.load_current().name == ALWAYS and not list(tmp_path.iterdir())


def test_installed_is_not_used_until_it_is_said_and_a_rollback_follows_the_order_of_use(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    assert [versions.install(some_heads(), "retrained") for _ in range(2)] == ["retrained-1", "retrained-2"]
    assert versions.current() == ALWAYS
    for name in ("retrained-1", "retrained-2", "retrained-2", "retrained-1"):
        versions.use(name)
    assert Versions(tmp_path).current() == "retrained-1"
    assert [versions.rollback() for _ in range(3)] == ["retrained-2", "retrained-1", ALWAYS]
    with pytest.raises(VersionError, match="no other version was used before"):
        versions.rollback()


def test_a_version_decides_under_its_own_name(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    made(versions, "mine")
    ready = versions.load("mine")
    assert ready.heads.version == "mine" and ready.encoder.folder == SHIPPED
    assert versions.load(ALWAYS).encoder is ready.encoder, "one model in memory for both"


def test_a_version_may_bring_its_own_encoder(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "data")
    versions.install(some_heads(), "trained", encoder=SHIPPED)
    ready = versions.load("trained-1")
    assert ready.encoder.folder == tmp_path / "data" / "router" / "versions" / "trained-1"
    assert (ready.encoder.encode("hello", ()) == versions.load(ALWAYS).encoder.encode("hello", ())).all()
    with (ready.encoder.folder / MODEL_FILE).open("ab") as model:
        model.write(b"x")
    with pytest.raises(VersionError, match="its encoder was changed or is damaged"):
        versions.load("trained-1")


@pytest.mark.parametrize(
    ("reads", "says"),
    [
        ({"encoder": "other"}, "made for another encoder"),
        ({"embedder": "other"}, "made for another embedding model"),
        ({"cues": "other"}, "made for another form of turns"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do_and_the_shipped_one_decides(
    tmp_path: Path, reads: dict[str, str], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    versions = Versions(tmp_path)
    made(versions, "old")
    versions.use("old")
    card = json.loads((tmp_path / "router/versions/old/card.json").read_text())
    tampered(versions, "old", reads=card["reads"] | reads)
    with caplog.at_level(logging.WARNING):
        assert Versions(tmp_path).load_current().name == ALWAYS
    assert says in caplog.text and "make it again with `assistant router retrain`" in caplog.text
    with pytest.raises(VersionError, match=says):
        versions.use("old")
    assert next(each for each in versions.listed() if each.name == "old").problem


def test_a_version_that_vanished_or_is_damaged_never_stops_the_chat(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    made(versions, "gone", "broken")
    versions.use("broken")
    (tmp_path / "router/versions/broken/heads.npz").write_bytes(b"PK not really")
    assert Versions(tmp_path).load_current().name == ALWAYS
    versions.use("gone")
    shutil.rmtree(tmp_path / "router/versions/gone")
    assert Versions(tmp_path).load_current().name == ALWAYS
    for text in ("", "[]", '{"order": 3}', '{"order": [7]}'):
        versions.pointer.write_text(text)
        assert versions.current() == ALWAYS


def test_half_of_a_version_is_never_listed_and_swept_away_later(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    made(versions, "whole")
    home = tmp_path / "router" / "versions"
    for name in ("half", ".new-killed"):
        (home / name).mkdir()
        shutil.copy(home / "whole" / "heads.npz", home / name)
    shutil.copy(home / "whole" / "card.json", home / ".new-killed")
    assert [each.name for each in versions.listed()] == [ALWAYS, "whole"]
    os.utime(home / ".new-killed", (0, 0))
    made(versions, "next")
    assert not (home / ".new-killed").exists()


def test_names_are_taken_once_and_plain(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    made(versions, "mine")
    with pytest.raises(VersionError, match="'mine' already"):
        made(versions, "mine")
    with pytest.raises(VersionError, match=f"'{ALWAYS}' already"):
        made(versions, ALWAYS)
    for name in ("../out", "Mine", "", ".hidden", "a/b"):
        with pytest.raises(VersionError, match="cannot name a version"):
            made(versions, name)
    with pytest.raises(VersionError, match=f"There is: {ALWAYS}, mine"):
        versions.use("nope")


def test_only_what_nobody_needs_is_removed(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    made(versions, "used", "shadowed", "spare")
    versions.use("spare")
    versions.use("used")
    versions.set_shadow("shadowed")
    for name in (ALWAYS, "used", "shadowed"):
        with pytest.raises(VersionError):
            versions.remove(name)
    versions.remove("spare")
    assert [each.name for each in versions.listed()] == [ALWAYS, "shadowed", "used"]
    assert versions.rollback() == ALWAYS, "a version that is gone is passed over"


def test_a_running_process_sees_a_change_by_another_one_once(tmp_path: Path) -> None:
    running, command = Versions(tmp_path), Versions(tmp_path)
    assert running.load_current().name == ALWAYS and running.current_if_changed() is None
    made(command, "mine")
    assert running.current_if_changed() is None
    command.use("mine")
    ready = running.current_if_changed()
    assert ready is not None and ready.name == "mine" and running.current_if_changed() is None
    command.rollback()
    ready = running.current_if_changed()
    assert ready is not None and ready.name == ALWAYS


def test_an_encoder_needs_its_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    shutil.copy(SHIPPED / MODEL_FILE, tmp_path / "work")
    versions = Versions(tmp_path / "data")
    with pytest.raises(FileNotFoundError, match=TOKENIZER_FILE):
        versions.install(some_heads(), "trained", encoder=tmp_path / "work")
    assert [each.name for each in versions.listed()] == [ALWAYS]
    assert not list((tmp_path / "data" / "router" / "versions").iterdir())
