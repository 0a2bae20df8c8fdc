"""One value of a YAML text: what people type read as a value, and a value written on one line."""

from __future__ import annotations

import json
from typing import Any

import yaml

from assistant.config_yaml import Loader


def parse(text: str) -> Any:
    """The plain values of a YAML text by the rules of the settings file; `${…}` stays as it is. Raises YAMLError."""
    return Loader(text).get_single_data()


def read_value(text: str, schema: dict[str, Any]) -> Any:
    """What `text`, typed by a person, means as the value of a setting of that JSON Schema.

    Where a setting takes text, it is text as it stands; elsewhere it is read as YAML. `[a, b]` is always a list, and
    what is in quotes is always text. `{en: a, de: b}` is a text by language where a setting takes one.
    """
    stripped = text.strip()
    quoted = len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "'\""
    opening = ("[", "{") if schema.get("languages") else "["
    if schema.get("type") == "string" and not quoted and not stripped.startswith(opening):
        nothing = stripped in ("null", "~") and schema.get("default", "") is None
        return None if nothing else text
    try:
        value = parse(text)
    except yaml.YAMLError:
        return text
    return text if isinstance(value, dict | list) and not stripped.startswith(("{", "[")) else value


def show(value: Any, *, flow: bool, style: str | None = None) -> str:
    """A value as YAML on one line, inside brackets if `flow`; text is quoted as `style` says, or where it must be."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{show(str(key), flow=True)}: {show(item, flow=True)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(show(item, flow=True) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    single, double = "'" + value.replace("'", "''") + "'", json.dumps(value, ensure_ascii=False)
    first = {"'": [single], '"': [double]}.get(style or "", [])
    return next((each for each in (*first, value) if _reads_as(each, value, flow)), double)


def _reads_as(written: str, value: str, flow: bool) -> bool:
    try:
        return bool(parse(f"{{k: {written}}}" if flow else f"k: {written}") == {"k": value})
    except yaml.YAMLError:
        return False
