"""The settings for other eyes: a JSON Schema for editors, and rows that say what is set and where."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from assistant.config_errors import dotted, schema_at
from assistant.config_file import Loaded, leaves
from assistant.config_surfaces import LANGUAGES
from assistant.config_types import MASK, Loc, mask_url, mask_user
from assistant.settings import Source

SCHEMA_FILE = Path(__file__).with_name("assistant.schema.json")

REFERENCE_FILE = Path(__file__).parent.parent / "docs" / "settings.md"

_HEAD = """# Settings

One file, `assistant.yaml`; `assistant/assistant.example.yaml` shows all of it with comments. Written by
`python -m assistant.config_schema` from the descriptions in `assistant/settings.py`.

- `${NAME}` in a value is an environment variable, `${NAME:-text}` one with a default, `${file:/run/secrets/key}` the
  contents of a file.
- `ASSISTANT__SERVER__PORT=8000` in the environment wins over `server.port` in the file; so for every key.
- `assistant config explain` prints each value and where it came from; `assistant config check` tells what is wrong.
- `ASSISTANT_CONFIG` names another file than `assistant.yaml`. Relative paths count from the file's folder.
"""
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
    if loc[0] == "collections" and loc[2:] == ("sources",):
        value = [_source(loaded, (*loc, index), source) for index, source in enumerate(value)]
    plain = isinstance(value, str | Path)
    return mask_url(str(value)) if plain else json.dumps(_masked(value), ensure_ascii=False, default=str)


def _source(loaded: Loaded, loc: Loc, source: Source) -> Any:
    """A source as it was written, but for what `${…}` brings into arguments and for who signs in to an address."""
    shown = source.model_dump(exclude_defaults=True)
    for name in shown.keys() & {"arguments", "load"}:
        shown[name] = _unreferred(loaded, (*loc, name), shown[name])
    for name in shown.keys() & {"url", "sitemap", "git"}:
        shown[name] = mask_user(shown[name])
    return shown["path"] if list(shown) == ["path"] else shown


def _unreferred(loaded: Loaded, loc: Loc, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unreferred(loaded, (*loc, name), item) for name, item in value.items()}
    if isinstance(value, list):
        return [_unreferred(loaded, (*loc, index), item) for index, item in enumerate(value)]
    return MASK if dotted(loc) in loaded.referring else value


def _masked(value: Any) -> Any:
    """`value` with whatever has a secret's name masked, and the passwords of URLs, at any depth."""
    if isinstance(value, dict):
        return {key: MASK if _names_secret([key]) else _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return mask_url(value) if isinstance(value, str) else value


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
    if found.get("languages"):
        one = {key: found[key] for key in ("type", "items") if key in found}
        each = {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(LANGUAGES, one)}
        return {**about, "anyOf": [one, each, _NULL]}
    if kind == "object":
        about.pop("default", None)
        parts: dict[str, Any] = {"additionalProperties": found.get("additionalProperties", False)}
        for name in found.get("properties", ()):
            parts.setdefault("properties", {})[name] = _described((*loc, name))
        for pattern in found.get("patternProperties", ()):
            parts["patternProperties"] = {pattern: _described((*loc, "NAME"))}
        return {**about, "type": ["object", "null"], **parts}
    if kind == "array":
        entry = _described((*loc, 0))
        either = {"anyOf": [{"type": "string"}, entry]} if "properties" in entry else {"type": "string"}
        return {**about, "type": ["array", "null"], "items": either}
    exact = {key: found[key] for key in _EXACT if key in found}
    if kind == "string" and "enum" not in found:
        return {**about, "type": ["string", "null"]}
    return {**about, "anyOf": [exact, _REFERENCE, _NULL]}


def schema_text() -> str:
    """The contents of assistant.schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def reference() -> str:
    """docs/settings.md: every key with its default and meaning, from the same descriptions as the schema."""
    lines = [_HEAD]

    def walk(name: str, found: dict[str, Any]) -> None:
        parts = {f"{name}.{key}".lstrip("."): part for key, part in found.get("properties", {}).items()}
        nested = {key: part for key, part in parts.items() if part.keys() & {"properties", "patternProperties"}}
        if len(parts) > len(nested):
            lines.append("\n| key | default | meaning |\n|---|---|---|\n")
        for key, part in parts.items():
            if key not in nested:
                default = f"`{json.dumps(part['default'], ensure_ascii=False)}`" if "default" in part else ""
                meaning = part["description"].replace("*", r"\*")
                lines.append(f"| `{key}` | {default} | {meaning} |\n")
            for entry in part.get("items", {}).get("anyOf", ())[1:]:
                nested[f"{key}[]"] = entry
        for key, part in nested.items():
            lines.append(f"\n## `{key}`\n\n{part['description']}\n")
            walk(key, part)
        for pattern, part in found.get("patternProperties", {}).items():
            lines.append(f"\n`NAME` fits `{pattern}`.\n")
            walk(f"{name}.NAME", part)

    walk("", json_schema())
    return "".join(lines)


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    REFERENCE_FILE.write_text(reference(), encoding="utf-8")
    print(SCHEMA_FILE, REFERENCE_FILE, sep="\n")
