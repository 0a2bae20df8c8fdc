"""What could be configured here: model servers on this machine, and providers whose key is at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from connectors.base import ModelSpec, Offered
from connectors.errors import ConnectorError
from connectors.presets import COMPATIBLE, LOCAL
from connectors.registry import build

if TYPE_CHECKING:
    import httpx2

ADDRESSES = tuple(dict.fromkeys(str(preset.base_url) for preset in LOCAL))
"""Where local servers usually are; two kinds may share an address."""
SECONDS = 3.0
_OWNERS = {"vllm": "vllm", "llamacpp": "llamacpp", "library": "ollama"}
# What only one kind of server answers: a path, and a key of the JSON there.
_SIGNS = (
    ("ollama", "/api/version", "version"),
    ("lmstudio", "/api/v0/models", "data"),
    ("llamacpp", "/props", "default_generation_settings"),
    ("tgi", "/info", "model_id"),
    ("vllm", "/version", "version"),
)


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answered: the connector that speaks to it, its chat models, or why they cannot be listed."""

    connector: str
    base_url: str
    models: tuple[Offered, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider whose key is usually in the environment as ``variable``, with a model of its to begin with.

    ``package`` is what LangChain needs for it; None where we speak to it ourselves.
    """

    variable: str
    name: str
    model: str
    package: str | None = None

    @property
    def connector(self) -> str:
        """The connector that speaks to it."""
        return "langchain" if self.package else "openai"

    @property
    def installed(self) -> bool:
        """Whether what it needs is here."""
        return self.package is None or all(find_spec(name) for name in ("langchain", self.package))

    @property
    def install(self) -> str:
        """How to install that."""
        return f"pip install langchain {(self.package or '').replace('_', '-')}"


PROVIDERS = (
    Provider("OPENAI_API_KEY", "gpt", "gpt-5-mini"),
    Provider("ANTHROPIC_API_KEY", "claude", "anthropic:claude-sonnet-5-5", "langchain_anthropic"),
    Provider("GOOGLE_API_KEY", "gemini", "google_genai:gemini-flash-latest", "langchain_google_genai"),
    Provider("MISTRAL_API_KEY", "mistral", "mistralai:mistral-medium-latest", "langchain_mistralai"),
)


def providers(variables: Collection[str]) -> tuple[Provider, ...]:
    """Those whose key is among the names of the variables that are set."""
    return tuple(provider for provider in PROVIDERS if provider.variable in variables)


async def servers(addresses: Sequence[str] | None = None) -> tuple[LocalServer, ...]:
    """The servers at these addresses, which end in /v1, by default the usual ones on this machine."""
    import httpx2

    # Proxies that the environment names are for the world outside.
    async with httpx2.AsyncClient(timeout=SECONDS, trust_env=False) as client:
        found = await asyncio.gather(
            *(_server(client, each) for each in (ADDRESSES if addresses is None else addresses))
        )
    return tuple(server for server in found if server is not None)


async def _server(client: httpx2.AsyncClient, address: str) -> LocalServer | None:
    status, listed = await _asked(client, f"{address}/models")
    if status in (401, 403):
        usual = next((preset.name for preset in LOCAL if preset.base_url == address), COMPATIBLE.name)
        kind = await _kind(client, address, []) or usual
        return LocalServer(kind, address, problem="asks for a key: add api_key to its settings")
    # Ollama without a model lists null.
    rows = listed.get("data", "") or []
    if status != 200 or "data" not in listed or not isinstance(rows, list):
        return None
    kind = await _kind(client, address, rows) or COMPATIBLE.name
    model = build(kind, ModelSpec(kind, base_url=address, timeout=SECONDS, connect_timeout=SECONDS))
    try:
        return LocalServer(kind, address, await model.offered() or ())
    except ConnectorError as error:
        return LocalServer(kind, address, problem=str(error))
    finally:
        await model.aclose()


async def _kind(client: httpx2.AsyncClient, address: str, rows: list[Any]) -> str | None:
    """The connector for the server, by who owns its models, else by what else it answers."""
    for row in rows:
        if isinstance(row, dict) and (known := _OWNERS.get(str(row.get("owned_by")))):
            return known
    root = urlunsplit((*urlsplit(address)[:2], "", "", ""))
    signs = await asyncio.gather(*(_asked(client, root + path) for _, path, _ in _SIGNS))
    for (kind, _, key), (status, found) in zip(_SIGNS, signs, strict=True):
        if status == 200 and key in found:
            return kind
    _, described = await _asked(client, f"{root}/openapi.json")
    return "transformers-serve" if "/load_model" in (described.get("paths") or {}) else None


async def _asked(client: httpx2.AsyncClient, url: str) -> tuple[int | None, dict[str, Any]]:
    """Status and JSON object at an address; nothing where there is no server, or none that speaks HTTP."""
    import httpx2

    try:
        answer = await client.get(url)
        found = answer.json()
    except httpx2.HTTPError:
        return None, {}
    except ValueError:
        return answer.status_code, {}
    return answer.status_code, found if isinstance(found, dict) else {}
