"""The settings for other eyes: a JSON Schema for editors, and rows that say what is set and where."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from assistant.config_errors import dotted, schema_at
from assistant.config_file import Loaded, leaves
from assistant.config_types import MASK, Loc, mask_url

SCHEMA_FILE = Path(__file__).with_name("assistant.schema.json")

_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}
_NULL = {"type": "null"}
_EXACT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum")
_SECRET_NAME = re.compile(r"(?i)api_?key|secret|passw|authorization|credential|cookie|(^|_)(key|token)$")


class Row(NamedTuple):
    """One setting: its dotted key, its value as text with secrets masked, and where the value came from."""

    key: str
    value: str
    origin: str


def explain(loaded: Loaded) -> list[Row]:
    """Every setting in force, in the order of the settings tree."""
    return [
        Row(dotted(loc), _shown(loaded, loc, value), loaded.origins[dotted(loc)])
        for loc, value in leaves(loaded.settings)
    ]


def _shown(loaded: Loaded, loc: Loc, value: Any) -> str:
    key = dotted(loc)
    free = loc[0] == "models" and loc[2:3] == ("options",)
    refers = any(name == key or name.startswith((f"{key}[", f"{key}.")) for name in loaded.referring)
    if isinstance(value, SecretStr) or (free and (refers or _names_secret(loc[3:]))):
        return MASK
    if value is None:
        return "not set"
    plain = isinstance(value, str | Path)
    return mask_url(str(value) if plain else json.dumps(_masked(value), ensure_ascii=False, default=str))


def _masked(value: Any) -> Any:
    """`value` with whatever has a secret's name masked, at any depth of a list in `options`."""
    if isinstance(value, dict):
        return {key: MASK if _names_secret([key]) else _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value


def _names_secret(names: Iterable[str | int]) -> bool:
    return any(_SECRET_NAME.search(str(name).replace("-", "_")) for name in names)


def json_schema() -> dict[str, Any]:
    """JSON Schema of assistant.yaml, for completion and checking in editors.

    References are written out, because editors ignore a description beside `$ref`. Numbers and choices may
    also be `${NAME}`, and every key may stand without a value.
    """
    about = {"title": "assistant.yaml", "description": "The settings of Switchyard."}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **_described(()), **about}


def _described(loc: Loc) -> dict[str, Any]:
    found = schema_at(loc)
    kind = found["type"]
    about = {key: found[key] for key in ("description", "default") if found.get(key) is not None}
    if kind == "object":
        about.pop("default", None)
        parts: dict[str, Any] = {"additionalProperties": found.get("additionalProperties", False)}
        for name in found.get("properties", ()):
            parts.setdefault("properties", {})[name] = _described((*loc, name))
        for pattern in found.get("patternProperties", ()):
            parts["patternProperties"] = {pattern: _described((*loc, "NAME"))}
        return {**about, "type": ["object", "null"], **parts}
    if kind == "array":
        return {**about, "type": ["array", "null"], "items": {"type": "string"}}
    exact = {key: found[key] for key in _EXACT if key in found}
    if kind == "string" and "enum" not in found:
        return {**about, "type": ["string", "null"]}
    return {**about, "anyOf": [exact, _REFERENCE, _NULL]}


def schema_text() -> str:
    """The contents of assistant.schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    print(SCHEMA_FILE)
