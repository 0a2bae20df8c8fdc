"""What docs/access.md shows, as it is shown there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from assistant.access.identity import ROLES, Identity
from assistant.config_file import load
from tests.access.portals import SECRET, gates
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")


def block(language: str, holds: str) -> str:
    found = [each for each in re.findall(rf"```{language}\n(.*?)```", PAGE, re.S) if holds in each]
    assert len(found) == 1
    return str(found[0])


async def let_in(folder: Path, token: str) -> Identity:
    file = folder / "assistant.yaml"
    file.write_text(block("yaml", "PORTAL_SECRET"))
    loaded = load(file, environ={"PORTAL_SECRET": SECRET})
    loaded.settings.data.mkdir()
    async with gates(loaded.settings) as (gate, _):
        return await gate.bearer(token)


async def test_the_python_that_mints_a_token_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET", SECRET)
    names: dict[str, str] = {}
    exec(block("python", "jwt.encode"), names)
    found = await let_in(tmp_path, names["token"])
    assert (found.person, found.name) == ("token:portal:4711", "Ada Lovelace")
    assert found.groups == {"staff", "people-team"}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
async def test_the_javascript_that_mints_a_token_does(tmp_path: Path) -> None:
    code = f"{block('js', 'createHmac')}\nconsole.log(token);"
    run = subprocess.run(
        ["node", "-e", code], env={"PORTAL_SECRET": SECRET}, capture_output=True, text=True, timeout=60
    )
    assert (await let_in(tmp_path, run.stdout.strip())).person == "token:portal:4711", run.stderr


def test_every_role_has_its_row() -> None:
    assert all(f"\n| {role} | " in PAGE for role in ROLES)
