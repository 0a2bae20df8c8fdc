"""Talking to the server that runs on the same data folder: it holds the embedded document base, so it does the work.

A running server leaves its address and a token in ``server.json`` in the data folder, readable by its user only.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.files import write_atomically

NAME = "server.json"
MOST = 200
"""Rows of one part of a list."""


class RemoteError(Exception):
    """The running server did not do what was asked; the message is its own."""

    def __init__(self, message: str, *, mistake: bool) -> None:
        super().__init__(message)
        self.mistake = mistake


@dataclass(frozen=True, slots=True)
class Running:
    """Where the server of a data folder listens, and the token that this machine's commands show it."""

    url: str
    token: str

    def write(self, data: Path) -> None:
        """Leave the address for other commands."""
        found = {"url": self.url, "token": self.token, "pid": os.getpid()}
        write_atomically(data / NAME, json.dumps(found), mode=0o600)

    @staticmethod
    def remove(data: Path) -> None:
        """Take the address away again."""
        (data / NAME).unlink(missing_ok=True)

    @classmethod
    def read(cls, data: Path) -> Running | None:
        """The running server of a data folder, None if none left its address."""
        try:
            found = json.loads((data / NAME).read_text(encoding="utf-8"))
            return cls(found["url"], found["token"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    async def answers(self) -> bool:
        """Whether it is there, and is the one that left its address."""
        try:
            await self.call("GET", "/api/v1/collections")
        except RemoteError:
            return False
        return True

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON object that a request answers with, a list with all of its parts. Raises RemoteError."""
        import httpx

        headers = {"Authorization": f"Bearer {self.token}"}
        found: dict[str, Any] = {"next": ""}
        try:
            async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, trust_env=False) as client:
                while (cursor := found.pop("next", None)) is not None:
                    part = {"limit": MOST, "cursor": cursor} if cursor else None
                    response = await client.request(method, path, json=body, params=part)
                    if response.status_code != 200:
                        raise RemoteError(_message(response.text), mistake=response.status_code < 500)
                    _join(found, response.json())
        except httpx.HTTPError as error:
            raise self._silent() from error
        return found

    def _silent(self) -> RemoteError:
        return RemoteError(
            f"another process holds the document base, and no server answers at {self.url}. "
            "Stop it, or wait until it is done",
            mistake=False,
        )

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The events of a POST that answers with server-sent events. Raises RemoteError."""
        import httpx

        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            async with (
                httpx.AsyncClient(base_url=self.url, headers=headers, timeout=None, trust_env=False) as client,
                client.stream("POST", path, json=body) as response,
            ):
                if response.status_code != 200:
                    text = (await response.aread()).decode(errors="replace")
                    raise RemoteError(_message(text), mistake=response.status_code < 500)
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))
        except httpx.HTTPError as error:
            raise self._silent() from error


def _join(found: dict[str, Any], part: dict[str, Any]) -> None:
    """Add a further part of a list to those before it."""
    for name, value in part.items():
        found[name] = [*found[name], *value] if isinstance(value, list) and name in found else value


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
