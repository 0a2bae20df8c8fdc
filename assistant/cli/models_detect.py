"""``assistant models detect``: what could be configured here, as settings to paste."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from assistant.cli.common import FAILED, console, stop
from assistant.config_file import variables_set
from assistant.config_value import show
from assistant.settings import BUILTIN
from connectors import detect as here
from connectors.detect import LocalServer, Provider
from connectors.presets import PRESETS

ORDER = "Asked in this order until one answers: first what runs on this machine, last what needs no model."
OTHERS = 4


def detect(as_json: bool) -> None:
    """Print what is there, on stderr, and the settings for it."""
    local = asyncio.run(here.servers())
    keys = here.providers(variables_set(each.variable for each in here.PROVIDERS))
    chosen = settings_for(local, keys)
    if as_json:
        known = [asdict(each) | {"connector": each.connector, "installed": each.installed} for each in keys]
        found = {"servers": [asdict(each) for each in local], "keys": known, "settings": chosen}
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    _tell(local, keys)
    if not chosen:
        stop(
            "there is nothing to configure yet. Start a server here (ollama serve, then ollama pull llama3.2), or put "
            "a key into the environment (export OPENAI_API_KEY=…), and run this again",
            FAILED,
        )
    print(as_yaml(chosen, local))


def settings_for(local: Sequence[LocalServer], keys: Sequence[Provider]) -> dict[str, Any]:
    """The models that can be used at once, and a chain of them: local ones first, so that what people say stays here
    for as long as they answer, and the builtin last. Empty if there is none."""
    models: dict[str, dict[str, str]] = {}
    for server in local:
        if server.problem is None and server.models:
            taken = sum(each["connector"] == server.connector for each in models.values())
            name = f"{server.connector}-{taken + 1}" if taken else server.connector
            models[name] = {"connector": server.connector, "model": server.models[0].name}
            if server.base_url != PRESETS[server.connector].base_url:
                models[name]["base_url"] = server.base_url
    for key in keys:
        if key.installed:
            models[key.name] = {"connector": key.connector, "model": key.model, "api_key": f"${{{key.variable}}}"}
    return {"models": models, "roles": {"main": [*models, BUILTIN]}} if models else {}


def as_yaml(chosen: dict[str, Any], local: Sequence[LocalServer]) -> str:
    """The settings as people write them, with what else there is as comments."""
    others = {each.models[0].name: [model.name for model in each.models[1:]] for each in local if each.models}
    lines = ["models:"]
    for name, model in chosen["models"].items():
        lines.append(f"  {name}:")
        for key, value in model.items():
            more = others.get(value, []) if key == "model" else []
            note = f"  # also there: {', '.join(more[:OTHERS])}{', …' if len(more) > OTHERS else ''}" if more else ""
            lines.append(f"    {key}: {show(value, flow=False)}{note}")
    return "\n".join([*lines, "roles:", f"  # {ORDER}", f"  main: {show(chosen['roles']['main'], flow=True)}"])


def _tell(local: Sequence[LocalServer], keys: Sequence[Provider]) -> None:
    out = console(stderr=True)
    for server in local:
        names = ", ".join(each.name for each in server.models[:OTHERS])
        more = len(server.models) - OTHERS
        says = server.problem or (f"{names}{f' and {more} more' if more > 0 else ''}" if names else _no_model(server))
        out.print(f"{server.connector} at {server.base_url}: {says}", markup=False)
    for key in keys:
        says = f"set; {key.connector} can use it" if key.installed else f"set; to use it: {key.install}"
        out.print(f"{key.variable}: {says}", markup=False)


def _no_model(server: LocalServer) -> str:
    advice = "ollama pull llama3.2" if server.connector == "ollama" else "load one there"
    return f"answers, but has no chat model yet: {advice}"
