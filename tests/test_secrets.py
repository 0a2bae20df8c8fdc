"""Planted secrets: wherever a key can stand in the settings, no log, error, event, page or figure ever shows it."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.connectors.misbehaving import misbehaving
from tests.serving import run, serving

PLANTED = {
    "key": "sk-planted-AAAA1111bbbb2222",
    "password": "planted-password-CCCC3333",
    "parameter": "planted-parameter-DDDD4444",
    "option": "planted-option-EEEE5555",
    "file": "planted-file-FFFF6666",
}
FAULTS = ("unauthorised", "forbidden", "refused", "error_midway", "malformed", "refuses", "quota", "missing")


@pytest.mark.parametrize("debug", [False, True], ids=["info", "debug"])
async def test_no_planted_secret_is_ever_shown(tmp_path: Path, debug: bool) -> None:
    (tmp_path / "key.txt").write_text(PLANTED["file"])
    async with misbehaving() as upstream:

        def model(fault: str, index: int) -> dict[str, object]:
            address = upstream.at(fault).replace("http://", f"http://user:{PLANTED['password']}@")
            key = "${file:key.txt}" if index % 2 else PLANTED["key"]
            return {
                "connector": "openai-compatible" if index % 3 else "langchain",
                "model": "m" if index % 3 else "openai:m",
                "base_url": f"{address}?api_key={PLANTED['parameter']}" if index % 4 == 3 else address,
                "api_key": key,
                "retries": 0,
                "options": {"api_token": PLANTED["option"]} if index % 3 else {},
            }

        settings = {
            "log_level": "debug" if debug else "info",
            "models": {fault.replace("_", "-"): model(fault, index) for index, fault in enumerate(FAULTS)},
            "surfaces": {f"s{index}": {"roles": {"main": f.replace("_", "-")}} for index, f in enumerate(FAULTS)},
        }
        shown = await asyncio.to_thread(use, tmp_path, settings)
        assert len(upstream.asked) >= len(FAULTS) - 1, "the models were really asked"
    for name, secret in PLANTED.items():
        assert secret not in shown, f"the {name} is shown: …{shown[max(shown.find(secret) - 200, 0) :][:260]}"
        assert secret[8:] not in shown, name


def use(folder: Path, settings: dict[str, object]) -> str:
    """Everything that can be seen of a server with these settings."""
    with serving(folder, **settings) as server:
        seen = []
        for index in range(len(FAULTS)):
            body = {"message": "hello", "route": "voice", "surface": f"s{index}"}
            text = httpx.post(f"{server.url}/api/v1/chat", json=body, timeout=60).text
            assert "event: failed" in text, text
            seen.append(text)
        token = json.loads((folder / "data" / "server.json").read_text())["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        seen += [
            httpx.get(f"{server.url}{path}", headers=bearer).text for path in ("/", "/config", "/healthz", "/metrics")
        ]
        for command in (["config", "explain"], ["config", "check"], ["models", "list"], ["models", "list", "--json"]):
            done = run(folder, *command)
            seen += [done.stdout, done.stderr]
        (folder / "assistant.yaml").write_text(
            f"models: {{x: {{api_key: {PLANTED['key']}, base_url: 'ftp://u:{PLANTED['password']}@h', nonsense: 1}}}}\n"
        )
        hello = {"message": "hello", "route": "voice"}
        seen.append(httpx.post(f"{server.url}/api/v1/chat", json=hello, timeout=60).text)
        seen.append(run(folder, "config", "check").stderr)
        assert "nonsense" in seen[-1] and "nonsense" in server.log, "the broken file was reported"
        return "\n".join([*seen, server.log])
