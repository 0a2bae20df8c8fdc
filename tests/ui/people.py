"""A server with documents that not everybody may read, and people with API keys who may more or less."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.access.api_keys import ApiKeys
from assistant.records.repository import Repository
from tests.serving import Serving, serving, wait_until_read

LONDON = "What is the hotel cap per night in London?"
SECRET = "The salary of the chief executive is 417,211 pounds."
KEYS: dict[str, dict[str, Any]] = {
    "user": {},
    "other": {},
    "hr": {"groups": ["hr"]},
    "held": {"groups": ["hr"], "collections": ["demo"]},
    "shop": {"surfaces": ["shop"]},
    "editor": {"role": "editor"},
    "demo editor": {"role": "editor", "collections": ["demo"]},
    "admin": {"role": "admin"},
}
WORDS = [["Well, "] + [f"word{number} " for number in range(20)] + ["the end."]]


@dataclass(frozen=True)
class People:
    """The server, and what each shows to it; ``nobody`` shows nothing."""

    server: Serving
    keys: dict[str, str]

    def __call__(self, who: str, method: str, path: str, **given: Any) -> httpx.Response:
        """A request of somebody."""
        shown = {} if who == "nobody" else {"Authorization": f"Bearer {self.keys[who]}"}
        headers = {**shown, **given.pop("headers", {})}
        address = f"{self.server.url}/api/v1/{path}"
        return httpx.request(method, address, headers=headers, timeout=60, **given)

    def get(self, who: str, path: str, **params: Any) -> Any:
        """The JSON of what is there."""
        response = self(who, "GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def chat(self, who: str, message: str = LONDON, headers: dict[str, str] | None = None, **body: Any) -> list[Any]:
        """The events of a turn."""
        response = self(who, "POST", "chat", json={"message": message, **body}, headers=headers or {})
        assert response.status_code == 200, response.text
        return events(response.text)


def events(text: str) -> list[Any]:
    """The events of a stream."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def code(response: httpx.Response) -> tuple[int, str]:
    """The status of a refusal and its code."""
    return response.status_code, response.json()["error"]["code"]


async def made(folder: Path) -> dict[str, str]:
    """A key for everybody."""
    records = Repository(f"sqlite+aiosqlite:///{folder / 'data' / 'records.db'}")
    await records.open()
    keys = ApiKeys(records)
    found = {name: (await keys.add(name, **given))[0] for name, given in KEYS.items()}
    await records.close()
    return found


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    folder = tmp_path_factory.mktemp("people")
    (folder / "pay").mkdir()
    (folder / "pay" / "pay.md").write_text(f"# Pay\n\n{SECRET}\n", encoding="utf-8")
    with serving(
        folder,
        collections={
            "demo": {"title": "Handbook", "sources": ["demo:"]},
            "pay": {"sources": ["pay"], "readers": ["hr"]},
        },
        surfaces={"portal": {}, "shop": {"collections": ["demo"]}},
        models={"slow": {"connector": "scripted", "options": {"answers": WORDS, "delay": 0.05}}},
        roles={"voice": "slow"},
        limits={"attachment_megabytes": 1},
    ) as server:
        wait_until_read(server)
        keys = asyncio.run(made(folder))
        token = json.loads((folder / "data" / "server.json").read_text(encoding="utf-8"))["token"]
        yield People(server, keys | {"machine": token})
