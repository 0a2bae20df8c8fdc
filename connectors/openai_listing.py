"""The models that a server lists, and their context windows where it tells them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from connectors import errors
from connectors.base import Offered
from connectors.openai_server import Server
from connectors.presets import Windows

# Where servers that speak OpenAI's interface put the window into their list: vLLM and most others; llama.cpp in `meta`.
_LISTED = ("max_model_len", "context_window", "context_length", "max_context_length", "n_ctx", "n_ctx_train")


async def listed(server: Server, windows: Windows) -> tuple[Offered, ...]:
    """What ``GET /models`` lists, with what the server's own interface adds. Raises ConnectorError.

    The own interfaces: llama.cpp ``/props``, LM Studio ``/api/v0/models``, TGI ``/info``, Ollama ``/api/show`` and
    ``/api/ps``. One that cannot be read costs only the windows.
    """
    explainer = server.explainer()
    with explainer.explained():
        found = await server.get("/models")
        rows: list[dict[str, Any]] = list(found["data"] or ())
        offered = {str(row["id"]): _window(row) for row in rows}
    try:
        with explainer.explained():
            await _add_windows(server, windows, offered)
    except errors.ConnectorError:
        pass
    return tuple(Offered(name, window) for name, window in offered.items())


def _window(row: dict[str, Any]) -> int | None:
    facts = row | (row.get("meta") or {})
    return next((found for key in _LISTED if (found := _number(facts.get(key)))), None)


def _number(found: object) -> int | None:
    return found if isinstance(found, int) and found > 0 else None


async def _add_windows(server: Server, windows: Windows, offered: dict[str, int | None]) -> None:
    """Fill in ``offered``; the window that the server runs a model with beats the one that the model was made for."""
    root = urlunsplit((*urlsplit(str(server.spec.base_url))[:2], "", "", ""))
    if windows == "llamacpp" and len(offered) == 1:
        props = await server.get(f"{root}/props")
        _fill(offered, next(iter(offered)), props["default_generation_settings"].get("n_ctx"))
    elif windows == "tgi" and len(offered) == 1:
        _fill(offered, next(iter(offered)), (await server.get(f"{root}/info")).get("max_total_tokens"))
    elif windows == "lmstudio":
        for row in (await server.get(f"{root}/api/v0/models"))["data"]:
            _fill(offered, row["id"], row.get("loaded_context_length") or row.get("max_context_length"))
            if row.get("type") == "embeddings":
                offered.pop(row["id"], None)
    elif windows == "ollama":
        for name in list(offered):
            shown = await server.post(f"{root}/api/show", {"model": name})
            _fill(offered, name, _shown(shown))
            if "completion" not in (shown.get("capabilities") or ["completion"]):
                offered.pop(name)
        for row in (await server.get(f"{root}/api/ps"))["models"]:
            _fill(offered, row["name"], row.get("context_length"))


def _fill(offered: dict[str, int | None], name: str, window: object) -> None:
    if name in offered:
        offered[name] = _number(window) or offered[name]


def _shown(model: dict[str, Any]) -> int | None:
    """Ollama's ``num_ctx`` where the model's file sets it, else the window that the model was made for."""
    for line in (model.get("parameters") or "").splitlines():
        key, _, value = line.partition(" ")
        if key == "num_ctx" and value.strip().isdigit():
            return int(value)
    facts = model.get("model_info") or {}
    return next((_number(value) for key, value in facts.items() if key.endswith(".context_length")), None)
